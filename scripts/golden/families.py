#!/usr/bin/env python3
"""Writes the golden values of all families but bert, roberta, gpt2 and llama: Tests/TrainingTests/Golden/families.

    python scripts/golden/families.py [--output DIR] [--only NAME …]

Needs torch, transformers, peft and safetensors. What is written is made anew; a rerun with the same versions gives
equal files. The models are those of family_models.py. References are computed in float64 from the stored weights
(rotary angles, RMS norms and softmax stay float32, as transformers has them), with eager attention. Every plain LoRA is
checked against peft. README.md, beside this file, describes the output.
"""

import argparse
import json
import math
import os
import random
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

import checkpoints
import decoders
import tuning
from checkpoints import generator, write_tensors
from family_models import DECODERS, ENCODERS, VOCABULARY
from models import write_lines

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden/families"
SETTINGS = decoders.SETTINGS
NEW_TOKENS = 16


def runs_of(model):
    every, few = {"target_modules": model.every}, {"target_modules": model.few}
    if model.is_decoder:
        runs = {"lora": every}
        if model.only_rotary:
            return {name: SETTINGS | changed for name, changed in runs.items()}
        runs |= {"share-a": few, "aslora": few}
        if model.has_classifier:
            runs["labels"] = few | {"num_labels": 3}
    else:
        runs = {name: targets | {"num_labels": 2} for name, targets in
                {"lora": every, "share-a": few, "aslora": few}.items()}
    merges = min(2, layers_of(model) - 1)
    extra = {"aslora": {"aslora": decoders.ASLORA | {"num_merges": merges}}}
    return {name: SETTINGS | {"strategy": "lora" if name == "labels" else name} | changed | extra.get(name, {})
            for name, changed in runs.items()}


def layers_of(model):
    config = model.config.get_text_config()
    return getattr(config, "num_hidden_groups", None) or config.num_hidden_layers


def model_class(model, settings):
    """transformers' class of a run: language modelling, or classification."""
    return AutoModelForSequenceClassification if settings["num_labels"] else AutoModelForCausalLM


# -- checkpoints

NORM = re.compile(r"(norm|norm\d|layernorm|layer_norm)\.weight$", re.IGNORECASE)


def random_weights(name, state):
    """Every weight, bias and norm is far from its usual start; Gemma's norms are stored less 1."""
    weights = {}
    for tensor, value in state.items():
        drawn = torch.randn(value.shape, generator=generator(f"{name} {tensor}"))
        if NORM.search(tensor):
            weights[tensor] = 0.2 * drawn + (0 if name.startswith("gemma") else 1)
        else:
            weights[tensor] = drawn * (0.2 if tensor.endswith("bias") else 0.25)
    return weights


def write_model(directory, name, model):
    """A checkpoint as transformers saves it, and its copy in bfloat16."""
    made = (AutoModelForCausalLM if model.is_decoder else AutoModelForSequenceClassification).from_config(model.config)
    with torch.no_grad():
        parameters = dict(made.named_parameters())      # tied ones once
        for tensor, value in random_weights(name, parameters).items():
            parameters[tensor].copy_(value)
    copies = [(directory, torch.float32)]
    if not model.only_rotary:
        copies.append((directory.with_name(directory.name + "-bf16"), torch.bfloat16))
    for path, dtype in copies:
        made.to(dtype).save_pretrained(path)
        (path / "generation_config.json").unlink(missing_ok=True)


def write_older(directory, model):
    """The config as transformers 4 wrote it, alone in a folder, where it had other words for positions and layers."""
    config = json.loads((directory / "config.json").read_text())
    text = config.get("text_config", config)
    if "rope_parameters" not in text:
        return
    settings = text.pop("rope_parameters")
    text.pop("layer_types", None)
    if "rope_theta" in settings:
        text |= {name: settings.pop(name) for name in ("rope_theta", "partial_rotary_factor") if name in settings}
        text["rope_scaling"] = settings if settings["rope_type"] != "default" else None
    text |= model.older
    place = directory / "transformers-4"
    place.mkdir()
    checkpoints.write_json(place / "config.json", config)
    ids = torch.tensor([list(range(5, 45))])
    kind = model_class(model, {"num_labels": None if model.is_decoder else 2})
    with torch.no_grad():
        new, old = (kind.from_pretrained(directory, config=AutoConfig.from_pretrained(source), dtype=torch.float32)(
            input_ids=ids).logits for source in (directory, place))
    if not torch.equal(new, old):
        raise ValueError(f"{directory.name}: transformers reads the two configs differently")


# -- data

def make_data():
    """24 texts of random ids, most longer than every window; `answer` is the first token whose prediction counts."""
    draw = random.Random("families")
    examples = []
    for number, length in enumerate([24, 9, 40] + [draw.randint(20, 40) for _ in range(21)]):
        middle = draw.randint(1, length - 1)
        examples.append({
            "input_ids": [draw.randrange(5, VOCABULARY - 3) for _ in range(length)], "answer": 1 if number % 3 else middle,
            "token_type_ids": [0] * middle + [1] * (length - middle), "label": draw.randrange(3),
            "label_of_2": draw.randrange(2)})
    return examples


