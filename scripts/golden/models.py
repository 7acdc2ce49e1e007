#!/usr/bin/env python3
"""Writes the golden values of swift-peft's numeric tests: Tests/TrainingTests/Golden.

    python scripts/golden/models.py [--output DIR] [--check]

Needs torch, transformers, tokenizers and safetensors. Everything in the output directory is made anew; a rerun with
the same versions gives equal files. References are computed in float64 from float32 weights; `--check` computes them
in float32 too and prints how far the two lie apart. README.md, beside this file, describes the output.
"""

import argparse
import json
import os
import random
import shutil
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from safetensors.torch import load_file
from transformers.utils import logging

import checkpoints
import tuning

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
MODELS = {"bert-tiny": checkpoints.BERT, "roberta-tiny": checkpoints.ROBERTA}
COPIES = ["bert-tiny-bf16", "bert-tiny-f16", "bert-tiny-sharded"]
STRATEGIES = ["lora", "share-a", "share-b", "share-ab", "share-a-qkv", "share-b-qkv", "share-ab-qkv", "aslora", "none"]
ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh", "quick_gelu", "gelu_fast"]
SETTINGS = {
    "strategy": None, "r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "use_rslora": False,
    "target_modules": ["query", "value"], "num_labels": 2, "target": "label", "gradient_batch": 8,
    "num_train_epochs": 10, "train_batch_size": 8, "gradient_accumulation_steps": 1, "learning_rate": 1e-2,
    "weight_decay": 0.1, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0,
    "lr_scheduler_type": "linear", "warmup_ratio": 0.06}
ALL_TARGETS = ["query", "key", "value", "intermediate.dense", "output.dense"]
ASLORA = {"start_step": 6, "merge_interval": 6, "num_merges": 2, "candidates": "adjacent"}
# name: (strategy, what differs). The last four start from the strategy's own start file.
VARIANTS = {
    "lora-3-labels": ("lora", {"num_labels": 3, "target": "label_of_3"}),
    "lora-regression": ("lora", {"num_labels": 1, "target": "target"}),
    "lora-accumulated": ("lora", {"train_batch_size": 4, "gradient_accumulation_steps": 2}),
    "lora-uneven": ("lora", {"train_batch_size": 7, "gradient_accumulation_steps": 2, "num_train_epochs": 15}),
    "lora-rslora": ("lora", {"use_rslora": True}),
    "aslora-all": ("aslora", {"aslora": ASLORA | {"candidates": "all"}}),
}
WITH_FINAL = ["lora", "aslora"]


def settings_for(strategy, **changed):
    extra = {"aslora": ASLORA} if strategy == "aslora" else {}
    if strategy.endswith("-qkv"):
        extra["target_modules"] = ALL_TARGETS
    return SETTINGS | {"strategy": strategy} | extra | changed


def make_data(model_name, config):
    """24 examples of random token ids; for BERT every third is a pair with its type ids."""
    draw = random.Random(model_name)
    is_bert = config.model_type == "bert"
    first, last = (2, 3) if is_bert else (0, 2)
    tokens = lambda count: [draw.randrange(5, config.vocab_size) for _ in range(count)]
    lengths = [3, 20] + [draw.randint(3, 20) for _ in range(22)]
    examples = []
    for number, length in enumerate(lengths):
        if number % 3 == 1 and length >= 7:
            middle = [last] if is_bert else [last, last]
            a = draw.randint(1, length - 2 - len(middle) - 1)
            head = [first] + tokens(a) + middle
            ids = head + tokens(length - len(head) - 1) + [last]
            types = [0] * len(head) + [1 if is_bert else 0] * (length - len(head))
        else:
            ids = [first] + tokens(length - 2) + [last]
            types = [0] * length
        examples.append({"input_ids": ids, "token_type_ids": types, "label": draw.randrange(2),
                         "label_of_3": draw.randrange(3), "target": round(draw.uniform(-2, 2), 3)})
    return examples


