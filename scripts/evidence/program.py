"""Running a program and reading what it leaves: what all kinds of runs have in common."""

import datetime
import hashlib
import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
from pathlib import Path


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def call(command):
    """Runs a command without this machine's pins of OpenBLAS; returns its output and its seconds."""
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    seconds = time.monotonic() - started
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {process.returncode}\n{err[-2000:]}")
    return out, seconds


def call_measured(command):
    """Like `call`; returns the seconds and what peak.py prints about memory and processor time."""
    out, seconds = call([sys.executable, str(Path(__file__).with_name("peak.py"))] + command)
    return round(seconds, 2), json.loads(out.splitlines()[-1])


def query(database, text, *values):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute(text, values).fetchall()


def course(database):
    """What a run's database says of it: (adapter's, trained and all numbers, version), metrics and merges."""
    run, *about = query(
        database, "SELECT id, adapter_parameters, trainable_parameters, total_parameters, version FROM runs")[0]
    metrics = query(database, "SELECT step, epoch, split, name, value FROM metrics WHERE run_id = ? AND split != 'train' "
                    "ORDER BY step, name", run)
    losses = query(database, "SELECT value FROM metrics WHERE run_id = ? AND split = 'train' AND name = 'loss' "
                   "ORDER BY step DESC LIMIT 1", run)
    merges = query(database, "SELECT step, module, lower_layer, upper_layer, distance FROM merges WHERE run_id = ?", run)
    metrics = [dict(zip(("step", "epoch", "split", "name", "value"), row)) for row in metrics]
    return about, metrics, losses[0][0] if losses else None, [list(merge) for merge in merges]


def record(cell, content, model, measured, database, size, meta):
    """What a run's file has whatever the task is, in the form of PEFT's method_comparison, and the run's metrics. The scores
    are to be added, then what PEFT reads of them (comparison.py).

    `content` is its configuration, `measured` what `call_measured` returned, `size` that of the adapter's file."""
    (adapter, trained, total, version), metrics, loss, merges = course(database)
    seconds, usage = measured
    return {
        "run_info": {
            "created_at": now(), "total_time": seconds, "experiment_name": f"{cell.task}/{cell.arm}",
            "peft_branch": "swift-peft", "train_config": content["training"] | {"model_id": model.name},
            "peft_config": content["adapter"], "error_msg": ""},
        "train_info": {
            "train_time": seconds, "cpu_seconds": usage["cpu_seconds"], "file_size": size, "num_trainable_params": trained,
            "num_adapter_params": adapter, "num_total_params": total, "status": "success", "train_loss": loss,
            "peak_memory_bytes": usage["peak_memory_bytes"], "metrics": metrics},
        "meta_info": meta | {"program_version": version},
        "cell": {"arm": cell.arm, "task": cell.task, "learning_rate": cell.rate, "seed": cell.seed},
        "merges": merges}, metrics


def machine(threads, loads):
    return {"cpu": cpu(), "threads": threads, "load": loads, "system": platform.platform()}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def keep(record, path):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    temporary.rename(path)
