#!/usr/bin/env python3
"""Writes the golden values of the methods that peft has beside LoRA: Tests/TrainingTests/Golden/zoo.

    python scripts/golden/zoo.py [--output DIR] [--only RUN …]

Needs torch, transformers, peft and safetensors. The models are those of models.py and decoders.py, which must be there.
Every run is peft's own model, optimiser and file: in float64 from float32 numbers. What is written is made anew; a rerun
with the same versions gives equal files. README.md, beside this file, describes the output.
"""

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import peft
import torch
from peft import (
    GraloraConfig, LoraConfig, MissConfig, PeftModel, RandLoraConfig, UniLoraConfig, VBLoRAConfig, VeraConfig,
    get_peft_model, set_peft_model_state_dict)
from peft.optimizers import create_lorafa_optimizer, create_loraplus_optimizer
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.trainer_pt_utils import get_parameter_names
from transformers.utils import logging

import decoders
import tuning
from checkpoints import generator, write_tensors
from models import write_lines

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
FOLDERS = {"bert-tiny": GOLDEN / "bert-tiny", "llama-grouped": GOLDEN / "decoders/llama-grouped",
           "gpt2-tiny": GOLDEN / "decoders/gpt2-tiny"}
QV = {"bert-tiny": ["query", "value"], "llama-grouped": ["q_proj", "v_proj"], "gpt2-tiny": ["c_attn"]}
EVERY = {"bert-tiny": ["query", "key", "value", "intermediate.dense", "output.dense"],
         "llama-grouped": decoders.EVERY["llama"], "gpt2-tiny": decoders.EVERY["gpt2"]}
SETTINGS = decoders.SETTINGS | {"r": 4, "lora_alpha": 8}


@dataclass
class Run:
    """A method with its options; `set_numbers` puts numbers far from peft's start into what trains."""
    config: type
    options: dict = field(default_factory=dict)     # peft's own names
    strategy: str = "lora"
    every: bool = False
    settings: dict = field(default_factory=dict)    # what differs from SETTINGS
    starts_as_peft: bool = False
    optimizer: str = "adamw"
    converted: bool = False     # the end of the run as a LoRA of the untouched model


def lora(**options):
    return options | {"r": 4, "lora_alpha": 8}


def init(name, **changed):
    return Run(LoraConfig, lora(init_lora_weights=name), starts_as_peft=True, settings={"init_lora_weights": name}, **changed)


SMALL_STEPS = {"learning_rate": 1e-3, "loraplus_lr_ratio": 16}
RUNS = {
    "vera": Run(VeraConfig, {"r": 8}, "vera", settings={"r": 8}),
    "vera-all": Run(VeraConfig, {"r": 8, "projection_prng_key": 7}, "vera", True, {"r": 8}),
    "vera-unsaved": Run(VeraConfig, {"r": 8, "save_projection": False}, "vera", True, {"r": 8}),
    "dora": Run(LoraConfig, lora(use_dora=True), settings={"use_dora": True}),
    "dora-all": Run(LoraConfig, lora(use_dora=True), every=True, settings={"use_dora": True}),
    "gralora": Run(GraloraConfig, {"r": 4, "alpha": 8, "gralora_k": 2}, "gralora", True),
    "gralora-hybrid": Run(GraloraConfig, {"r": 4, "alpha": 9, "gralora_k": 2, "hybrid_r": 2}, "gralora",
                          settings={"lora_alpha": 9, "hybrid_r": 2}),
    "miss": Run(MissConfig, {"r": 4}, "miss", True),
    "miss-padded": Run(MissConfig, {"r": 5}, "miss", settings={"r": 5}),
    "miss-mini": Run(MissConfig, {"r": 4, "init_weights": "mini", "mini_r": 2}, "miss", settings={"mini_r": 2}),
    "vblora": Run(VBLoRAConfig, {"r": 4, "num_vectors": 10, "vector_length": 4}, "vb-lora"),
    "vblora-all": Run(VBLoRAConfig, {"r": 2, "num_vectors": 10, "vector_length": 8, "topk": 3}, "vb-lora", True, {"r": 2}),
    "unilora": Run(UniLoraConfig, {"r": 4, "theta_d_length": 100}, "uni-lora"),
    "unilora-all": Run(UniLoraConfig, {"r": 2, "theta_d_length": 64, "proj_seed": 7, "save_indices": True}, "uni-lora", True,
                       {"r": 2}),
    "randlora": Run(RandLoraConfig, {"r": 8, "randlora_alpha": 16}, "randlora", settings={"r": 8, "lora_alpha": 16}),
    "pissa": init("pissa", converted=True),
    "pissa-all": init("pissa", every=True),
    "pissa-niter": init("pissa_niter_8"),
    "olora": init("olora", converted=True),
    "orthogonal": init("orthogonal"),
    "mica": init("mica"),
    "gaussian": init("gaussian"),
    "loraplus": Run(LoraConfig, lora(), optimizer="loraplus", settings=SMALL_STEPS),
    "dora-loraplus": Run(LoraConfig, lora(use_dora=True), optimizer="loraplus", settings=SMALL_STEPS | {"use_dora": True}),
    "lorafa": Run(LoraConfig, lora(), optimizer="lorafa", settings={"adam_epsilon": 1e-6}),
}
ELSEWHERE = {
    "llama-grouped": ["vera-all", "dora-all", "gralora", "gralora-hybrid", "miss-padded", "vblora", "unilora-all", "pissa-all",
                      "olora", "orthogonal", "mica", "loraplus", "lorafa"],
    "gpt2-tiny": ["vera-all", "dora-all", "gralora", "vblora", "unilora-all", "pissa-all", "mica"],
}


