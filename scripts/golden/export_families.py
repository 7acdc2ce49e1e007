#!/usr/bin/env python3
"""Checks export and merge of the families of families.py against transformers, peft and llama.cpp's Python package.

    python scripts/golden/export_families.py --tool .build/debug/swift-peft [--only NAME …] [--keep DIR]

The same as export.py does for the first four: a run of the program, its adapter exported and loaded by peft, and the
merged model loaded by transformers, give the same logits; the names, shapes and numbers of a decoder's GGUF adapter are
those that llama.cpp's table of names and its converter give. Every line printed is one check; the exit status is 1
where one failed. A family that the program does not know is a failure too.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import export
from export import expect, load, report, Tools

import torch
from gguf import GGUFReader, MODEL_ARCH_NAMES, get_tensor_name_map
from peft import PeftModel
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

sys.path.append(str(Path(__file__).resolve().parent))     # after the library: tokenizers.py beside this file is not it
from family_models import DECODERS, ENCODERS, VOCABULARY

FAMILIES = export.GOLDEN / "families"
# Whose converter puts the rows of queries and keys in the order of neighbouring pairs (LlamaModel and its heirs).
PERMUTED = ("llama", "granite", "smollm3")
LENGTH = 40


def write_tokenizer(directory):
    """Byte-level BPE over the letters of the texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([text for text, _ in export.rows(60, 1)], trainers.BpeTrainer(
        vocab_size=VOCABULARY - 10, special_tokens=["<pad>", "<s>", "</s>", "<mask>", "<unk>"], show_progress=False,
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz")))
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')


def copied(tools, name):
    """The golden checkpoint with a tokenizer."""
    model = tools.directory / name
    shutil.copytree(FAMILIES / name, model, ignore=shutil.ignore_patterns("*.start.*", "*.gradients.*", "*.json"))
    shutil.copy(FAMILIES / name / "config.json", model)
    write_tokenizer(model)
    return model


def ids(directory, text):
    return Tokenizer.from_file(str(directory / "tokenizer.json")).encode(text).ids[:LENGTH]


def logits(model, directory):
    """The scores of the texts of the validation file, one at a time; a language model's are those of every token."""
    model.eval()
    with torch.no_grad():
        rows = [model(input_ids=torch.tensor([ids(directory, text)])).logits for text in export.TEXTS]
    return torch.cat([row.flatten(0, -2) for row in rows])


def settings(name, model, strategy, targets, task):
    made = export.config(name, model, strategy, targets)
    made["task"] = {"max_seq_length": LENGTH} | task
    return made


def trained(tools, name, model, strategy, targets, task):
    (tools.directory / f"{name}.json").write_text(json.dumps(settings(name, model, strategy, targets, task)))
    tools.run("train", f"{name}.json", "--overwrite")
    return tools.directory / "runs" / name


def written(tools, name, run):
    """The run as peft's adapter and as a merged model."""
    exported, merged = tools.directory / f"{name}-peft", tools.directory / f"{name}-merged"
    tools.run("export", run, "--format", "peft", "--output", exported, "--overwrite")
    tools.run("merge", run, "--output", merged, "--overwrite")
    return exported, merged


def base_model(kind, model):
    """The base in float32; Gemma and others may lack a token for padding, whose last text token is meant then."""
    base = kind.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    base.config.get_text_config().pad_token_id = 0
    return base


def check_classifier(tools, name, model, family, strategy, bound=1e-5):
    full = f"{name}-{strategy}"
    targets = family.every if strategy == "lora" else family.few
    run = trained(tools, full, model, strategy, targets, {"name": "sst2", "data_dir": "data"})
    ours = tools.logits(run)
    exported, merged = written(tools, full, run)
    theirs = PeftModel.from_pretrained(base_model(AutoModelForSequenceClassification, model), exported)
    report(f"{full}: exported to peft", ours, logits(theirs, model), 1e-5)
    saved = tools.directory / f"{full}-saved"
    theirs.save_pretrained(saved)
    report(f"{full}: saved by peft, scored here", tools.logits(f"{full}.json", "--adapter", saved), ours, 1e-5)
    whole = load(AutoModelForSequenceClassification, merged)
    whole.config.get_text_config().pad_token_id = 0
    report(f"{full}: merged into transformers", ours, logits(whole, model), bound)
    again = settings(full, merged, strategy, targets, {"name": "sst2", "data_dir": "data"})
    (tools.directory / "merged.json").write_text(json.dumps(again | {"output_dir": "runs/merged"}))
    report(f"{full}: merged, read here", ours, tools.logits("merged.json"), bound)


def check_language(tools, name, model, family):
    """No logits come out of `eval`: peft's and transformers' are compared, and our loss with theirs."""
    task = {"name": "causal-lm", "train_file": "data/train.txt", "validation_file": "data/dev.txt"}
    run = trained(tools, f"{name}-lm", model, "share-a", family.every, task)
    exported, merged = written(tools, f"{name}-lm", run)
    theirs = PeftModel.from_pretrained(base_model(AutoModelForCausalLM, model), exported)
    whole = load(AutoModelForCausalLM, merged)
    report(f"{name}-lm: peft and transformers", logits(theirs, model), logits(whole, model), 1e-5)
    again = settings(name, merged, "share-a", family.every, task) | {"output_dir": "runs/merged"}
    (tools.directory / "merged.json").write_text(json.dumps(again))
    first, second = (torch.tensor([export.scores(json.loads(tools.run("eval", source, "--json").stdout)["results"])["loss"]])
                     for source in (run, "merged.json"))
    report(f"{name}-lm: loss of run and merged", first, second, 1e-5)
    check_greedy(tools, f"{name}-lm", model, run, whole)
    return run, exported


def check_greedy(tools, name, model, run, whole):
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    for text in export.TEXTS[:3]:
        prompt = ids(model, text)
        found = whole.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), max_new_tokens=12,
            do_sample=False, pad_token_id=0)[0, len(prompt):].tolist()
        ours = tools.run("generate", run, "--prompt", text, "--max-new-tokens", "12").stdout.removesuffix("\n")
        expect(f"{name}: greedy continuation", ours == tokenizer.decode(found).removesuffix("\n"),
               (ours, tokenizer.decode(found)))


