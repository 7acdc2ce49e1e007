#!/usr/bin/env python3
"""Makes the runs of docs/evidence/plan.json that docs/evidence/runs does not hold yet. It may be stopped at any time.

    scripts/evidence.sh PROGRAM MODEL GLUE_DIR [--only GROUP …] [--jobs N] [--part 1/2] [--runs DIR] [--work DIR] [--most N]

PROGRAM is a release build of swift-peft, MODEL the directory of all-MiniLM-L6-v2, GLUE_DIR that of the GLUE tasks. The
development file of a task is split once: by the first half the epoch and the learning rate are chosen, the second is scored
once. Small models train fastest as one run a core (--jobs, the default); a run's bits do not depend on its threads.

With --part K/N, several machines share the work: each makes every Nth run. An arm's runs need the learning rate that the runs
of its grid choose, so that the machines stop after the grids: gather their files in one folder --runs and start them again.
Exit 1, and the list, if runs failed.
"""

import argparse
import concurrent.futures
import datetime
import hashlib
import json
import os
import platform
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from plan import Plan

REPOSITORY = Path(__file__).resolve().parents[2]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def split_halves(task, glue, work, seed):
    """Writes the two halves of a development file, its lines in their order, and returns their paths."""
    source = glue / task["folder"] / "dev.tsv"
    lines = source.read_bytes().splitlines(keepends=True)
    head, rows = (lines[:1], lines[1:]) if task["header"] else ([], lines)
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    middle = (len(rows) + 1) // 2
    paths = []
    for name, numbers in ("selection", order[:middle]), ("report", order[middle:]):
        path = work / f"{task['folder']}-{name}.tsv"
        path.write_bytes(b"".join(head + [rows[number] for number in sorted(numbers)]))
        paths.append(path)
    return paths


def config(plan, cell, model, glue, halves, output):
    task, s = plan.tasks[cell.task], plan.settings
    data = {"name": cell.task, "train_file": str(glue / task["folder"] / "train.tsv"),
            "validation_file": str(halves[0]), "test_file": str(halves[1])}
    if "max_train_samples" in task:
        data["max_train_samples"] = task["max_train_samples"]
    return {
        "name": cell.name, "model": str(model), "task": data,
        "adapter": {"target_modules": s["target_modules"], "lora_alpha": s["lora_alpha"]} | plan.adapter(cell.arm),
        "training": {
            "num_train_epochs": s["num_train_epochs"], "train_batch_size": s["train_batch_size"],
            "learning_rate": cell.rate, "precision": s["precision"], "seed": cell.seed, "eval_strategy": "epoch",
            "load_best_model_at_end": True, "metric_for_best_model": task["metric"], "save_steps": 0,
            "logging_steps": 50},
        "output_dir": str(output), "database": str(output.parent / "runs.sqlite")}


def call(command, environment):
    """Runs a command; returns its output and its seconds."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    seconds = time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{err[-2000:]}")
    return out, seconds


def rows(database, query, *values):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute(query, values).fetchall()


def predictions(path):
    """Class numbers or scores, as short as can be, and the labels."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    header, body = lines[0], lines[1:]
    prediction, label = header.index("prediction"), header.index("label")
    return [row[prediction] for row in body], [row[label] for row in body]