def settings_of(name, model):
    run = RUNS[name]
    return SETTINGS | {
        "strategy": run.strategy, "target_modules": (EVERY if run.every else QV)[model],
        "num_labels": 2 if model == "bert-tiny" else None} | run.settings


# -- models

def base_model(model, settings):
    """In float32; the classifier's head is that of models.py."""
    is_classifier = settings["num_labels"] is not None
    kind = AutoModelForSequenceClassification if is_classifier else AutoModelForCausalLM
    base = kind.from_pretrained(FOLDERS[model], dtype=torch.float32, attn_implementation="eager",
                                **({"num_labels": 2} if is_classifier else {}))
    for path, parameter in base.named_parameters():
        if path.startswith("classifier."):
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator(f"bert head of 2 {path}")) * 0.25)
    return base


def build(name, model, settings, dtype):
    """peft's model with its numbers, all of them float32 at first."""
    run = RUNS[name]
    options = dict(run.options)
    if model == "gpt2-tiny" and run.config is not MissConfig:
        options["fan_in_fan_out"] = True
    base = base_model(model, settings)
    torch.manual_seed(zlib.crc32(f"zoo {model} {name}".encode()))
    tuned = get_peft_model(base, run.config(
        task_type="SEQ_CLS" if settings["num_labels"] else "CAUSAL_LM", target_modules=settings["target_modules"], **options))
    if not run.starts_as_peft:
        set_numbers(tuned, name, model)
    return tuned.train().to(dtype)


@torch.no_grad()
def set_numbers(tuned, name, model):
    """Numbers by tensor name; magnitudes last, for they begin as the norms of what the others make."""
    for path, parameter in trained(tuned).items():
        drawn = torch.randn(parameter.shape, generator=generator(f"zoo {model} {name} {path}"))
        if ".classifier." in path or path.endswith((".gralora_A", ".lora_A.weight", ".gralora_A_general.weight")):
            continue    # far from zero as they are
        if path.endswith("lora_magnitude_vector"):
            continue
        if path.endswith(("vera_lambda_d", "randlora_gamma")):
            parameter.copy_(parameter * (1 + 0.5 * drawn))
        elif "vblora_logits" in path:
            parameter.copy_(drawn)
        elif "vblora_vector_bank" in path or "vera_lambda_b" in path:
            parameter.copy_(0.3 * drawn)
        elif "unilora_theta_d" in path:
            parameter.copy_(0.5 * drawn)
        else:
            parameter.copy_(0.05 * drawn)
    for path, module in tuned.named_modules():
        for layer in getattr(module, "lora_magnitude_vector", {}).values():
            layer.update_layer(
                base_layer=module.get_base_layer(), lora_A=module.lora_A["default"].weight,
                lora_B=module.lora_B["default"].weight, scaling=module.scaling["default"])
            layer.weight *= 1 + 0.1 * torch.randn(layer.weight.shape, generator=generator(f"zoo {model} {name} {path} m"))


def file_name(path):
    """The name that a parameter has in peft's file."""
    for shared in ("vblora_vector_bank", "unilora_theta_d"):
        if path.endswith(f".{shared}.default"):
            return f"base_model.{shared}"       # PyTorch names it by the first layer that holds it
    path = path.replace(".modules_to_save.default.", ".")
    path = path.removesuffix(".weight") if ".lora_magnitude_vector." in path else path
    return path.removesuffix(".default").replace(".default.", ".")


def trained(tuned):
    return {file_name(path): parameter for path, parameter in tuned.named_parameters() if parameter.requires_grad}


