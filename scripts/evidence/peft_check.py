#!/usr/bin/env python3
"""Makes runs of docs/evidence/plan.json with PyTorch, transformers and PEFT, to see whether scores agree within noise.

    python3 scripts/evidence/peft_check.py MODEL GLUE_DIR TASK/ARM … [--seeds 1 2 3] [--runs docs/evidence/peft]

Same data, halves, learning rate, schedule, precision and choice of the epoch as the runs in docs/evidence/runs, which choose
the rate; initial values, order and dropout are PyTorch's own. Arms: none, and those whose strategy is lora. Runs that are
there are not made again. Needs torch, transformers and peft.
"""

import argparse
import csv
import json
import random
import time
from pathlib import Path

import numpy
import peft
import torch
import transformers

from comparison import comparable
from halves import split_table
from plan import Cell, Plan
from program import keep, machine, now, sha256

REPOSITORY = Path(__file__).resolve().parents[2]
COLUMNS = {"cola": (3, None, 1), "mrpc": (3, 4, 0), "stsb": (7, 8, 9), "sst2": (0, None, 1)}


def read(path, name, task):
    """The sentences (one or two) and the label of every line."""
    text, pair, label = COLUMNS[name]
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1 if task["header"] else 0:]
    rows = rows[:task["max_train_samples"]] if "train" in path.name and "max_train_samples" in task else rows
    cast = float if name == "stsb" else int
    return [((row[text], row[pair]) if pair else (row[text],), cast(row[label])) for row in rows]


def score(metric, found, labels):
    found, labels = numpy.array(found, dtype=float), numpy.array(labels, dtype=float)
    if metric == "accuracy":
        return float((found == labels).mean())
    if metric == "f1":
        hit = ((found == 1) & (labels == 1)).sum()
        return float(2 * hit / max(1, (found == 1).sum() + (labels == 1).sum()))
    if found.std() == 0 or labels.std() == 0:
        return 0.0
    # Of two classes, Matthews's coefficient is Pearson's.
    return float(numpy.corrcoef(found, labels)[0, 1])


def built(plan, cell, model_dir):
    labels = 1 if cell.task == "stsb" else 2
    model = transformers.AutoModelForSequenceClassification.from_pretrained(model_dir, num_labels=labels)
    adapter = plan.adapter(cell)
    if adapter["strategy"] == "none":
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.startswith("classifier")
        return model, 0
    if adapter["strategy"] != "lora":
        raise SystemExit(f"{cell.arm}: PEFT's side has none and lora only")
    config = peft.LoraConfig(
        task_type="SEQ_CLS", r=adapter["r"], lora_alpha=plan.settings["lora_alpha"],
        target_modules=plan.settings["target_modules"], use_dora=adapter.get("use_dora", False))
    model = peft.get_peft_model(model, config)
    return model, sum(p.numel() for n, p in model.named_parameters() if p.requires_grad and "lora_" in n)