def check_gguf(tools, name, run, exported, model):
    """Names by gguf's own table, shapes and numbers as its converter writes them."""
    file = tools.directory / f"{name}.gguf"
    done = tools.run("export", run, "--format", "gguf", "--output", file, "--overwrite", status=None)
    if done.returncode != 0:
        return expect(f"{name}: GGUF", False, done.stderr.strip())
    reader = GGUFReader(file)
    fields = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    known = {value: key for key, value in MODEL_ARCH_NAMES.items()}
    architecture = fields["general.architecture"]
    text = json.loads((model / "config.json").read_text())
    text = text.get("text_config", text)
    table = get_tensor_name_map(known[architecture], text["num_hidden_layers"])
    expected = {}
    for key, value in load_file(exported / "adapter_model.safetensors").items():
        path, side = key.removeprefix("base_model.model.").rsplit(".lora_", 1)
        found = table.get_name(path.replace("language_model.", "") + ".weight", (".weight",))
        side = side[0].lower()
        if side == "b" and architecture in PERMUTED and path.endswith(("q_proj", "k_proj")):
            heads = text["num_attention_heads" if path.endswith("q_proj") else "num_key_value_heads"]
            value = value.reshape(heads, 2, value.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(value.shape)
        expected[f"{found}.lora_{side}"] = value
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    expect(f"{name}: GGUF names of {architecture}", set(tensors) == set(expected), sorted(set(tensors) ^ set(expected)))
    wrong = [key for key, value in expected.items() if key in tensors and not (
        list(reversed(tensors[key].shape.tolist())) == list(value.shape)
        and torch.equal(torch.from_numpy(tensors[key].data.copy()).reshape(value.shape), value))]
    expect(f"{name}: {len(expected)} GGUF tensors", not wrong, wrong)


def check(tools, name, family):
    model = copied(tools, name)
    if family.has_classifier:
        for strategy in ["lora"] if family.only_rotary else ["lora", "aslora"]:
            check_classifier(tools, name, model, family, strategy)
    if family.is_decoder:
        run, exported = check_language(tools, name, model, family)
        check_gguf(tools, name, run, exported, model)
    if not family.only_rotary:
        # Rounded weights: a merged model differs by its rounding, on which transformers and we must agree.
        rounded = copied(tools, f"{name}-bf16")
        if family.has_classifier:
            check_classifier(tools, f"{name}-bf16", rounded, family, "lora", 3e-2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True, type=Path)
    parser.add_argument("--only", nargs="+", default=[*DECODERS, *ENCODERS], metavar="NAME")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    scratch = options.keep or Path(tempfile.mkdtemp())
    (scratch / "data").mkdir(parents=True, exist_ok=True)
    for name, table in {"train": export.rows(40, 1), "dev": export.rows(12, 1000)}.items():
        table = list(table)
        (scratch / f"data/{name}.tsv").write_text(
            "sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in table))
        (scratch / f"data/{name}.txt").write_text("".join(text + "\n" for text, _ in table))
    tools = Tools(options.tool.resolve(), options.tool.resolve(), scratch.resolve())
    for name in options.only:
        try:
            check(tools, name, (DECODERS | ENCODERS)[name])
        except (Exception, SystemExit) as error:
            expect(name, False, str(error).strip()[-600:])
    if not options.keep:
        shutil.rmtree(scratch)
    print(f"{len(export.FAILED)} failed" if export.FAILED else "all passed")
    sys.exit(1 if export.FAILED else 0)


if __name__ == "__main__":
    main()
