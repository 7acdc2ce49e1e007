#!/usr/bin/env python3
"""Adds to the runs of a folder the keys that PEFT's method_comparison reads (comparison.py) and older files lack.

    python3 scripts/evidence/complete.py RUNS GLUE_DIR        (RUNS: docs/evidence/runs or docs/evidence/peft)

GLUE_DIR tells how many training examples a task has; its files must be those that the runs name by SHA-256. What a
language model forgot is taken from base.json beside RUNS. Keys that are there stay; complete files are not written.
"""

import argparse
import json
from pathlib import Path

from comparison import comparable
from halves import training_examples
from plan import Plan
from program import keep, sha256

REPOSITORY = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("glue", type=Path)
    parser.add_argument("--plan", type=Path, default=REPOSITORY / "docs/evidence/plan.json")
    arguments = parser.parse_args()
    tasks = {name: task for name, task in Plan(arguments.plan).tasks.items() if "folder" in task}
    examples = {name: training_examples(task, arguments.glue) for name, task in tasks.items()}
    digests = {name: sha256(arguments.glue / task["folder"] / "train.tsv") for name, task in tasks.items()}
    base = arguments.runs.resolve().parent / "base.json"
    base = json.loads(base.read_text()) if base.exists() else None
    paths, written = sorted(arguments.runs.glob("*.json")), 0
    for path in paths:
        record = json.loads(path.read_text())
        task, data = record["cell"]["task"], record["meta_info"].get("data_sha256", {})
        if "wikitext2_loss" in record.get("report", {}) and base is None:
            parser.error(f"{path}: what it forgot needs base.json beside {arguments.runs}")
        if data.get("train.tsv", digests.get(task)) != digests.get(task):
            parser.error(f"{path}: made with another train.tsv than that of {arguments.glue}")
        completed = comparable(record, examples.get(task), base)
        if completed != record:
            keep(completed, path)
            written += 1
    print(f"{written} of {len(paths)} files written")


if __name__ == "__main__":
    main()
