#!/usr/bin/env python3
"""Checks export, merge and the reading of PEFT adapters against transformers and peft.

    python scripts/golden/export.py --tool .build/debug/swift-peft [--keep DIR] [--only NAME]

Needs torch, transformers, peft, safetensors and gguf. Every line printed is one check with the largest relative
difference of logits; the exit status is 1 where one is above its bound. Trains tiny models of
Tests/TrainingTests/Golden, so that it takes a few minutes and no network.

`--decoders DIR` and `--decoder-tool FILE` name the tiny decoders and a program that trains them, where these are not
those of this repository.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# tokenizers.py beside this file is not the library.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from peft import LoraConfig, LoHaConfig, PeftModel, get_peft_model
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
STRATEGIES = ["lora", "share-a", "share-b", "share-ab", "share-a-qkv", "share-b-qkv", "share-ab-qkv", "aslora", "none"]
WORDS = ["the", "movie", "is", "good", "and", "film", "bad", "very", "great", "story", "not", "time"]
FAILED = []


def rows(count, start):
    for row in range(start, start + count):
        text = " ".join(WORDS[(row * 31 + i * (i + row)) % len(WORDS)] for i in range(2 + row * 7 % 11))
        yield text, int("good" in text or "great" in text)


TEXTS = [text for text, _ in rows(12, 1000)]


def report(name, ours, theirs, bound):
    difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    state = "ok" if difference <= bound else "FAILED"
    print(f"{state:6} {difference:.2e} (bound {bound:.0e})  {name}", flush=True)
    if difference > bound:
        FAILED.append(name)


def expect(name, condition, detail=""):
    print(f"{'ok' if condition else 'FAILED':6} {name} {'' if condition else detail}", flush=True)
    if not condition:
        FAILED.append(name)


class Tools:
    """The program in its two roles, run in a scratch directory."""

    def __init__(self, tool, decoder_tool, directory):
        self.tool, self.decoder_tool, self.directory = tool, decoder_tool, directory

    def run(self, *arguments, decoder=False, status=0):
        tool = self.decoder_tool if decoder else self.tool
        done = subprocess.run([tool, *map(str, arguments), "--quiet"], cwd=self.directory, capture_output=True, text=True)
        if status is not None and done.returncode != status:
            raise SystemExit(f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
        return done

    def shared(self, run):
        """A run of the other program, without the option of its configs that this one may not know yet."""
        if self.tool != self.decoder_tool:
            file = run / "run_config.json"
            settings = json.loads(file.read_text())
            settings["training"].pop("label_smoothing_factor", None)
            file.write_text(json.dumps(settings))
        return run

    def logits(self, source, *arguments, decoder=False):
        file = self.directory / "predictions.tsv"
        self.run("eval", source, *arguments, "--predictions", file, decoder=decoder)
        lines = file.read_text().splitlines()[1:]
        return torch.tensor([[float(x) for x in line.split("\t")[3:]] for line in lines])


def texts_to_logits(model, directory):
    """One text at a time: GPT-2 and LLaMA have no token for padding."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model.eval()
    with torch.no_grad():
        return torch.cat([model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=32)).logits
                          for text in TEXTS])


def load(cls, directory, **options):
    """Loads with no missing, unexpected or misshapen key."""
    model, info = cls.from_pretrained(directory, dtype=torch.float32, output_loading_info=True, **options)
    wrong = {key: value for key, value in info.items() if value}
    expect(f"{directory.name}: every key of {cls.__name__} is there", not wrong, wrong)
    return model


def config(name, model, strategy, targets, **adapter):
    if strategy == "aslora":
        adapter["aslora"] = {"start_step": 3, "merge_interval": 3, "num_merges": 1}
    return {
        "name": name, "model": str(model),
        "task": {"name": "sst2", "data_dir": "data", "max_seq_length": 32},
        "adapter": {"strategy": strategy, "r": 2, "lora_alpha": 6, "target_modules": targets} | adapter,
        "training": {"num_train_epochs": 1, "train_batch_size": 5, "learning_rate": 2e-2, "eval_strategy": "no"},
        "output_dir": f"runs/{name}", "database": "runs.sqlite"}


def train(tools, name, model, strategy, targets, decoder, labels=2, **adapter):
    settings = config(name, model, strategy, targets, **adapter)
    if labels != 2:
        settings["task"] = {"name": "tsv", "train_file": f"data/{labels}.tsv", "validation_file": f"data/{labels}-dev.tsv",
                            "text_columns": ["sentence"], "label_column": "label", "max_seq_length": 32}
    (tools.directory / f"{name}.json").write_text(json.dumps(settings))
    tools.run("train", f"{name}.json", "--overwrite", decoder=decoder)
    return tools.shared(tools.directory / "runs" / name)


