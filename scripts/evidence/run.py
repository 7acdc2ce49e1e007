#!/usr/bin/env python3
"""Makes the runs of docs/evidence/plan.json that docs/evidence/runs does not hold yet. It may be stopped at any time.

    scripts/evidence.sh PROGRAM MODEL GLUE_DIR [--only core] [--part 1/2] [--runs DIR] [--work DIR] [--most N]

PROGRAM is a release build of swift-peft, MODEL the directory of all-MiniLM-L6-v2, GLUE_DIR that of the GLUE tasks. The
development file of a task is split once: by the first half the epoch and the learning rate are chosen, the second is scored
once. With --part K/N, several machines share the work: each makes every Nth run.
"""

import argparse
import datetime
import hashlib
import json
import os
import platform
import random
import shutil
import sqlite3
import subprocess
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
    work = arguments.work / "now"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    output, file = work / "run", work / f"{cell.name}.json"
    content = config(plan, cell, arguments.model, arguments.glue, halves, output)
    file.write_text(json.dumps(content))
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    loads = [os.getloadavg()[0]]
    timed = ["/usr/bin/env", "python3", str(Path(__file__).with_name("peak.py"))]
    program = str(arguments.program)
    out, seconds = call(timed + [program, "train", str(file), "--quiet", "--json"], environment)
    peak = int(out.rsplit("\n", 2)[-2].split()[-1])
    call(
        [program, "eval", str(output), "--split", "test", "--predictions", str(work / "p.tsv"), "--json"], environment)
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
    return {
        "run_info": {
            "created_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "total_time": round(seconds, 2), "experiment_name": f"{cell.task}/{cell.arm}", "peft_branch": "swift-peft",
            "train_config": {k: v for k, v in content["training"].items()} | {"model_id": arguments.model.name},
            "peft_config": content["adapter"], "error_msg": ""},
        "train_info": {
            "train_time": round(seconds, 2), "file_size": size, "num_trainable_params": run[2],
            "num_adapter_params": run[1], "num_total_params": run[3], "status": "success",
            "train_loss": losses[0][0] if losses else None, "peak_memory_bytes": peak,
            "metrics": [{"step": step, "epoch": epoch, "split": split, "name": name, "value": value}
                        for step, epoch, split, name, value in course]},
        "meta_info": {
            "model_sha256": hashes["model"], "program_sha256": hashes["program"], "program_version": run[4],
            "data_sha256": hashes[cell.task], "cpu": cpu(), "threads": os.cpu_count(), "load": loads,
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
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--part", default="1/1", metavar="K/N")
    parser.add_argument("--plan", type=Path, default=REPOSITORY / "docs/evidence/plan.json")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "docs/evidence/runs")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/swift-peft-evidence")
    parser.add_argument("--most", type=int, default=10**9, metavar="N", help="stop after this many runs")
    arguments = parser.parse_args()
    for name in "program", "model", "glue", "work", "runs":
        setattr(arguments, name, getattr(arguments, name).resolve())
    plan = Plan(arguments.plan)
    part, parts = map(int, arguments.part.split("/"))
    for directory in arguments.work, arguments.runs:
        directory.mkdir(parents=True, exist_ok=True)
    halves = {name: split_halves(task, arguments.glue, arguments.work, plan.settings["split_seed"])
              for name, task in plan.tasks.items()}
    hashes = {"model": sha256(arguments.model / "model.safetensors"), "program": sha256(arguments.program)}
    for name, task in plan.tasks.items():
        hashes[name] = {file: sha256(arguments.glue / task["folder"] / file) for file in ("train.tsv", "dev.tsv")}
    skipped, made = set(), 0
    while made < arguments.most:
        results = {path.stem: json.loads(path.read_text()) for path in arguments.runs.glob("*.json")}
        open_cells = [cell for cell in plan.cells(results, arguments.only) if cell.name not in skipped]
        own = [cell for cell in open_cells if int(hashlib.sha256(cell.name.encode()).hexdigest(), 16) % parts == part - 1]
        if not own:
            break
        cell = own[0]
        started = time.monotonic()
        try:
            record = make(plan, cell, arguments, halves[cell.task], hashes)
        except RuntimeError as error:
            print(f"{cell.name}: {error}", flush=True)
            skipped.add(cell.name)
            continue
        path = arguments.runs / f"{cell.name}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(record, separators=(",", ":")) + "\n")
        temporary.rename(path)
        made += 1
        print(f"{cell.name}: {record['metric']} {record['selection_score']:.4f} {record['report_score']:.4f} in "
              f"{time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
