#!/usr/bin/env python3
"""How far bfloat16's loss curve lies from float32's, here and with PyTorch's autocast.

    python scripts/golden/precision.py BINARY CONFIG PEER.PY [--set key=value]... [--threads N]

Trains CONFIG four times, with BINARY and with the peer (../shared/bench/peer.py) in both precisions, all from the
start that the peer draws, and prints each side's mean and largest |loss in bfloat16 - loss in float32| over the
steps. Set training.logging_steps to 1, and dropout to 0, so that every step's loss is compared.
"""

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def ours(binary, config, settings, work, precision):
    database = work / f"{precision}.sqlite"
    subprocess.run([binary, "train", config, "--quiet", "--json", "--output-dir", work / f"ours-{precision}", "--database",
                    database, "--set", f"training.precision={precision}", "--set", f"adapter.init_from={work / 'init'}",
                    *settings], check=True, stdout=subprocess.DEVNULL)
    with sqlite3.connect(database) as connection:
        return [value for (value,) in connection.execute(
            "SELECT value FROM metrics WHERE split = 'train' AND name = 'loss' ORDER BY step")]


def theirs(peer, config, settings, work, precision, threads):
    command = [sys.executable, peer, "train", config, "--set", f"output_dir={work / 'peer'}", "--precision", precision,
               "--threads", threads, *settings]
    command += ["--save-init", work / "init"] if precision == "float32" else ["--set", f"adapter.init_from={work / 'init'}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [record["loss"] for record in map(json.loads, lines) if "grad_norm" in record]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("config")
    parser.add_argument("peer")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--threads", default="2")
    options = parser.parse_args()
    settings = [part for value in options.set for part in ("--set", value)]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        # The peer's float32 run comes first: it draws the start.
        curves = {("peer", precision): theirs(options.peer, options.config, settings, work, precision, options.threads)
                  for precision in ("float32", "bfloat16")}
        for precision in ("float32", "bfloat16"):
            curves["ours", precision] = ours(options.binary, options.config, settings, work, precision)
    for side in ("peer", "ours"):
        pairs = list(zip(curves[side, "float32"], curves[side, "bfloat16"], strict=True))
        distances = [abs(a - b) for a, b in pairs]
        last = pairs[-len(pairs) // 10:]
        print(f"{side}: {len(pairs)} steps, |difference| mean {statistics.fmean(distances):.5f}, "
              f"largest {max(distances):.5f}; mean loss of the last tenth: float32 "
              f"{statistics.fmean(a for a, _ in last):.4f}, bfloat16 {statistics.fmean(b for _, b in last):.4f}")


if __name__ == "__main__":
    main()