def make(plan, cell, arguments, halves, hashes):
    work = arguments.work / cell.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    output, file = work / "run", work / f"{cell.name}.json"
    content = config(plan, cell, arguments.model, arguments.glue, halves, output)
    file.write_text(json.dumps(content))
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    loads = [os.getloadavg()[0]]
    timed = [sys.executable, str(Path(__file__).with_name("peak.py"))]
    program, threads = str(arguments.program), max(1, len(os.sched_getaffinity(0)) // arguments.jobs)
    out, seconds = call(
        timed + [program, "train", str(file), "--quiet", "--json", "--threads", str(threads)], environment)
    usage = json.loads(out.splitlines()[-1])
    call([program, "eval", str(output), "--split", "test", "--predictions", str(work / "p.tsv"), "--json",
          "--threads", str(threads)], environment)
    loads.append(os.getloadavg()[0])
    database, metric = output.parent / "runs.sqlite", plan.tasks[cell.task]["metric"]
    run = rows(database, "SELECT id, adapter_parameters, trainable_parameters, total_parameters, version FROM runs")[0]
    course = rows(database, "SELECT step, epoch, split, name, value FROM metrics WHERE run_id = ? AND split != 'train' "
                  "ORDER BY step, name", run[0])
    losses = rows(database, "SELECT value FROM metrics WHERE run_id = ? AND split = 'train' AND name = 'loss' "
                  "ORDER BY step DESC LIMIT 1", run[0])
    by_epoch = [(epoch, value) for _, epoch, split, name, value in course if split == "validation" and name == metric]
    best = max(by_epoch, key=lambda pair: pair[1])
    found, labels = predictions(work / "p.tsv")
    report = json.loads((output / "eval_results.json").read_text())
    merges = rows(database, "SELECT step, module, lower_layer, upper_layer, distance FROM merges WHERE run_id = ?", run[0])
    size = (output / "adapter_model.safetensors").stat().st_size
    shutil.rmtree(work)
    return {
        "run_info": {
            "created_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "total_time": round(seconds, 2), "experiment_name": f"{cell.task}/{cell.arm}", "peft_branch": "swift-peft",
            "train_config": {k: v for k, v in content["training"].items()} | {"model_id": arguments.model.name},
            "peft_config": content["adapter"], "error_msg": ""},
        "train_info": {
            "train_time": round(seconds, 2), "cpu_seconds": usage["cpu_seconds"], "file_size": size, "num_trainable_params": run[2],
            "num_adapter_params": run[1], "num_total_params": run[3], "status": "success",
            "train_loss": losses[0][0] if losses else None, "peak_memory_bytes": usage["peak_memory_bytes"],
            "metrics": [{"step": step, "epoch": epoch, "split": split, "name": name, "value": value}
                        for step, epoch, split, name, value in course]},
        "meta_info": {
            "model_sha256": hashes["model"], "program_sha256": hashes["program"], "program_version": run[4],
            "data_sha256": hashes[cell.task], "cpu": cpu(), "threads": threads, "load": loads,
            "system": platform.platform()},
        "cell": {"arm": cell.arm, "task": cell.task, "learning_rate": cell.rate, "seed": cell.seed},
        "metric": metric, "epoch": best[0], "selection_score": best[1], "report_score": report[metric],
        "report": {k: v for k, v in report.items() if isinstance(v, (int, float))}, "predictions": found, "labels": labels,
        "merges": [list(merge) for merge in merges],
    }


def cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("glue", type=Path)
    parser.add_argument("--only", nargs="+", metavar="GROUP", help="groups of the plan")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="runs at a time")
    parser.add_argument("--part", default="1/1", metavar="K/N")
    parser.add_argument("--plan", type=Path, default=REPOSITORY / "docs/evidence/plan.json")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "docs/evidence/runs")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/swift-peft-evidence")
    parser.add_argument("--most", type=int, default=10**9, metavar="N", help="stop after this many runs")
    arguments = parser.parse_args()
    for name in "program", "model", "glue", "work", "runs":
        setattr(arguments, name, getattr(arguments, name).resolve())
    plan = Plan(arguments.plan)
    groups = [group["name"] for group in plan.groups]
    for name in arguments.only or []:
        if name not in groups:
            parser.error(f"--only: the plan has no group {name}; it has {', '.join(groups)}")
    part, parts = map(int, arguments.part.split("/"))
    if not 1 <= part <= parts or arguments.jobs < 1:
        parser.error("--part K/N needs 1 <= K <= N, and --jobs at least 1")
    for directory in arguments.work, arguments.runs:
        directory.mkdir(parents=True, exist_ok=True)
    halves = {name: split_halves(task, arguments.glue, arguments.work, plan.settings["split_seed"])
              for name, task in plan.tasks.items()}
    hashes = {"model": sha256(arguments.model / "model.safetensors"), "program": sha256(arguments.program)}
    for name, task in plan.tasks.items():
        hashes[name] = {file: sha256(arguments.glue / task["folder"] / file) for file in ("train.tsv", "dev.tsv")}

    results = {path.stem: json.loads(path.read_text()) for path in arguments.runs.glob("*.json")}
    running, failed, begun = {}, [], 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        while True:
            taken = {cell.name for cell in running.values()} | set(failed)
            mine = (cell for cell in plan.cells(results, arguments.only) if cell.name not in taken
                    and int(hashlib.sha256(cell.name.encode()).hexdigest(), 16) % parts == part - 1)
            while len(running) < arguments.jobs and begun < arguments.most and (cell := next(mine, None)):
                running[pool.submit(make, plan, cell, arguments, halves[cell.task], hashes)] = cell
                taken.add(cell.name)
                begun += 1
            if not running:
                break
            for done in concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                cell = running.pop(done)
                try:
                    record = done.result()
                except (RuntimeError, OSError, sqlite3.Error, ValueError) as error:
                    print(f"{cell.name}: {error}", flush=True)
                    failed.append(cell.name)
                    continue
                keep(record, arguments.runs / f"{cell.name}.json")
                results[cell.name] = record
                print(f"{cell.name}: {record['metric']} {record['selection_score']:.4f} {record['report_score']:.4f} in "
                      f"{record['train_info']['train_time']:.0f} s", flush=True)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    arms = [arm for group in plan.groups if not arguments.only or group["name"] in arguments.only
            for arm in plan.arms(group) if plan.rate(arm, results) is None]
    if arms and begun < arguments.most:
        print(f"no learning rate yet, runs of the grid missing: {', '.join(dict.fromkeys(arms))}", file=sys.stderr)
    return 1 if failed else 0


def keep(record, path):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    temporary.rename(path)


if __name__ == "__main__":
    sys.exit(main())