def rounded(value):
    """12 significant digits: what float64 gives on any machine."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def write_lines(path, record):
    """One top-level key a line, and one line an element of `train` and `merges`."""
    def text(key, value):
        if key in ("train", "merges") and value:
            return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "]"
        return json.dumps(value)
    lines = (f"{json.dumps(key)}: {text(key, value)}" for key, value in rounded(record).items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def run(directory, data, settings, dtype):
    """The golden record of one run, with its start, gradients and final tensors."""
    tuned = tuning.attach(directory, settings, dtype)
    start = tuned.values()
    logits, loss, gradients = tuning.first_batch(tuned, data, settings)
    counted = lambda wanted: sum(p.numel() for name, p in tuned.trained.items() if wanted in name)
    record = {
        "model": directory.name, "strategy": settings["strategy"], "settings": settings, "logits": logits, "loss": loss,
        "adapter_parameters": counted(".lora_"), "trainable_parameters": counted(""), "sharing": tuned.sharing()}
    record |= tuning.train(tuned, data, settings)
    if "merges" in record:
        record |= {"sharing_at_end": tuned.sharing(), "adapter_parameters_at_end": counted(".lora_")}
    return record, start, gradients, tuned.values()


def check(name, settings, directory, data, record, gradients, final):
    """Prints how far a float32 run lies from the float64 reference."""
    single, _, single_gradients, single_final = run(directory, data, settings, torch.float32)
    apart = lambda key: max(abs(a - b) for a, b in zip(record[key], single[key]))
    tensors = lambda a, b: max(float((a[n] - b[n]).abs().max()) for n in a)
    choices = lambda merges: [{k: v for k, v in m.items() if "distance" not in k} for m in merges]
    if choices(record.get("merges", [])) != choices(single.get("merges", [])):
        raise ValueError(f"{name}: float32 merges other layers")
    print(f"{directory.name:13} {name:16} loss {record['losses'][0]:.4f} -> {record['losses'][-1]:.4f}  norms "
          f"{min(record['grad_norms']):.3f}..{max(record['grad_norms']):.3f}  float32 apart: "
          f"losses {apart('losses'):.1e} norms {apart('grad_norms'):.1e} "
          f"gradients {tensors(gradients, single_gradients):.1e} final {tensors(final, single_final):.1e}", flush=True)


def write_model(golden, model_name, config, checking):
    directory = golden / model_name
    data = make_data(model_name, config)
    write_lines(directory / "data.json", {"pad_token_id": config.pad_token_id, "train": data})
    runs = {strategy: settings_for(strategy) for strategy in STRATEGIES}
    runs |= {name: settings_for(strategy, **changed) for name, (strategy, changed) in VARIANTS.items()}
    records = {}
    for name, settings in runs.items():
        record, start, gradients, final = run(directory, data, settings, torch.float64)
        records[name] = record
        write_lines(directory / f"{name}.json", record)
        if settings["num_labels"] != 2 or name in STRATEGIES:
            checkpoints.write_tensors(directory / f"{name}.start.safetensors", start)
            checkpoints.write_tensors(directory / f"{name}.gradients.safetensors", gradients)
        if name in WITH_FINAL:
            checkpoints.write_tensors(directory / f"{name}.final.safetensors", final)
        if checking:
            check(name, settings, directory, data, record, gradients, final)
    verify(records)


def verify(records):
    """Relations that hold by construction, if the code above is right."""
    apart = lambda a, b, steps: max(abs(x - y) for x, y in zip(records[a]["losses"][:steps], records[b]["losses"]))
    for a, b, steps in (("lora", "lora-accumulated", 30), ("share-a", "aslora", 12)):
        if apart(a, b, steps) > 1e-11:
            raise ValueError(f"the first {steps} losses of {a} and {b} lie {apart(a, b, steps)} apart")
    if apart("share-a", "aslora", 30) < 1e-5:
        raise ValueError("merging changes nothing")
    for merge in records["aslora"]["merges"] + records["aslora-all"]["merges"]:
        if merge["runner_up_distance"] and merge["runner_up_distance"] < 1.01 * merge["distance"]:
            raise ValueError(f"a near tie: {merge}")


def write_forward_variants(golden):
    """Logits of bert-tiny without adapter under other activations and weight types: head of none.start.safetensors."""
    data = json.loads((golden / "bert-tiny/data.json").read_text())["train"]
    start = load_file(golden / "bert-tiny/none.start.safetensors")

    def logits(directory, activation=None):
        tuned = tuning.attach(golden / directory, settings_for("none"), torch.float64, start, activation)
        return tuning.first_batch(tuned, data, SETTINGS)[0]

    write_lines(golden / "forward.json", {
        "hidden_act": {name: logits("bert-tiny", name) for name in ACTIVATIONS},
        "checkpoint": {name: logits(name) for name in COPIES}})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GOLDEN, metavar="DIR")
    parser.add_argument("--check", action="store_true", help="compare with float32")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for made in [*MODELS, *COPIES]:
        shutil.rmtree(options.output / made, ignore_errors=True)
    checkpoints.write_bert(options.output)
    checkpoints.write_roberta(options.output)
    for name, config in MODELS.items():
        write_model(options.output, name, config, options.check)
    write_forward_variants(options.output)


if __name__ == "__main__":
    main()
