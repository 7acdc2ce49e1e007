"""The development sets, split once."""

import json
import os
import random


def split_table(task, glue, work, seed):
    """Writes the two halves of a task's development file, its lines in their order, and returns their paths."""
    source = glue / task["folder"] / "dev.tsv"
    lines = source.read_bytes().splitlines(keepends=True)
    head, rows = (lines[:1], lines[1:]) if task["header"] else ([], lines)
    paths = []
    for name, half in zip(("selection", "report"), halves(rows, seed)):
        path = work / f"{task['folder']}-{name}.tsv"
        write(path, b"".join(head + half))
        paths.append(path)
    return paths


def training_examples(task, glue):
    """How many examples a task trains on."""
    rows = len((glue / task["folder"] / "train.tsv").read_bytes().splitlines()) - task["header"]
    return min(rows, task.get("max_train_samples", rows))


def split_records(task, file, work, seed):
    """Holds back the last records of a JSON list; writes the training records and the two halves, and returns the paths."""
    records = json.loads(file.read_text())
    held = len(records) - task["held_out"]
    parts = {"train": records[:held]} | dict(zip(("selection", "report"), halves(records[held:], seed)))
    paths = []
    for name, part in parts.items():
        path = work / f"instruct-{name}.json"
        write(path, ("[\n" + ",\n".join(map(json.dumps, part)) + "\n]\n").encode())
        paths.append(path)
    return paths


def write(path, content):
    """Writes a file at once: runs of another process may be reading it."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(content)
    temporary.rename(path)


def halves(rows, seed):
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    middle = (len(rows) + 1) // 2
    return [[rows[number] for number in sorted(part)] for part in (order[:middle], order[middle:])]
