#!/usr/bin/env python3
"""Reads the runs of a folder with PEFT's own method_comparison/processing.py, as its results of MetaMathQA.

    python3 scripts/evidence/check_schema.py PEFT RUNS

PEFT is a checkout of huggingface/peft, or its processing.py. Prints how many files it took; exit 1, and what it said,
if it did not take all. Needs pandas.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

TASK = "MetaMathQA"


def loaded(path):
    """The module in a file."""
    specification = importlib.util.spec_from_file_location("processing", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peft", type=Path)
    parser.add_argument("runs", type=Path)
    arguments = parser.parse_args()
    path = arguments.peft / "method_comparison/processing.py" if arguments.peft.is_dir() else arguments.peft
    paths = sorted(arguments.runs.glob("*.json"))
    if not path.exists() or not paths:
        parser.error(f"there is no {path}" if paths else f"{arguments.runs}: no runs")
    processing, taken = loaded(path), 0
    for run in paths:
        try:
            rows = processing.preprocess([json.loads(run.read_text())], TASK, print_fn=lambda _: None)
        except Exception as error:
            print(f"{run}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        if not rows:
            print(f"{run}: skipped, its status is not success", file=sys.stderr)
        taken += len(rows)
    shown = taken
    if taken == len(paths):
        try:
            shown = len(processing.load_df(arguments.runs, TASK))
        except Exception as error:  # A value that is not of its column's type.
            print(f"{arguments.runs}: {type(error).__name__}: {error}", file=sys.stderr)
            taken = shown = 0
    print(f"{taken} of {len(paths)} files taken")
    if shown < taken:
        print(f"not shown: {taken - shown} of the same name and second as another", file=sys.stderr)
    return 0 if taken == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