def check_run(tools, name, model, run, decoder, bound=1e-5, labels=2):
    """One trained run: export into peft, merge into transformers and back."""
    ours = tools.logits(run, decoder=decoder)
    exported, merged = tools.directory / f"{name}-peft", tools.directory / f"{name}-merged"
    tools.run("export", run, "--format", "peft", "--output", exported, "--overwrite")
    base = AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32, num_labels=labels,
                                                              ignore_mismatched_sizes=True)
    theirs = texts_to_logits(PeftModel.from_pretrained(base, exported), model)
    report(f"{name}: exported to peft", ours, theirs, 1e-5)

    tools.run("merge", run, "--output", merged, "--overwrite")
    for part in Path(model).glob("*.safetensors"):
        check_types(name, part, merged)
    report(f"{name}: merged into transformers", ours, texts_to_logits(
        load(AutoModelForSequenceClassification, merged), merged), bound)
    settings = json.loads((tools.directory / f"{name}.json").read_text())
    settings |= {"model": str(merged), "output_dir": "runs/merged"}
    (tools.directory / "merged.json").write_text(json.dumps(settings))
    report(f"{name}: merged, read here", ours, tools.logits("merged.json", decoder=decoder), bound)
    for directory in (exported, merged):
        shutil.rmtree(directory)


def check_types(name, part, merged):
    """Types, and everything that is not adapted bit by bit."""
    stored = {}
    for file in merged.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            stored |= {key: tensors.get_tensor(key) for key in tensors.keys()}
    prefixes = ["", "bert.", "roberta.", "transformer.", "model."]
    with safe_open(part, "pt") as tensors:
        for key in tensors.keys():
            copy = next((stored[p + key] for p in prefixes if p + key in stored), None)
            if copy is None or key.startswith(("classifier", "score")):
                continue
            value = tensors.get_tensor(key)
            same = copy.dtype == value.dtype and copy.shape == value.shape
            if key.endswith("bias") or any(part in key.lower() for part in ("norm", "ln_", "embed", "wte", "wpe")):
                same = same and torch.equal(copy, value)
            if not same:
                expect(f"{name}: {key} is kept", False, (copy.dtype, value.dtype))


# -- what peft trained

VARIANTS = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "patterns": {"rank_pattern": "RANKS", "alpha_pattern": "ALPHAS"},
    "gaussian": {"init_lora_weights": "gaussian"},
}