def examples_for(model, settings, data):
    """The members that a run uses, as decoders.py has them."""
    label = "label_of_2" if settings["num_labels"] == 2 else "label"
    has_types = getattr(model.config, "type_vocab_size", 0) > 1
    return [{"input_ids": e["input_ids"], "answer": e["answer"], "label": e[label]}
            | ({"token_type_ids": e["token_type_ids"]} if has_types else {}) for e in data]


# -- models with adapters

@dataclass
class Output:
    logits: torch.Tensor


class Alone(nn.Module):
    """A batch's texts one at a time: no rotary angle depends on the other texts, and no padding token outside every
    window makes a NaN of float64's mask in transformers' float32 softmax."""
    def __init__(self, model):
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, **batch):
        lengths, rows = batch.pop("attention_mask").sum(-1).tolist(), []
        for number, length in enumerate(lengths):
            forget_lengths(self.model)
            logits = self.model(**{name: value[number:number + 1, :length] for name, value in batch.items()}).logits[0]
            rows.append(logits if logits.ndim == 1 else nn.functional.pad(logits, (0, 0, 0, max(lengths) - length)))
        return Output(torch.stack(rows))


def forget_lengths(model):
    """dynamic keeps the frequencies of the longest text so far: every text begins afresh."""
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            module.max_seq_len_cached = module.original_max_seq_len
            module.inv_freq = module.original_inv_freq.clone()


@dataclass
class Site(tuning.Site):
    place: str

    @property
    def path(self):
        return f"{self.place}.{self.layer}.{self.module}"


def load(directory, model, settings, dtype):
    changed = {"num_labels": settings["num_labels"]} if settings["num_labels"] else {}
    loaded = model_class(model, settings).from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", **changed)
    if settings["num_labels"] and model.is_decoder:
        loaded.config.get_text_config().pad_token_id = 0
    return loaded.to(dtype).train().requires_grad_(False)


def attach(directory, model, settings, dtype):
    """The checkpoint with adapters at every target; tensors drawn, each by its own name."""
    loaded = load(directory, model, settings, dtype)
    tuned = tuning.Tuned(Alone(loaded), [], {})
    scale = settings["lora_alpha"] / settings["r"]
    for path, linear in list(loaded.named_modules()):
        found = re.fullmatch(rf"(?:\w+\.)?{model.layers}\.(.+)", path)
        if not found or not isinstance(linear, nn.Linear):
            continue
        place, layer, module = found.groups()
        if not any(f".{module}".endswith(f".{target}") for target in settings["target_modules"]):
            continue
        site = Site(int(layer), module, tuning.LoRALinear(linear, scale), {}, place)
        for side, shape in (("A", (settings["r"], linear.in_features)), ("B", (linear.out_features, settings["r"]))):
            owner = f"shared.{module}" if tuning.is_shared(settings["strategy"], side, module) else site.path
            name = site.names[side] = f"{owner}.lora_{side}.weight"
            if name not in tuned.trained:
                tuned.trained[name] = nn.Parameter(tuning.drawn(name, shape).to(dtype))
        tuned.tie(site)
        tuned.sites.append(site)
        loaded.set_submodule(path, site.linear)
    missing = [t for t in settings["target_modules"] if not any(f".{s.module}".endswith(f".{t}") for s in tuned.sites)]
    if missing:
        raise ValueError(f"{directory.name} has no {missing}")
    if settings["num_labels"]:
        heads = tuple(f"{module}." for module in model.head or ["score"])
        for name, parameter in loaded.named_parameters():
            if name.startswith(heads):
                if model.is_decoder:
                    parameter.data.copy_(torch.randn(parameter.shape, generator=generator(name)) * 0.25)
                tuned.trained[name] = parameter.requires_grad_(True)
    return tuned


def check_with_peft(directory, model, settings, tuned, data):
    """The same tensors in peft's LoRA give the same logits; all of peft's modules are ours."""
    if settings["strategy"] != "lora":
        return False
    base = load(directory, model, settings, torch.float64)
    if model.config.model_type == "gemma3":     # peft's targets are those of the vision part too
        targets = rf".*{model.layers}\..*({'|'.join(settings['target_modules'])})"
    else:
        targets = settings["target_modules"]
    peft = get_peft_model(base, LoraConfig(
        r=settings["r"], lora_alpha=settings["lora_alpha"], target_modules=targets)).double()
    layers = {name: module for name, module in peft.base_model.model.named_modules() if hasattr(module, "lora_A")}
    if len(layers) != len(tuned.sites):
        raise ValueError(f"{directory.name}: {len(layers)} modules of peft, {len(tuned.sites)} of ours")
    for site in tuned.sites:
        layer = next(module for name, module in layers.items() if name.endswith("." + site.path))
        layer.lora_A["default"].weight.data.copy_(tuned.trained[site.names["A"]])
        layer.lora_B["default"].weight.data.copy_(tuned.trained[site.names["B"]])
    for name, value in tuned.trained.items():
        if ".lora_" not in name:
            peft.base_model.model.get_parameter(name).data.copy_(value)
    with torch.no_grad():
        theirs, ours = (decoders.logits_and_targets(one, data[:8], settings)[0] for one in (Alone(peft), tuned.model))
    apart = float((theirs - ours).abs().max())
    if not apart < 1e-12:
        raise ValueError(f"{directory.name}: peft's logits lie {apart} apart")
    return True


