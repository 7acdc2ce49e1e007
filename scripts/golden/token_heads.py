#!/usr/bin/env python3
"""Writes the golden values of token classification: Tests/TrainingTests/Golden/tokens.

    python scripts/golden/token_heads.py [--output DIR] [--only NAME …]

Needs torch, transformers, peft and safetensors. The models are the tiny checkpoints of models.py, decoders.py and
families.py; AutoModelForTokenClassification gives them a head, whose numbers are drawn here, and peft a LoRA on every
linear map of their layers. References are computed in float64 from the stored weights, every text alone, as in families.py.
"""

import argparse
import os
import random
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
import torch.nn.functional as F
from peft import LoraConfig, TaskType, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModelForTokenClassification
from transformers.utils import logging

import decoders
import families
import tuning
from checkpoints import generator, write_tensors
from family_models import BERT, DECODERS, ENCODERS
from models import write_lines

ROOT = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
OTHERS = {"bert-tiny": ("bert-tiny", BERT), "roberta-tiny": ("roberta-tiny", BERT),
          "gpt2-tiny": ("decoders/gpt2-tiny", decoders.EVERY["gpt2"]),
          "llama-grouped": ("decoders/llama-grouped", decoders.EVERY["llama"])}
WITHOUT = ["gemma3-text", "gemma3", "olmo2", "granite"]     # transformers has no head for them
FAMILIES = [name for name, model in (ENCODERS | DECODERS).items() if not model.only_rotary and name not in WITHOUT]
MODELS = OTHERS | {name: (f"families/{name}", (ENCODERS | DECODERS)[name].every) for name in FAMILIES}
LABELS = 5
SETTINGS = {
    "r": 2, "lora_alpha": 4, "num_labels": LABELS, "gradient_batch": 8, "num_train_epochs": 10, "train_batch_size": 8,
    "learning_rate": 1e-2, "weight_decay": 0.1, "max_grad_norm": 1.0, "warmup_ratio": 0.06}


def make_data():
    """The texts of families.py; about half of their tokens begin a word and have a tag, the others have −100."""
    draw = random.Random("tokens")
    rows = families.make_data()
    for row in rows:
        row["labels"] = [draw.randrange(LABELS) if draw.random() < 0.5 else -100 for _ in row["input_ids"]]
        row["labels"][draw.randrange(1, len(row["labels"]))] = draw.randrange(LABELS)
    return [{key: row[key] for key in ("input_ids", "token_type_ids", "labels")} for row in rows]


def load(directory, is_decoder):
    config = AutoConfig.from_pretrained(directory)
    config.num_labels = LABELS
    if is_decoder:
        config.classifier_dropout = 0.0     # which is 0.1 otherwise
    config.pad_token_id = config.pad_token_id or 0
    model = AutoModelForTokenClassification.from_pretrained(
        directory, config=config, dtype=torch.float32, attn_implementation="eager", ignore_mismatched_sizes=True)
    return config, model


def tuned(model, targets, has_prediction_head):
    """The model with peft's LoRA, all in float64, and the trained tensors under our names."""
    names = [name for name, _ in model.named_parameters() if name.split(".")[0] in ("classifier", "score", "head")]
    for name in names:
        value = model.get_parameter(name)
        value.data.copy_(torch.randn(value.shape, generator=generator(f"tokens {name}")) * 0.25)
    base = model.base_model_prefix + "."
    peft = get_peft_model(model.double(), LoraConfig(
        task_type=TaskType.TOKEN_CLS, r=SETTINGS["r"], lora_alpha=SETTINGS["lora_alpha"], target_modules=targets,
        modules_to_save=["head", "classifier"] if has_prediction_head else None)).double()
    trained = {}
    for name, parameter in peft.named_parameters():
        if not parameter.requires_grad:
            continue
        name = name.removeprefix("base_model.model.").removeprefix(base)
        name = name.replace(".default.", ".").replace(".modules_to_save.", ".")
        if ".lora_" in name:
            parameter.data.copy_(tuning.drawn(name, parameter.shape))
        trained[name] = parameter
    return peft.train(), trained


def outputs(model, row, has_types):
    """Logits of the tokens that have tags, and these."""
    batch = {"input_ids": torch.tensor([row["input_ids"]])}
    if has_types:
        batch["token_type_ids"] = torch.tensor([row["token_type_ids"]])
    families.forget_lengths(model)
    logits, labels = model(**batch).logits[0], torch.tensor(row["labels"])
    return logits[labels != -100], labels[labels != -100]


def batch_loss(model, rows, has_types):
    """transformers' loss of a batch: the mean over all tokens that count."""
    found = [outputs(model, row, has_types) for row in rows]
    logits, labels = (torch.cat(part) for part in zip(*found))
    return logits, F.cross_entropy(logits, labels)


def train(model, trained, data, has_types):
    size, epochs = SETTINGS["train_batch_size"], SETTINGS["num_train_epochs"]
    batches = [data[i:i + size] for i in range(0, len(data), size)] * epochs
    warmup = -(-len(batches) * 6 // 100)
    groups = [{"params": [p for p in trained.values() if p.ndim > 1], "weight_decay": SETTINGS["weight_decay"]},
              {"params": [p for p in trained.values() if p.ndim == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=SETTINGS["learning_rate"])
    found = {"losses": [], "grad_norms": []}
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = SETTINGS["learning_rate"] * tuning.rate_factor(step, len(batches), warmup)
        loss = batch_loss(model, rows, has_types)[1]
        loss.backward()
        norm = nn.utils.clip_grad_norm_(list(trained.values()), SETTINGS["max_grad_norm"])
        found["losses"].append(loss.item())
        found["grad_norms"].append(norm.item())
        optimizer.step()
        optimizer.zero_grad()
    return found


def write_model(output, name, data):
    source, targets = MODELS[name]
    config, model = load(ROOT / source, name in DECODERS or source.startswith("decoders"))
    directory = output / name
    shutil.rmtree(directory, ignore_errors=True)
    config.architectures = [type(model).__name__]
    config.save_pretrained(directory)
    has_types = getattr(config, "type_vocab_size", 0) > 1
    peft, trained = tuned(model, targets, config.model_type == "modernbert")
    start = {key: value.detach().float() for key, value in trained.items()}
    for parameter in trained.values():      # what is stored is what is computed with
        parameter.data.copy_(parameter.data.float())
    logits, loss = batch_loss(peft, data[:SETTINGS["gradient_batch"]], has_types)
    gradients = torch.autograd.grad(loss, list(trained.values()))
    record = {"source": source, "class": config.architectures[0],
              "settings": SETTINGS | {"target_modules": targets}, "logits": logits.tolist()[:40], "loss": loss.item(),
              "trainable_parameters": sum(p.numel() for p in trained.values())}
    record |= train(peft, trained, data, has_types)
    if not all(map(torch.isfinite, map(torch.tensor, record["losses"]))):
        raise ValueError(f"{name}: a loss is not finite")
    write_lines(directory / "lora.json", record)
    write_tensors(directory / "lora.start.safetensors", start)
    write_tensors(directory / "lora.gradients.safetensors", {n: g.float() for n, g in zip(trained, gradients)})
    print(name, type(model).__name__, record["losses"][0], record["losses"][-1], flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "tokens", metavar="DIR")
    parser.add_argument("--only", nargs="+", default=list(MODELS), metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    data = make_data()
    options.output.mkdir(parents=True, exist_ok=True)
    write_lines(options.output / "data.json", {"train": data})
    for name in options.only:
        write_model(options.output, name, data)


if __name__ == "__main__":
    main()