def decayed(tuned):
    """As transformers' Trainer chooses: all but biases and norms, so vectors too."""
    names = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    decaying = set(get_parameter_names(tuned, [nn.LayerNorm], names))
    return {file_name(path) for path, value in tuned.named_parameters() if value.requires_grad and path in decaying}


def optimizer_for(run, tuned, settings):
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    adam = {"betas": (settings["adam_beta1"], settings["adam_beta2"]), "eps": settings["adam_epsilon"]}
    if run.optimizer == "loraplus":
        return create_loraplus_optimizer(
            tuned, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=settings["loraplus_lr_ratio"], loraplus_weight_decay=decay,
            **adam)
    if run.optimizer == "lorafa":
        return create_lorafa_optimizer(
            tuned, r=settings["r"], lora_alpha=settings["lora_alpha"], lr=rate, weight_decay=decay)
    parameters, decaying = trained(tuned), decayed(tuned)
    groups = [([p for n, p in parameters.items() if (n in decaying) == with_decay], with_decay)
              for with_decay in (True, False)]
    return torch.optim.AdamW([{"params": group, "weight_decay": decay if with_decay else 0.0}
                              for group, with_decay in groups if group], lr=rate, **adam)


def parameters_of(optimizer, parameters):
    """What the optimiser does with each trained tensor: its learning rate and its decay."""
    groups = [(group, p) for group in optimizer.param_groups for p in group["params"]]
    found = {}
    for name, parameter in parameters.items():
        group = next(group for group, p in groups if p is parameter)
        found[name] = {"shape": list(parameter.shape), "rate": group["lr"], "weight_decay": group["weight_decay"]}
    return found


# -- records

