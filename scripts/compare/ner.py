#!/usr/bin/env python3
"""Trains token classification with swift-peft and with PyTorch + PEFT on the sentences of ner_data.py, several seeds each, and
compares seqeval's F1 on the development set.

    python3 scripts/compare/ner.py PROGRAM MODEL [--seeds 3] [--epochs 3] [--work DIR]

MODEL is an encoder whose default targets are query and value, such as all-MiniLM-L6-v2. Both train the same LoRA and head
with the same schedule on batches that each shuffles by itself. Needs torch, transformers, peft and seqeval.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
warnings.filterwarnings("ignore")

import torch
from peft import LoraConfig, TaskType, get_peft_model
from seqeval.metrics import f1_score
from transformers import AutoModelForTokenClassification, AutoTokenizer, get_linear_schedule_with_warmup
from transformers.utils import logging

R, ALPHA, RATE, DECAY, BATCH, LENGTH = 8, 16, 1e-3, 0.01, 16, 128


def sentences(path):
    for block in path.read_text().split("\n\n"):
        rows = [line.split(" ") for line in block.splitlines() if line]
        if rows:
            yield [row[0] for row in rows], [row[1] for row in rows]


def encode(tokenizer, words, tags, numbers):
    encoding = tokenizer(words, is_split_into_words=True, truncation=True, max_length=LENGTH)
    labels, last = [], None
    for word in encoding.word_ids():
        labels.append(-100 if word is None or word == last else numbers[tags[word]])
        last = word
    return encoding["input_ids"], labels


def batches(data, tokenizer):
    for start in range(0, len(data), BATCH):
        rows = data[start:start + BATCH]
        width = max(len(ids) for ids, _ in rows)
        pad = lambda row, fill: row + [fill] * (width - len(row))
        yield {"input_ids": torch.tensor([pad(ids, tokenizer.pad_token_id) for ids, _ in rows]),
               "attention_mask": torch.tensor([pad([1] * len(ids), 0) for ids, _ in rows]),
               "labels": torch.tensor([pad(labels, -100) for _, labels in rows])}


def theirs(model_path, data, seed, epochs):
    train, dev = (list(sentences(data / f"{name}.conll")) for name in ("train", "dev"))
    names = sorted({tag for _, tags in train for tag in tags})
    numbers = {name: number for number, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(model_path, num_labels=len(names))
    model = get_peft_model(model, LoraConfig(
        task_type=TaskType.TOKEN_CLS, r=R, lora_alpha=ALPHA, target_modules=["query", "value"]))
    encoded = [encode(tokenizer, words, tags, numbers) for words, tags in train]
    steps = epochs * -(-len(encoded) // BATCH)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in trained if p.ndim > 1], "weight_decay": DECAY},
         {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0}], lr=RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, -(-steps * 6 // 100), steps)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(encoded)).tolist()
        for batch in batches([encoded[i] for i in order], tokenizer):
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()
    right, found = [], []
    with torch.no_grad():
        for batch in batches([encode(tokenizer, words, tags, numbers) for words, tags in dev], tokenizer):
            labels = batch.pop("labels")
            for row, wanted in zip(model(**batch).logits.argmax(-1).tolist(), labels.tolist()):
                places = [i for i, label in enumerate(wanted) if label != -100]
                right.append([names[wanted[i]] for i in places])
                found.append([names[row[i]] for i in places])
    return f1_score(right, found)


def ours(program, model_path, data, seed, epochs, work):
    config = {
        "model": str(model_path), "output_dir": str(work / f"run-{seed}"), "database": str(work / "runs.sqlite"),
        "task": {"name": "token-classification", "train_file": str(data / "train.conll"),
                 "validation_file": str(data / "dev.conll"), "max_seq_length": LENGTH},
        "adapter": {"strategy": "lora", "r": R, "lora_alpha": ALPHA, "target_modules": ["query", "value"]},
        "training": {"num_train_epochs": epochs, "train_batch_size": BATCH, "learning_rate": RATE, "weight_decay": DECAY,
                     "warmup_ratio": 0.06, "seed": seed, "logging_steps": 100}}
    path = work / f"ner-{seed}.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [program, "train", str(path), "--overwrite", "--json", "--quiet"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["results"][0]["f1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("/tmp/compare-ner"))
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    data = options.work / "data"
    subprocess.run(
        [sys.executable, str(Path(__file__).resolve().parents[1] / "ner_data.py"), str(data)], check=True)
    table = {"swift-peft": [], "PyTorch + PEFT": []}
    for seed in range(1, options.seeds + 1):
        for name, run in (("swift-peft", lambda: ours(options.program, options.model, data, seed, options.epochs, options.work)),
                          ("PyTorch + PEFT", lambda: theirs(options.model, data, seed, options.epochs))):
            started = time.time()
            table[name].append(run())
            print(f"seed {seed} {name}: F1 {table[name][-1]:.4f} in {time.time() - started:.0f} s", flush=True)
    means = {name: sum(values) / len(values) for name, values in table.items()}
    for name, mean in means.items():
        print(f"{name}: mean F1 {mean:.4f}, {min(table[name]):.4f} to {max(table[name]):.4f}")
    if abs(means["swift-peft"] - means["PyTorch + PEFT"]) > 0.01:
        sys.exit("the means lie more than 0.01 apart")


if __name__ == "__main__":
    main()