def peft_adapter(model, targets, directory, task="SEQ_CLS", **options):
    """A few steps of real training, saved as peft saves it."""
    torch.manual_seed(len(directory.name))
    cls = AutoModelForSequenceClassification if task == "SEQ_CLS" else AutoModelForCausalLM
    base = cls.from_pretrained(model, dtype=torch.float32)
    is_gpt2 = base.config.model_type == "gpt2"
    if "rank_pattern" in options:
        options = options | {"rank_pattern": {targets[-1]: 4}, "alpha_pattern": {targets[0]: 11}}
    tuned = get_peft_model(base, LoraConfig(
        task_type=task, r=3, lora_alpha=5, target_modules=targets, fan_in_fan_out=is_gpt2, **options))
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=2e-2)
    tokenizer = AutoTokenizer.from_pretrained(model)
    for text, label in rows(20, 1):
        batch = tokenizer(text, return_tensors="pt")
        labels = torch.tensor([label]) if task == "SEQ_CLS" else batch["input_ids"]
        loss = tuned(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    tuned.save_pretrained(directory)
    return tuned


def check_peft(tools, name, model, targets, decoder):
    for variant, options in VARIANTS.items():
        directory = tools.directory / f"{name}-{variant}"
        theirs = texts_to_logits(peft_adapter(model, targets, directory, **options), model)
        settings = config("scored", model, "lora", targets)
        (tools.directory / "scored.json").write_text(json.dumps(settings))
        ours = tools.logits("scored.json", "--adapter", directory, decoder=decoder)
        report(f"{name}: {variant} adapter of peft, scored here", ours, theirs, 1e-4)
        merged = tools.directory / f"{name}-{variant}-merged"
        tools.run("merge", model, "--adapter", directory, "--output", merged, "--overwrite")
        report(f"{name}: {variant} adapter of peft, merged here", texts_to_logits(
            load(AutoModelForSequenceClassification, merged), merged), theirs, 1e-5)


def check_refusals(tools, name, model, targets):
    for kind, make in {
        "dora": lambda base: LoraConfig(task_type="SEQ_CLS", r=2, target_modules=targets, use_dora=True),
        "bias": lambda base: LoraConfig(task_type="SEQ_CLS", r=2, target_modules=targets, bias="lora_only"),
        "loha": lambda base: LoHaConfig(task_type="SEQ_CLS", r=2, target_modules=targets),
        "layers": lambda base: LoraConfig(
            task_type="SEQ_CLS", r=2, target_modules=targets, modules_to_save=["embeddings"]),
    }.items():
        base = AutoModelForSequenceClassification.from_pretrained(model)
        directory = tools.directory / f"{name}-{kind}"
        get_peft_model(base, make(base)).save_pretrained(directory)
        (tools.directory / "scored.json").write_text(json.dumps(config("scored", model, "lora", targets)))
        for arguments in (["eval", "scored.json", "--adapter", directory],
                          ["merge", model, "--adapter", directory, "--output", "refused"]):
            done = tools.run(*arguments, status=None)
            expect(f"{name}: {kind} is refused by {arguments[0]}: {done.stderr.strip()[-90:]}",
                   done.returncode == 65 and "not supported" in done.stderr, done.returncode)


# -- language models

def check_language(tools, name, model, targets):
    """Runs without a head: no logits come out of eval, so peft, transformers and our loss are compared."""
    run_name = f"{name}-lm"
    settings = config(run_name, model, "share-a", targets)
    settings["task"] = {"name": "causal-lm", "train_file": "data/train.txt", "validation_file": "data/dev.txt",
                        "max_seq_length": 16}
    (tools.directory / f"{run_name}.json").write_text(json.dumps(settings))
    tools.run("train", f"{run_name}.json", "--overwrite", decoder=True)
    run = tools.shared(tools.directory / "runs" / run_name)
    exported, merged = tools.directory / f"{run_name}-peft", tools.directory / f"{run_name}-merged"
    tools.run("export", run, "--format", "peft", "--output", exported, "--overwrite")
    tools.run("merge", run, "--output", merged, "--overwrite")
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(base, exported)
    whole = load(AutoModelForCausalLM, merged)
    tokenizer = AutoTokenizer.from_pretrained(model)
    for left, right in [(tuned, whole)]:
        batch = tokenizer(TEXTS[3], return_tensors="pt")
        with torch.no_grad():
            report(f"{run_name}: peft and transformers", left(**batch).logits, right(**batch).logits, 1e-5)
    loss = json.loads(tools.run("eval", run, "--json", decoder=True).stdout)["results"]
    settings |= {"model": str(merged), "output_dir": "runs/merged"}
    (tools.directory / "merged.json").write_text(json.dumps(settings))
    again = json.loads(tools.run("eval", "merged.json", "--json", decoder=True).stdout)["results"]
    first, second = (torch.tensor([scores(x)["loss"]]) for x in (loss, again))
    report(f"{run_name}: loss of run and merged", first, second, 1e-5)
    ours = generated(tools, run, decoder=True)
    theirs = []
    for text in TEXTS[:4]:
        batch = tokenizer(text, return_tensors="pt")
        ids = tuned.generate(**batch, max_new_tokens=8, do_sample=False, pad_token_id=0)[0, batch["input_ids"].shape[1]:]
        # The verb ends its text with a line feed, unless that ends with one.
        theirs.append(tokenizer.decode(ids, skip_special_tokens=True).rstrip("\n"))
    if ours is not None:
        expect(f"{run_name}: greedy continuations of our run and of peft", ours == theirs, (ours, theirs))
    return run, exported


def scores(results):
    return results[0] if isinstance(results, list) else results.get("validation", results)


def generated(tools, run, decoder):
    """Greedy continuations, or None where the program has no such verb."""
    texts = []
    for text in TEXTS[:4]:
        done = tools.run("generate", run, "--prompt", text, "--max-new-tokens", "8", decoder=decoder, status=None)
        if done.returncode != 0:
            return None
        texts.append(done.stdout.rstrip("\n"))
    return texts


def check_gguf(tools, name, model, run, peft_directory):
    """Against the reader of llama.cpp's Python package, with its converter's names, shapes and row order."""
    from gguf import GGUFReader
    from safetensors.torch import load_file

    file = tools.directory / f"{name}.gguf"
    tools.run("export", run, "--format", "gguf", "--output", file, "--overwrite")
    reader = GGUFReader(file)
    fields = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    settings = json.loads((peft_directory / "adapter_config.json").read_text())
    expect(f"{name}: metadata", fields["general.type"] == "adapter" and fields["adapter.type"] == "lora"
           and fields["general.architecture"] == "llama" and fields["adapter.lora.alpha"] == settings["lora_alpha"], fields)
    base = json.loads((Path(model) / "config.json").read_text())
    names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
             "up_proj": "ffn_up", "down_proj": "ffn_down"}
    expected = {}
    for key, value in load_file(peft_directory / "adapter_model.safetensors").items():
        parts = key.split(".")
        layer, module, side = parts[parts.index("layers") + 1], parts[-3], parts[-2][-1].lower()
        if side == "b" and module in ("q_proj", "k_proj"):
            heads = base["num_attention_heads" if module == "q_proj" else "num_key_value_heads"]
            # LlamaModel.permute of convert_hf_to_gguf.py.
            value = value.reshape(heads, 2, value.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(value.shape)
        expected[f"blk.{layer}.{names[module]}.weight.lora_{side}"] = value
    found = {tensor.name: tensor for tensor in reader.tensors}
    expect(f"{name}: names", set(found) == set(expected), (set(found) ^ set(expected)))
    for key, value in expected.items():
        tensor = found[key]
        # ggml's order of dimensions is the reverse.
        good = list(reversed(tensor.shape.tolist())) == list(value.shape)
        good = good and torch.equal(torch.from_numpy(tensor.data.copy()).reshape(value.shape), value)
        if not good:
            expect(f"{name}: {key}", False, (tensor.shape, value.shape))
    print(f"ok     {name}: {len(expected)} tensors in the GGUF file")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True, type=Path)
    parser.add_argument("--decoder-tool", type=Path)
    parser.add_argument("--decoders", type=Path, default=GOLDEN / "decoders")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(2)
    scratch = options.keep or Path(tempfile.mkdtemp())
    scratch.mkdir(parents=True, exist_ok=True)
    tools = Tools(options.tool.resolve(), (options.decoder_tool or options.tool).resolve(), scratch.resolve())
    (scratch / "data").mkdir(exist_ok=True)
    for name, table in {"train": rows(60, 1), "dev": rows(12, 1000)}.items():
        table = list(table)
        (scratch / f"data/{name}.tsv").write_text(
            "sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in table))
        (scratch / f"data/{name}.txt").write_text("".join(text + "\n" for text, _ in table))
        suffix = "" if name == "train" else "-dev"
        (scratch / f"data/3{suffix}.tsv").write_text(
            "sentence\tlabel\n" + "".join(f"{text}\t{'abc'[len(text) % 3]}\n" for text, _ in table))

    encoders = {
        "bert-tiny": (GOLDEN / "bert-tiny", ["query", "value"]),
        "roberta-tiny": (GOLDEN / "roberta-tiny", ["query", "value"]),
    }
    decoders = {
        "gpt2-tiny": (options.decoders / "gpt2-tiny", ["c_attn.q", "c_attn.v"]),
        "llama-grouped": (options.decoders / "llama-grouped", ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"]),
    }
    if not options.decoders.is_dir():
        print("note: no tiny decoders, they are left out")
        decoders = {}
    for (name, (model, targets)), strategy in itertools.product((encoders | decoders).items(), STRATEGIES):
        full = f"{name}-{strategy}"
        if options.only not in full:
            continue
        if strategy.endswith("-qkv") and name in encoders:
            targets = ["query", "key", "value", "intermediate.dense"]
        decoder = name in decoders
        run = train(tools, full, model, strategy, targets, decoder)
        check_run(tools, full, model, run, decoder)
    for full, model, labels, extra in [
        ("bert-tiny-3-labels", GOLDEN / "bert-tiny", 3, {}),
        ("roberta-tiny-3-labels", GOLDEN / "roberta-tiny", 3, {}),
        ("bert-tiny-rslora", GOLDEN / "bert-tiny", 2, {"use_rslora": True}),
    ]:
        if options.only in full:
            run = train(tools, full, model, "share-b", ["dense", "query"], False, labels, **extra)
            check_run(tools, full, model, run, False, labels=labels)
    # Rounded weights: logits differ by the rounding of the merged weights, which transformers and we must agree on.
    for kind, bound in [("bert-tiny-bf16", 2e-2), ("bert-tiny-f16", 3e-3), ("bert-tiny-sharded", 1e-5)]:
        if options.only in kind:
            model = scratch / kind
            shutil.copytree(GOLDEN / kind, model, dirs_exist_ok=True)
            for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
                shutil.copy(GOLDEN / "bert-tiny" / file, model)
            run = train(tools, f"{kind}-run", model, "share-a", ["query", "value"], False)
            check_run(tools, f"{kind}-run", model, run, False, bound)
    for name, (model, targets) in (encoders | decoders).items():
        if options.only not in f"{name}-peft":
            continue
        theirs = ["c_attn", "mlp.c_proj"] if name == "gpt2-tiny" else targets
        check_peft(tools, f"{name}-peft", model, theirs, name in decoders)
        if name in encoders:
            check_refusals(tools, f"{name}-peft", model, theirs)
    for name, (model, targets) in decoders.items():
        if options.only not in f"{name}-lm":
            continue
        run, exported = check_language(tools, name, model, targets)
        if name.startswith("llama"):
            check_gguf(tools, name, model, run, exported)
    if not options.keep:
        shutil.rmtree(scratch)
    print(f"{len(FAILED)} failed" if FAILED else "all passed")
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