def train(tuned, optimizer, parameters, data, settings):
    batches = tuning.effective_batches(data, settings)
    warmup = math.ceil(settings["warmup_ratio"] * len(batches))
    own_rates = [group["lr"] for group in optimizer.param_groups]
    found = {"losses": [], "grad_norms": [], "learning_rates": []}
    for step, (batch,) in enumerate(batches):
        factor = tuning.rate_factor(step, len(batches), warmup)
        for group, rate in zip(optimizer.param_groups, own_rates):
            group["lr"] = rate * factor
        logits, targets = decoders.logits_and_targets(tuned, batch, settings)
        loss = decoders.summed_loss(logits, targets, settings) / decoders.count(batch, settings)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(list(parameters.values()), settings["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
        found["losses"].append(loss.item())
        found["grad_norms"].append(float(norm))
        found["learning_rates"].append(settings["learning_rate"] * factor)
    return found


@dataclass
class Done:
    tuned: nn.Module
    record: dict
    gradients: dict


def perform(name, model, settings, data, dtype, directory):
    """One run from its start to its thirtieth step."""
    run = RUNS[name]
    tuned = build(name, model, settings, dtype)
    save(tuned, directory, model, dtype)
    optimizer = optimizer_for(run, tuned, settings)     # LoRA-FA's freezes every A
    parameters = trained(tuned)
    # MiCA's B and LoRA-FA's A stand in the file too, but are not trained.
    logits, loss, gradients = decoders.first_batch(tuning.Tuned(tuned, [], parameters), data, settings)
    record = {
        "model": model, "peft": peft.__version__, "settings": settings, "optimizer": run.optimizer, "logits": logits,
        "loss": loss, "adapter_parameters": sum(p.numel() for n, p in parameters.items() if ".classifier." not in n),
        "trainable_parameters": sum(p.numel() for p in parameters.values()),
        "parameters": parameters_of(optimizer, parameters)}
    record |= train(tuned, optimizer, parameters, data, settings)
    if run.converted:
        record["logits_at_end"] = decoders.first_batch(tuning.Tuned(tuned, [], parameters), data, settings)[0]
    return Done(tuned, record, gradients)


def save(tuned, directory, model, dtype, **options):
    tuned.float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned.save_pretrained(directory, **options)
    tuned.to(dtype)
    (directory / "README.md").unlink(missing_ok=True)
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text())
    config |= {"base_model_name_or_path": model, "target_modules": sorted(config["target_modules"])}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def save_converted(done, directory, start):
    """peft's conversion: a LoRA of twice the rank for the model as it was before peft took the start out of it."""
    with tempfile.TemporaryDirectory() as scratch:      # peft writes a config into the start's directory
        shutil.copytree(start, Path(scratch) / "start")
        save(done.tuned, directory, done.record["model"], torch.float64,
             path_initial_model_for_weight_conversion=f"{scratch}/start")


def projected(tuned, gradients):
    """What LoRA-FA's Adam sees in place of the gradient of B."""
    found = {}
    for path, module in tuned.named_modules():
        if hasattr(module, "lora_A"):
            name, a = f"{path}.lora_B.weight", module.lora_A["default"].weight.detach()
            inverse = torch.linalg.pinv(a @ a.T + 1e-8 * torch.eye(len(a)))
            found[name] = (gradients[name].to(a.dtype) @ inverse / module.scaling["default"] ** 2).float()
    return found


def reloaded(folder, model, settings, data, head=None):
    """The logits of what peft reads from its own file; its conversion leaves the head out, and then it cannot read it."""
    base = base_model(model, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if head is None:
            tuned = PeftModel.from_pretrained(base, folder)
        else:
            tuned = get_peft_model(base, LoraConfig.from_pretrained(folder))
            set_peft_model_state_dict(tuned, head | load_file(folder / "adapter_model.safetensors"))
    tuned = tuned.double().train()
    with torch.no_grad():
        logits, _ = decoders.logits_and_targets(tuned, data[:settings["gradient_batch"]], settings)
    return logits


def check_file(name, folder, model, settings, data, done):
    """peft itself reads from the file what it was before, where its start is not drawn again."""
    ours = torch.tensor(done.record["logits"])
    apart = float((reloaded(folder, model, settings, data)[:len(ours)] - ours).abs().max())
    if apart > 1e-5 and name != "pissa-niter":      # whose random SVD takes another start out of the model
        raise ValueError(f"{model}/{name}: reloaded, peft's logits lie {apart} apart")
    if RUNS[name].converted:
        ours = torch.tensor(done.record["logits_at_end"])
        head = {n: p.detach().float() for n, p in trained(done.tuned).items() if ".classifier." in n}
        at_end = float((reloaded(folder / "converted", model, settings, data, head)[:len(ours)] - ours).abs().max())
        if at_end > 1e-4:
            raise ValueError(f"{model}/{name}: converted, peft's logits lie {at_end} apart")
    return apart


def data_of(model):
    path = (GOLDEN / "decoders/data.json") if model != "bert-tiny" else FOLDERS[model] / "data.json"
    keys = ("input_ids", "answer", "label") + (("token_type_ids",) if model == "bert-tiny" else ())
    return [{k: e[k] for k in keys if k in e} for e in json.loads(path.read_text())["train"]]


def write_run(golden, model, name):
    settings, data = settings_of(name, model), data_of(model)
    folder = golden / model / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = perform(name, model, settings, data, torch.float64, folder)
    if RUNS[name].converted:
        save_converted(done, folder / "converted", folder)
    with tempfile.TemporaryDirectory() as scratch:
        single = perform(name, model, settings, data, torch.float32, Path(scratch)).record
    apart = max(abs(a - b) for a, b in zip(done.record["losses"], single["losses"]))
    write_lines(folder / "run.json", done.record)
    write_tensors(folder / "gradients.safetensors", done.gradients)
    if RUNS[name].optimizer == "lorafa":
        start = build(name, model, settings, torch.float64)
        write_tensors(folder / "projected.safetensors", projected(start, done.gradients))
    if RUNS[name].optimizer != "adamw" or RUNS[name].converted:
        write_tensors(folder / "final.safetensors", {n: p.float() for n, p in trained(done.tuned).items()})
    stored = load_file(folder / "adapter_model.safetensors")
    missing = set(done.gradients) - set(stored)
    if missing:
        raise ValueError(f"{model}/{name}: peft's file has no {sorted(missing)}")
    reloading = check_file(name, folder, model, settings, data, done)
    zero = [n for n, g in done.gradients.items() if not g.any()]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    losses = done.record["losses"]
    norms = done.record["grad_norms"]
    print(f"{model:14} {name:16} loss {losses[0]:.4f} -> {losses[-1]:.4f}  norms {min(norms):.3f}..{max(norms):.3f}  "
          f"float32 apart {apart:.1e}  reloaded {reloading:.1e}  {size} bytes  zero gradients {len(zero)}", flush=True)
    if apart > (1e-4 if RUNS[name].optimizer == "lorafa" else 2e-5):      # whose products are bfloat16 for float32 models
        raise ValueError(f"{model}/{name}: float32's losses lie {apart} apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GOLDEN / "zoo", metavar="DIR")
    parser.add_argument("--only", nargs="+", metavar="RUN")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    for model, names in {"bert-tiny": list(RUNS), **ELSEWHERE}.items():
        for name in names:
            if not options.only or name in options.only:
                write_run(options.output, model, name)


if __name__ == "__main__":
    main()
