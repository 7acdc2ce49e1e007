#!/usr/bin/env python3
"""Makes the runs of docs/evidence/plan.json that docs/evidence/runs does not hold yet. It may be stopped at any time.

    scripts/evidence.sh PROGRAM MODEL GLUE_DIR [--decoder DIR --instructions FILE --text FILE] [OPTIONS]

PROGRAM is a release build of swift-peft, MODEL the directory of all-MiniLM-L6-v2, GLUE_DIR that of the GLUE tasks. For the
group `instruct`, DIR is SmolLM2-135M-Instruct (scripts/gguf_model.py), and the files are a JSON list of instructions and
WikiText-2's validation text. The development set of a task is split once: by the first half the epoch and the learning rate
are chosen, the second is scored once. Small models train fastest as one run a core (--jobs, the default); a run's bits do
not depend on its threads.

With --part K/N, several machines share the work: each makes every Nth run. An arm's runs need the learning rate that the runs
of its grid choose, so that the machines stop after the grids: gather their files in one folder --runs and start them again.
Exit 1, and the list, if runs failed.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import sys
from pathlib import Path

from classification import Classification
from instruct import Instruct
from plan import Plan
from program import keep, sha256

REPOSITORY = Path(__file__).resolve().parents[2]


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("glue", type=Path)
    parser.add_argument("--decoder", type=Path, metavar="DIR")
    parser.add_argument("--instructions", type=Path, metavar="FILE")
    parser.add_argument("--text", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="+", metavar="GROUP", help="groups of the plan")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="runs at a time")
    parser.add_argument("--part", default="1/1", metavar="K/N")
    parser.add_argument("--plan", type=Path, default=REPOSITORY / "docs/evidence/plan.json")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "docs/evidence/runs")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/swift-peft-evidence")
    parser.add_argument("--most", type=int, default=10**9, metavar="N", help="stop after this many runs")
    arguments = parser.parse_args()
    for name in "program", "model", "glue", "decoder", "instructions", "text", "work", "runs":
        if path := getattr(arguments, name):
            setattr(arguments, name, path.resolve())
    for name in "program", "model", "glue", "decoder", "instructions", "text", "plan":
        if (path := getattr(arguments, name)) and not path.exists():
            parser.error(f"{name}: there is no {path}")
    numbers = arguments.part.split("/")
    if len(numbers) != 2 or not all(map(str.isdecimal, numbers)) or not 1 <= int(numbers[0]) <= int(numbers[1]):
        parser.error("--part K/N needs two numbers with 1 <= K <= N")
    arguments.part = tuple(map(int, numbers))
    if arguments.jobs < 1 or arguments.most < 1:
        parser.error("--jobs and --most need at least 1")
    plan = Plan(arguments.plan)
    groups = [group["name"] for group in plan.groups]
    for name in arguments.only or []:
        if name not in groups:
            parser.error(f"--only: the plan has no group {name}; it has {', '.join(groups)}")
    given = [arguments.decoder, arguments.instructions, arguments.text]
    if not all(given):
        if any(given) or "instruct" in (arguments.only or []):
            parser.error("the group instruct needs --decoder, --instructions and --text")
        if not arguments.only:
            print("without --decoder: the group instruct is left out", file=sys.stderr)
        arguments.only = [name for name in arguments.only or groups if name != "instruct"]
    return arguments, plan


def main():
    arguments, plan = parsed()
    for directory in arguments.work, arguments.runs:
        directory.mkdir(parents=True, exist_ok=True)
    arguments.program_sha256 = sha256(arguments.program)
    threads = max(1, len(os.sched_getaffinity(0)) // arguments.jobs)
    tasks = {task for group in plan.chosen(arguments.only) for task in group["tasks"] + group["rate_tasks"]}
    makers = {}
    if tasks - {"instruct"}:
        makers = dict.fromkeys(tasks - {"instruct"}, Classification(plan, arguments))
    if "instruct" in tasks:
        makers["instruct"] = Instruct(plan, arguments)
        base, maker = arguments.runs.parent / "base.json", makers["instruct"]
        if not base.exists():
            keep(maker.base(threads), base)
        found = json.loads(base.read_text())
        if (found["model_sha256"], found["data_sha256"]) != (maker.model, maker.data):
            print(f"{base} is of another model or other data: delete it and the runs of instruct", file=sys.stderr)
            return 1

    results = {path.stem: json.loads(path.read_text()) for path in arguments.runs.glob("*.json")}
    running, failed, begun = {}, [], 0
    part, parts = arguments.part
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        while True:
            taken = {cell.name for cell in running.values()} | set(failed)
            mine = (cell for cell in plan.cells(results, arguments.only) if cell.name not in taken
                    and int(hashlib.sha256(cell.name.encode()).hexdigest(), 16) % parts == part - 1)
            while len(running) < arguments.jobs and begun < arguments.most and (cell := next(mine, None)):
                running[pool.submit(makers[cell.task].make, cell, threads)] = cell
                taken.add(cell.name)
                begun += 1
            if not running:
                break
            for done in concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                cell = running.pop(done)
                try:
                    record = done.result()
                except Exception as error:  # One odd run must not end the others.
                    print(f"{cell.name}: {type(error).__name__}: {error}", flush=True)
                    failed.append(cell.name)
                    continue
                keep(record, arguments.runs / f"{cell.name}.json")
                results[cell.name] = record
                print(f"{cell.name}: {record['metric']} {record['selection_score']:.4f} {record['report_score']:.4f} in "
                      f"{record['train_info']['train_time']:.0f} s", flush=True)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    waiting = {arm for group in plan.chosen(arguments.only) for arm in plan.arms(group)
               if plan.rate(arm, group, results) is None}
    if waiting and begun < arguments.most:
        print(f"no learning rate yet, runs of the grid missing: {', '.join(sorted(waiting))}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