# -- records

def first_batch(model, tuned, data, settings, is_full):
    """As decoders.first_batch; a language model's logits are those of some tokens of the first example."""
    logits, loss, gradients = decoders.first_batch(tuned, data, settings)
    if settings["num_labels"]:
        return {"logits": logits, "loss": loss}, gradients
    rows = [0, 7, 15, len(logits) - 1] if is_full else [len(logits) - 1]
    return {"logit_rows": rows, "logits": [logits[row] for row in rows], "loss": loss}, gradients


GENERATION = {"greedy": {}, "beam": {"num_beams": 2}}


def generation(directory, model, data):
    """Continuations of single prompts by transformers, with its cache and, where those differ, without."""
    loaded = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = [e["input_ids"][:length] for e, length in zip(data, (20, 4, 30))]

    def continued(prompt, options):
        forget_lengths(loaded)
        return loaded.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
            max_new_tokens=NEW_TOKENS, pad_token_id=0, **options)[0, len(prompt):].tolist()

    outputs = {name: [continued(p, options) for p in prompts] for name, options in GENERATION.items()}
    without = {name: [continued(p, options | {"use_cache": False}) for p in prompts] for name, options in GENERATION.items()}
    check_margins(loaded, directory.name, prompts, without["greedy"])
    for name, texts in without.items():
        if texts != outputs[name]:
            print(f"{directory.name}: the cache changes transformers' continuations, {name}", flush=True)
            outputs[f"{name}-without-cache"] = texts
    record = {"prompts": prompts, "max_new_tokens": NEW_TOKENS, "settings": GENERATION, "outputs": outputs}
    return record


@torch.no_grad()
def check_margins(loaded, name, prompts, outputs):
    """Refuses near ties, which another order of sums would decide otherwise."""
    for prompt, output in zip(prompts, outputs):
        for end in range(len(output)):
            forget_lengths(loaded)
            best = loaded(input_ids=torch.tensor([prompt + output[:end]])).logits[0, -1].topk(2).values
            if best[0] - best[1] < 1e-4:
                raise ValueError(f"{name}: the best two tokens lie {best[0] - best[1]} apart")


def write_family(golden, name, model, data):
    directory = golden / name
    for old in (directory, golden / f"{name}-bf16"):
        shutil.rmtree(old, ignore_errors=True)
    write_model(directory, name, model)
    write_older(directory, model)
    for run, settings in runs_of(model).items():
        examples = examples_for(model, settings, data)
        tuned = attach(directory, model, settings, torch.float64)
        same_as_peft = check_with_peft(directory, model, settings, tuned, examples)
        start = tuned.values()
        found, gradients = first_batch(model, tuned, examples, settings, run == "lora")
        record = {"model": name, "settings": settings} | found | {
            "checked_with_peft": same_as_peft,
            "trainable_parameters": sum(p.numel() for p in tuned.trained.values())}
        record |= decoders.train(tuned, examples, settings)
        verify(name, run, record)
        write_lines(directory / f"{run}.json", record)
        write_tensors(directory / f"{run}.start.safetensors", start)
        write_tensors(directory / f"{run}.gradients.safetensors", gradients)
        weakest = min(gradients, key=lambda n: float(gradients[n].abs().max()))
        print(f"{name:15} {run:8} loss {record['losses'][0]:.4f} -> {record['losses'][-1]:.4f} norms "
              f"{min(record['grad_norms']):.3f}..{max(record['grad_norms']):.3f} peft {same_as_peft} weakest "
              f"{float(gradients[weakest].abs().max()):.1e} {weakest}", flush=True)
    if model.is_decoder:
        write_lines(directory / "generation.json", generation(directory, model, data))
    if not model.only_rotary:
        settings = runs_of(model)["lora"]
        tuned = attach(golden / f"{name}-bf16", model, settings, torch.float64)
        found, _ = first_batch(model, tuned, examples_for(model, settings, data), settings, True)
        write_lines(golden / f"{name}-bf16/lora.json", {"settings": settings} | found)


def verify(name, run, record):
    if not all(map(math.isfinite, record["losses"] + record["grad_norms"])):
        raise ValueError(f"{name}/{run}: a number is not finite")
    for merge in record.get("merges", []):
        if merge["runner_up_distance"] and merge["runner_up_distance"] < 1.0005 * merge["distance"]:
            raise ValueError(f"{name}/{run}: a near tie: {merge}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GOLDEN, metavar="DIR")
    parser.add_argument("--only", nargs="+", default=[*DECODERS, *ENCODERS], metavar="NAME")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    data = make_data()
    options.output.mkdir(parents=True, exist_ok=True)
    write_lines(options.output / "data.json", {"train": data})
    for name in options.only:
        write_family(options.output, name, (DECODERS | ENCODERS)[name], data)


if __name__ == "__main__":
    main()
