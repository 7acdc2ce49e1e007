#!/usr/bin/env python3
"""Writes Tests/TrainingTests/Golden/labels: 30 steps with several labels, class weights and smoothed labels.

    pip install peft==0.21.2 scikit-learn
    python scripts/golden/labels.py [--output DIR]      # after models.py, whose bert-tiny it trains

The model is peft's, in float64; losses are transformers' own for several labels, PyTorch's `CrossEntropyLoss` for class
weights, and the `LabelSmoother` of HF Trainer. Batches of an accumulated step are put together before the loss is taken.
"""

import argparse
import json
import math
import sys
from pathlib import Path

sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import numpy as np
import torch
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import load_file
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from transformers import AutoModelForSequenceClassification
from transformers.trainer_pt_utils import LabelSmoother
from transformers.utils import logging

from models import GOLDEN, SETTINGS, write_lines
from tuning import effective_batches, rate_factor

LABELS = 3
UNEVEN = {"train_batch_size": 7, "gradient_accumulation_steps": 2, "num_train_epochs": 15}
RUNS = {
    "multi-label": {"problem_type": "multi_label_classification"},
    "multi-label-uneven": {"problem_type": "multi_label_classification"} | UNEVEN,
    "weighted": {"class_weights": [0.5, 2.0, 1.25]},
    "balanced": {"class_weights": "balanced", "train_batch_size": 4, "gradient_accumulation_steps": 2},
    "smoothed": {"label_smoothing_factor": 0.1},
    "smoothed-uneven": {"label_smoothing_factor": 0.2} | UNEVEN,
    "weighted-smoothed": {"class_weights": [0.5, 2.0, 1.25], "label_smoothing_factor": 0.1} | UNEVEN,
}


def label_set(example):
    """None, one or two of three labels."""
    if example["target"] < -1:
        return []
    return sorted({example["label_of_3"]} | ({(example["label_of_3"] + 1) % 3} if example["label"] else set()))


def attach(directory, settings):
    """bert-tiny with peft's LoRA, and the tensors with which `lora-3-labels` starts."""
    model = AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", num_labels=LABELS,
        problem_type=settings.get("problem_type"), ignore_mismatched_sizes=True)
    model = get_peft_model(model, LoraConfig(
        task_type=TaskType.SEQ_CLS, r=settings["r"], lora_alpha=settings["lora_alpha"], lora_dropout=0.0,
        target_modules=settings["target_modules"], modules_to_save=["classifier"])).double().train()
    start = load_file(directory / "lora-3-labels.start.safetensors")
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, parameter in trained.items():
        own = name.replace("base_model.model.", "").replace("bert.", "").replace(".default", "")
        parameter.data.copy_(start.pop(own.replace("modules_to_save.", "")))
    if start:
        raise ValueError(f"unused: {list(start)}")
    return model, list(trained.values())


def loss_of(model, settings, examples, weights):
    """The mean loss of a whole effective batch."""
    width = max(len(example["input_ids"]) for example in examples)
    padded = lambda rows: torch.tensor([row + [0] * (width - len(row)) for row in rows])
    inputs = {"input_ids": padded([e["input_ids"] for e in examples]),
              "token_type_ids": padded([e["token_type_ids"] for e in examples]),
              "attention_mask": padded([[1] * len(e["input_ids"]) for e in examples])}
    if "problem_type" in settings:
        sets = [label_set(example) for example in examples]
        return model(labels=torch.tensor([[float(c in s) for c in range(LABELS)] for s in sets]).double(), **inputs).loss
    logits, labels = model(**inputs).logits, torch.tensor([example["label_of_3"] for example in examples])
    smoothing = settings.get("label_smoothing_factor", 0.0)
    if weights is None:
        return LabelSmoother(epsilon=smoothing)({"logits": logits}, labels)
    return nn.CrossEntropyLoss(weight=torch.tensor(weights).double(), label_smoothing=smoothing)(logits, labels)


def run(directory, data, settings):
    model, trained = attach(directory, settings)
    weights = settings.get("class_weights")
    if weights == "balanced":
        weights = compute_class_weight(
            "balanced", classes=np.arange(LABELS), y=[example["label_of_3"] for example in data]).tolist()
    batches = effective_batches(data, settings)
    warmup = math.ceil(settings["warmup_ratio"] * len(batches))
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in trained if p.ndim > 1], "weight_decay": settings["weight_decay"]},
         {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0}],
        betas=(settings["adam_beta1"], settings["adam_beta2"]), eps=settings["adam_epsilon"])
    found = {"losses": [], "grad_norms": []}
    for step, micro_batches in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * rate_factor(step, len(batches), warmup)
        loss = loss_of(model, settings, sum(micro_batches, []), weights)
        loss.backward()
        found["losses"].append(loss.item())
        found["grad_norms"].append(float(nn.utils.clip_grad_norm_(trained, settings["max_grad_norm"])))
        optimizer.step()
        optimizer.zero_grad()
    return {"weights": weights} | found if weights else found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GOLDEN / "labels", metavar="DIR")
    output = parser.parse_args().output
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    directory = GOLDEN / "bert-tiny"
    data = json.loads((directory / "data.json").read_text())["train"]
    output.mkdir(exist_ok=True)
    for name, changed in RUNS.items():
        settings = SETTINGS | {"strategy": "lora", "num_labels": LABELS, "target": "label_of_3"} | changed
        record = {"settings": settings}
        if "problem_type" in settings:
            record["label_sets"] = [label_set(example) for example in data]
        record |= run(directory, data, settings)
        write_lines(output / f"{name}.json", record)
        print(f"{name:20} loss {record['losses'][0]:.4f} -> {record['losses'][-1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
