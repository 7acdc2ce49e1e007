#!/usr/bin/env python3
"""Writes the golden values of the decoder models: Tests/TrainingTests/Golden/decoders.

    python scripts/golden/decoders.py [--output DIR]

Needs torch, transformers, peft, tokenizers and safetensors. Everything in the output directory is made anew; a rerun
with the same versions gives equal files. References are computed in float64 from the stored weights (rotary angles,
RMS norms and softmax stay float32, as transformers has them). Every LoRA that peft can express is checked against peft.
"""

import argparse
import json
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
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, GPT2Config, LlamaConfig
from transformers.utils import logging

import checkpoints
import tuning
from models import rounded, write_lines
from checkpoints import generator, write_tensors

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden/decoders"
VOCABULARY = 300
GPT2_SIZES = dict(
    vocab_size=VOCABULARY, n_embd=24, n_layer=3, n_head=4, n_inner=40, n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0,
    attn_pdrop=0.0, bos_token_id=0, eos_token_id=0)
LLAMA_SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    max_position_embeddings=64, bos_token_id=1, eos_token_id=0, pad_token_id=None)
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16, "rope_theta": 500.0}
MODELS = {
    "gpt2-tiny": GPT2Config(**GPT2_SIZES),
    "gpt2-untied": GPT2Config(**GPT2_SIZES, tie_word_embeddings=False),
    "llama-grouped": LlamaConfig(**LLAMA_SIZES, num_key_value_heads=2, tie_word_embeddings=True),
    "llama-wide": LlamaConfig(
        **LLAMA_SIZES, num_key_value_heads=4, head_dim=8, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
        rope_parameters=LLAMA3),
    "llama-linear": LlamaConfig(
        **LLAMA_SIZES, num_key_value_heads=1, tie_word_embeddings=False,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}),
}
BF16 = ["llama-grouped", "gpt2-tiny"]
QV = {"gpt2": ["c_attn.q", "c_attn.v"], "llama": ["q_proj", "v_proj"]}
EVERY = {"gpt2": ["c_attn", "c_proj", "c_fc"],
         "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}
SETTINGS = {
    "strategy": "lora", "r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "use_rslora": False, "target_modules": None,
    "num_labels": None, "label_smoothing_factor": 0.0, "gradient_batch": 8,
    "num_train_epochs": 10, "train_batch_size": 8, "gradient_accumulation_steps": 1, "learning_rate": 1e-2,
    "weight_decay": 0.1, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0,
    "lr_scheduler_type": "linear", "warmup_ratio": 0.06}
ASLORA = {"start_step": 6, "merge_interval": 6, "num_merges": 2, "candidates": "adjacent"}
FULL = ["gpt2-tiny", "llama-grouped"]


def runs_of(name, family):
    qv, every = {"target_modules": QV[family]}, {"target_modules": EVERY[family]}
    runs = {"lora-all": every}
    if name in FULL:
        runs |= {"lora": qv, "share-a": qv, "share-ab": qv, "aslora": qv | {"aslora": ASLORA},
                 "smoothed": qv | {"label_smoothing_factor": 0.1}, "uneven": qv | {
                     "train_batch_size": 7, "gradient_accumulation_steps": 2, "num_train_epochs": 15},
                 "labels": qv | {"num_labels": 3}}
    strategy = lambda run: run if run in ("share-a", "share-ab", "aslora") else "lora"
    return {run: SETTINGS | {"strategy": strategy(run)} | changed for run, changed in runs.items()}


@dataclass
class Site(tuning.Site):
    @property
    def path(self):
        return f"{self.stack}.{self.layer}.{self.module}"


class Part:
    """The A and B of one slice of a fused map."""
    a = b = None


class FusedLoRA(nn.Module):
    """c_attn with a LoRA of its own on some of its thirds."""
    def __init__(self, base, scale):
        super().__init__()
        self.base, self.scale, self.parts = base, scale, {}

    def forward(self, x):
        thirds = list(self.base(x).chunk(3, dim=-1))
        for number, part in self.parts.items():
            thirds[number] = thirds[number] + self.scale * F.linear(F.linear(x, part.a), part.b)
        return torch.cat(thirds, dim=-1)


def random_weights(name, shapes):
    weights = {}
    for tensor, shape in shapes.items():
        drawn = torch.randn(shape, generator=generator(f"{name} {tensor}"))
        is_norm = re.search(r"(ln_\d|ln_f|layernorm|norm)\.weight$", tensor)
        weights[tensor] = 1 + 0.2 * drawn if is_norm else drawn * (0.2 if tensor.endswith("bias") else 0.25)
    return weights


def write_models(golden):
    for name, config in MODELS.items():
        shapes = {n: t.shape for n, t in AutoModelForCausalLM.from_config(config).state_dict().items()}
        if config.tie_word_embeddings:
            shapes.pop("lm_head.weight")
        weights = random_weights(name, shapes)
        if name == "gpt2-untied":       # the layout of the Hub's gpt2: names without `transformer.`
            weights = {n.removeprefix("transformer."): w for n, w in weights.items()}
        checkpoints.write_checkpoint(golden / name, config, weights)
        (golden / name / "generation_config.json").unlink(missing_ok=True)
        write_tokenizer(golden / name, config.model_type)
        if name in BF16:
            checkpoints.write_checkpoint(
                golden / f"{name}-bf16", config, {n: w.to(torch.bfloat16) for n, w in weights.items()})


def write_tokenizer(directory, family):
    """Byte-level BPE; LLaMA's begins every text with <s>, as LLaMA-3's does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([checkpoints.PARAGRAPH], trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<|endoftext|>", "<s>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"the BPE has {tokenizer.get_vocab_size()} entries")
    if family == "llama":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tokenizer.save(str(directory / "tokenizer.json"))


def make_data():
    """24 examples; `answer` is the first token whose prediction counts."""
    draw = random.Random("decoders")
    examples = []
    for number, length in enumerate([3, 20] + [draw.randint(3, 20) for _ in range(22)]):
        ids = [draw.randrange(2, VOCABULARY) for _ in range(length)]
        examples.append({"input_ids": ids, "answer": 1 if number % 3 else draw.randint(1, length - 1),
                         "label": draw.randrange(3)})
    return examples


def load(directory, settings, dtype):
    kind = AutoModelForSequenceClassification if settings["num_labels"] else AutoModelForCausalLM
    changed = {"num_labels": settings["num_labels"], "pad_token_id": 0} if settings["num_labels"] else {}
    model = kind.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager", **changed)
    return model.to(dtype).train().requires_grad_(False)


def attach(directory, settings, dtype):
    tuned = tuning.Tuned(load(directory, settings, dtype), [], {})
    scale = settings["lora_alpha"] / settings["r"]
    for path, linear in list(tuned.model.named_modules()):
        found = re.fullmatch(r"\w+\.(h|layers)\.(\d+)\.(.+)", path)
        if found is None or not hasattr(linear, "weight"):
            continue
        stack, layer, module = found.groups()
        inputs, outputs = (linear.nx, linear.nf) if hasattr(linear, "nf") else (
            getattr(linear, "in_features", 0), getattr(linear, "out_features", 0))
        wanted = lambda name: any(("." + name).endswith("." + t) for t in settings["target_modules"])
        if wanted(module):
            wrapped = tuning.LoRALinear(linear, scale)
            tuned.model.set_submodule(path, wrapped)
            add_site(tuned, settings, dtype, stack, int(layer), module, wrapped, inputs, outputs)
        slices = [(number, f"{module}.{part}") for number, part in enumerate("qkv")]
        if module == "attn.c_attn" and any(wanted(name) for _, name in slices):
            fused = FusedLoRA(linear, scale)
            tuned.model.set_submodule(path, fused)
            for number, name in slices:
                if wanted(name):
                    part = fused.parts[number] = Part()
                    add_site(tuned, settings, dtype, stack, int(layer), name, part, inputs, outputs // 3)
    if settings["num_labels"]:
        score = tuned.model.score.weight
        score.data.copy_(torch.randn(score.shape, generator=generator("score")) * 0.25)
        tuned.trained["score.weight"] = score.requires_grad_(True)
    return tuned


def add_site(tuned, settings, dtype, stack, layer, module, linear, inputs, outputs):
    site = Site(layer, module, linear, {})
    site.stack = stack
    for side, shape in (("A", (settings["r"], inputs)), ("B", (outputs, settings["r"]))):
        owner = f"shared.{module}" if tuning.is_shared(settings["strategy"], side, module) else site.path
        name = site.names[side] = f"{owner}.lora_{side}.weight"
        if name not in tuned.trained:
            tuned.trained[name] = nn.Parameter(tuning.drawn(name, shape).to(dtype))
    tuned.tie(site)
    tuned.sites.append(site)


def logits_and_targets(model, examples, settings):
    width = max(len(e["input_ids"]) for e in examples)
    padded = lambda rows, fill: torch.tensor([row + [fill] * (width - len(row)) for row in rows])
    types = {"token_type_ids": padded([e["token_type_ids"] for e in examples], 0)} if "token_type_ids" in examples[0] else {}
    logits = model(
        input_ids=padded([e["input_ids"] for e in examples], 0),
        attention_mask=padded([[1] * len(e["input_ids"]) for e in examples], 0), **types).logits
    if settings["num_labels"]:
        return logits, torch.tensor([e["label"] for e in examples])
    return logits[:, :-1].flatten(0, 1), padded([labels_of(e) for e in examples], -100)[:, 1:].flatten()


def labels_of(example):
    """The tokens that count, and −100 elsewhere: an example's own, or all from `answer` on."""
    return example.get("labels") or [-100] * example["answer"] + example["input_ids"][example["answer"]:]


def summed_loss(logits, targets, settings):
    return F.cross_entropy(
        logits, targets, ignore_index=-100, reduction="sum", label_smoothing=settings["label_smoothing_factor"])


def count(examples, settings):
    """Rows, or predictions that count: nothing predicts a text's first token."""
    if settings["num_labels"]:
        return len(examples)
    return sum(label != -100 for e in examples for label in labels_of(e)[1:])


def first_batch(tuned, data, settings):
    batch = data[:settings["gradient_batch"]]
    logits, targets = logits_and_targets(tuned.model, batch, settings)
    loss = summed_loss(logits, targets, settings) / count(batch, settings)
    gradients = torch.autograd.grad(loss, list(tuned.trained.values()))
    if not settings["num_labels"]:      # the first example's alone: every position's would make large files
        logits = logits[:len(batch[0]["input_ids"]) - 1]
    return logits.tolist(), loss.item(), {n: g.float() for n, g in zip(tuned.trained, gradients)}


def train(tuned, data, settings):
    batches = tuning.effective_batches(data, settings)
    warmup = -(-len(batches) * 6 // 100)
    matrices = [p for p in tuned.trained.values() if p.ndim > 1]
    vectors = [p for p in tuned.trained.values() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": group, "weight_decay": decay} for group, decay in ((matrices, settings["weight_decay"]), (vectors, 0.0))
         if group], betas=(settings["adam_beta1"], settings["adam_beta2"]), eps=settings["adam_epsilon"])
    merging = tuning.ASLoRA(tuned, optimizer, **settings["aslora"]) if settings["strategy"] == "aslora" else None
    found = {"losses": [], "grad_norms": []}
    for step, micro_batches in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * tuning.rate_factor(step, len(batches), warmup)
        total, value = sum(count(micro, settings) for micro in micro_batches), 0.0
        for micro in micro_batches:
            loss = summed_loss(*logits_and_targets(tuned.model, micro, settings), settings) / total
            loss.backward()
            value += loss.item()
        norm = nn.utils.clip_grad_norm_(list(tuned.trained.values()), settings["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
        if merging:
            merging.after_step(step + 1)
        found["losses"].append(value)
        found["grad_norms"].append(float(norm))
    if merging:
        found["merges"] = merging.merges
    return found


def check_with_peft(directory, settings, tuned, data):
    """The same tensors in peft's LoRA give the same logits."""
    if settings["strategy"] != "lora" or any("c_attn." in t for t in settings["target_modules"]):
        return False
    model = load(directory, settings, torch.float64)
    is_gpt2 = model.config.model_type == "gpt2"
    peft = get_peft_model(model, LoraConfig(
        r=settings["r"], lora_alpha=settings["lora_alpha"], target_modules=settings["target_modules"],
        fan_in_fan_out=is_gpt2)).double()
    for site in tuned.sites:
        layer = peft.base_model.model.get_submodule(f"{'transformer' if is_gpt2 else 'model'}.{site.path}")
        layer.lora_A["default"].weight.data.copy_(tuned.trained[site.names["A"]])
        layer.lora_B["default"].weight.data.copy_(tuned.trained[site.names["B"]])
    ours = logits_and_targets(tuned.model, data[:8], settings)[0]
    if settings["num_labels"]:
        peft.base_model.model.score.weight.data.copy_(tuned.trained["score.weight"])
    apart = float((logits_and_targets(peft, data[:8], settings)[0] - ours).abs().max())
    if settings["target_modules"] == EVERY[model.config.model_type] and directory.name in FULL:
        write_peft_adapter(peft, directory / "peft")
    if apart > 1e-12:
        raise ValueError(f"{directory.name}: peft's logits lie {apart} apart")
    return True


def write_peft_adapter(peft, directory):
    """What peft saves, for `--adapter`."""
    peft.float().save_pretrained(directory)
    (directory / "README.md").unlink()
    config = json.loads((directory / "adapter_config.json").read_text())
    config |= {"base_model_name_or_path": directory.parent.name, "target_modules": sorted(config["target_modules"])}
    checkpoints.write_json(directory / "adapter_config.json", config)
    peft.double()


ENDS = list(range(0, VOCABULARY, 20))      # so many tokens end a text that beams do end
GENERATION = {
    "greedy": {}, "repetition": {"repetition_penalty": 1.3}, "ngram": {"no_repeat_ngram_size": 2},
    "beam": {"num_beams": 4}, "beam-ends": {"num_beams": 4, "length_penalty": 0.8, "eos_token_id": ENDS},
    "beam-early": {"num_beams": 3, "length_penalty": 1.5, "early_stopping": True, "eos_token_id": ENDS}, "beam-e2e": {"num_beams": 5, "length_penalty": 0.8, "no_repeat_ngram_size": 4}}


def generation(directory, data):
    """Continuations of single prompts, without the prompt, until the end-of-text token or 24 tokens."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = [e["input_ids"][:9] for e in data[:5]]
    def continued(prompt, options):
        ids = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                             max_new_tokens=24, do_sample=False, pad_token_id=0, **options)[0, len(prompt):].tolist()
        return ids
    return {"prompts": prompts, "settings": GENERATION,
            "outputs": {name: [continued(p, options) for p in prompts] for name, options in GENERATION.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GOLDEN, metavar="DIR")
    options = parser.parse_args()
    golden = options.output
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    shutil.rmtree(golden, ignore_errors=True)
    golden.mkdir(parents=True)
    write_models(golden)
    data = make_data()
    write_lines(golden / "data.json", {"train": data})
    for name, config in MODELS.items():
        directory = golden / name
        for run, settings in runs_of(name, config.model_type).items():
            tuned = attach(directory, settings, torch.float64)
            same_as_peft = check_with_peft(directory, settings, tuned, data)
            start = tuned.values()
            logits, loss, gradients = first_batch(tuned, data, settings)
            record = {"model": name, "settings": settings, "logits": logits, "loss": loss, "checked_with_peft": same_as_peft,
                      "trainable_parameters": sum(p.numel() for p in tuned.trained.values())}
            record |= train(tuned, data, settings)
            write_lines(directory / f"{run}.json", record)
            write_tensors(directory / f"{run}.start.safetensors", start)
            write_tensors(directory / f"{run}.gradients.safetensors", gradients)
            print(f"{name:14} {run:10} loss {record['losses'][0]:.4f} -> {record['losses'][-1]:.4f} "
                  f"norms {min(record['grad_norms']):.3f}..{max(record['grad_norms']):.3f} peft {same_as_peft}", flush=True)
        write_lines(directory / "generation.json", generation(directory, data))
    for name in BF16:
        settings = runs_of(name, MODELS[name].model_type)["lora-all"]
        logits, loss, _ = first_batch(attach(golden / f"{name}-bf16", settings, torch.float64), data, settings)
        write_lines(golden / f"{name}-bf16/lora-all.json", {"settings": settings, "logits": logits, "loss": loss})


if __name__ == "__main__":
    main()