def make(plan, cell, arguments, halves):
    torch.manual_seed(cell.seed)
    order, s, task = random.Random(cell.seed), plan.settings, plan.tasks[cell.task]
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    train, selection, report = (read(path, cell.task, task) for path in (
        arguments.glue / task["folder"] / "train.tsv", *halves))
    model, numbers = built(plan, cell, arguments.model)
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for n, p in named if n.endswith("bias")], "weight_decay": 0.0},
              {"params": [p for n, p in named if not n.endswith("bias")], "weight_decay": 0.1}]
    optimizer = torch.optim.AdamW(groups, lr=cell.rate)
    size = s["train_batch_size"]
    steps = -(-len(train) // size) * s["num_train_epochs"]
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, -(-steps * 6 // 100), steps)

    def encoded(rows):
        texts = list(zip(*(row[0] for row in rows)))
        return tokenizer(*map(list, texts), padding=True, truncation=True, max_length=128, return_tensors="pt")

    def predicted(rows):
        model.eval()
        found = []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(rows), 64):
                logits = model(**encoded(rows[start:start + 64])).logits.float()
                found += logits.squeeze(-1).tolist() if cell.task == "stsb" else logits.argmax(-1).tolist()
        return found

    started, metrics, best, loss, step = time.monotonic(), [], None, None, 0
    for epoch in range(1, s["num_train_epochs"] + 1):
        rows = order.sample(train, len(train))
        model.train()
        for start in range(0, len(rows), size):
            batch = rows[start:start + size]
            labels = torch.tensor([label for _, label in batch])
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(**encoded(batch)).logits.float()
            loss = (torch.nn.functional.mse_loss(logits.squeeze(-1), labels.float()) if cell.task == "stsb"
                    else torch.nn.functional.cross_entropy(logits, labels))
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
        value = score(task["metric"], predicted(selection), [label for _, label in selection])
        metrics.append({"step": step, "epoch": epoch, "split": "validation", "name": task["metric"], "value": value})
        if best is None or value > best[0]:
            best = value, epoch, predicted(report)
    seconds = round(time.monotonic() - started, 2)
    labels = [label for _, label in report]
    report_score = score(task["metric"], best[2], labels)
    return comparable({
        "run_info": {
            "created_at": now(), "total_time": seconds, "experiment_name": f"{cell.task}/{cell.arm}",
            "peft_branch": f"peft {peft.__version__}, torch {torch.__version__}, transformers {transformers.__version__}",
            "train_config": {"learning_rate": cell.rate, "seed": cell.seed, "model_id": arguments.model.name},
            "peft_config": plan.adapter(cell), "error_msg": ""},
        "train_info": {
            "train_time": seconds, "num_trainable_params": sum(p.numel() for _, p in named), "num_adapter_params": numbers,
            "num_total_params": sum(p.numel() for p in model.parameters()), "status": "success", "train_loss": loss.item(),
            "file_size": 0, "peak_memory_bytes": 0, "metrics": metrics},
        "meta_info": {"model_sha256": sha256(arguments.model / "model.safetensors"), "program_sha256": ""}
        | machine(torch.get_num_threads(), []),
        "cell": {"arm": cell.arm, "task": cell.task, "learning_rate": cell.rate, "seed": cell.seed},
        "metric": task["metric"], "epoch": best[1], "selection_score": best[0],
        "report_score": report_score, "report": {task["metric"]: report_score}, "predictions": [f"{value:.6g}" for value in best[2]],
        "labels": [str(label) for label in labels], "merges": []}, len(train))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("glue", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="TASK/ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plan", type=Path, default=REPOSITORY / "docs/evidence/plan.json")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "docs/evidence/runs", help="our runs")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "docs/evidence/peft")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/swift-peft-evidence")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    for directory in arguments.runs, arguments.work:
        directory.mkdir(parents=True, exist_ok=True)
    plan = Plan(arguments.plan)
    pairs = []
    for pair in arguments.pairs:
        task, _, arm = pair.partition("/")
        group = next((group for group in plan.groups if task in group["tasks"] and arm in plan.arms(group)), None)
        if group is None or task not in COLUMNS:
            parser.error(f"{pair}: not a pair of a task ({', '.join(COLUMNS)}) and an arm of the plan")
        pairs.append((task, arm, group))
    results = {path.stem: json.loads(path.read_text()) for path in arguments.results.glob("*.json")}
    for seed in arguments.seeds:
        for task, arm, group in pairs:
            rate = plan.rate(arm, group, results)
            if rate is None:
                parser.error(f"{arm} has no learning rate yet: runs of its grid are missing")
            cell = Cell(arm, task, rate, seed)
            path = arguments.runs / f"{cell.name}.json"
            if not path.exists():
                halves = split_table(plan.tasks[task], arguments.glue, arguments.work, plan.settings["split_seed"])
                record = make(plan, cell, arguments, halves)
                keep(record, path)
                print(f"{cell.name}: {record['metric']} {record['selection_score']:.4f} {record['report_score']:.4f} in "
                      f"{record['train_info']['train_time']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
