#!/usr/bin/env python3
"""Writes the golden values of training on conversations: Tests/TrainingTests/Golden/conversations.

    python scripts/golden/conversations.py [--output DIR]

Needs torch, transformers, peft, tokenizers, safetensors and jinja2. Everything in the output directory is made anew; a
rerun with the same versions gives equal files. Ids and the assistant's tokens are those of `apply_chat_template`; what
`max_seq_length` cuts is our own rule, written down in `fitting`. Losses are computed in float64 from float32 weights,
once with the layers of tuning.py and, for LoRA, once with peft's: both give the same 30 losses.
"""

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import AddedToken, Regex, Tokenizer, decoders as token_decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, LlamaConfig
from transformers.utils import logging

import checkpoints
import decoders
import tuning
from checkpoints import write_tensors
from conversation_data import COMPLETIONS, CONVERSATIONS, THOUGHTS, texts_of, write_jsonl
from models import write_lines

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden/conversations"
TEMPLATES = Path(__file__).resolve().parent / "chat_templates"
VOCABULARY = 384
SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True)
CHATML = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = ["<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
MODELS = {
    "chatml": LlamaConfig(**SIZES, bos_token_id=1, eos_token_id=2, pad_token_id=0),
    "llama-3": LlamaConfig(**SIZES, bos_token_id=1, eos_token_id=4, pad_token_id=0),
}
SETTINGS = decoders.SETTINGS | {
    "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "train_batch_size": 4, "num_train_epochs": 5,
    "assistant_only_loss": "all", "max_seq_length": 1024, "file": "conversations.jsonl"}
# name: (model, what differs); each makes 30 steps. The last batches of `llama-3-last` are short: 5 + 5, 5 + 5 and 4.
RUNS = {
    "all": ("chatml", {}),
    "last": ("chatml", {"assistant_only_loss": "last"}),
    "everything": ("chatml", {"assistant_only_loss": False}),
    "accumulated": ("chatml", {"gradient_accumulation_steps": 2, "num_train_epochs": 10}),
    "share-a": ("chatml", {"strategy": "share-a"}),
    "completions": ("chatml", {"file": "completions.jsonl", "num_train_epochs": 15}),
    "cut": ("chatml", {"max_seq_length": None}),
    "llama-3-all": ("llama-3", {}),
    "llama-3-last": ("llama-3", {"assistant_only_loss": "last", "train_batch_size": 5, "gradient_accumulation_steps": 2,
                                 "num_train_epochs": 10}),
}
STEPS = 30


# --- Models

def template(name):
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def unmarked(text):
    return re.sub(r"\{%-? (?:end)?generation -?%\}", "", text)


def write_tokenizer(directory, name, texts):
    """Byte-level BPE: SmolLM2's way with digits, or LLaMA 3's expression and begin token."""
    special = CHATML if name == "chatml" else LLAMA3
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = token_decoders.ByteLevel()
    if name == "chatml":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    else:
        pattern = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                        r"|\s*[\r\n]+|\s+(?!\S)|\s+")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(pattern, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[AddedToken(t, special=True) for t in special], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"the BPE has {tokenizer.get_vocab_size()} entries")
    if name == "llama-3":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B",
            special_tokens=[("<|begin_of_text|>", 1)])
    tokenizer.save(str(directory / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1024, "pad_token": special[0],
             "bos_token": special[1], "eos_token": special[-1]}
    marked = template(name)
    if name == "chatml":    # those that mark what the assistant says, and the usual ones that do not
        texts = {"default": unmarked(marked), "marked": marked, "thinking": unmarked(template("thinking")),
                 "thinking-marked": template("thinking")}
        named["chat_template"] = [{"name": name, "template": text} for name, text in texts.items()]
    else:
        (directory / "chat_template.jinja").write_text(unmarked(marked), encoding="utf-8")
    checkpoints.write_json(directory / "tokenizer_config.json", named)


def write_models(golden):
    texts = [text for record in CONVERSATIONS + COMPLETIONS for text in texts_of(record)]
    for name, config in MODELS.items():
        shapes = {n: t.shape for n, t in decoders.AutoModelForCausalLM.from_config(config).state_dict().items()}
        shapes.pop("lm_head.weight")
        checkpoints.write_checkpoint(golden / name, config, decoders.random_weights(f"conversations {name}", shapes))
        (golden / name / "generation_config.json").unlink(missing_ok=True)
        write_tokenizer(golden / name, name, texts)


# --- Ids

def applied(tokenizer, messages, record, text=None, **options):
    return tokenizer.apply_chat_template(
        messages, tools=record.get("tools"), chat_template=text, tokenize=True, return_dict=True,
        **record.get("chat_template_kwargs", {}), **options)


def spans(mask):
    """The stretches of ones."""
    edges = [0] + mask + [0]
    starts = [i for i in range(len(mask)) if edges[i + 1] > edges[i]]
    ends = [i for i in range(1, len(mask) + 1) if edges[i + 1] < edges[i]]
    return [list(span) for span in zip(starts, ends)]


def encoded(tokenizer, marked, record, messages=None):
    """Ids and the assistant's stretches by transformers; in prompts and completions only those of the completion."""
    if "prompt" in record:
        messages = record["prompt"] + record["completion"]
    messages = messages or record["messages"]
    usual = applied(tokenizer, messages, record, unmarked(marked))["input_ids"]
    found = applied(tokenizer, messages, record, marked, return_assistant_tokens_mask=True)
    if found["input_ids"] != usual:
        raise ValueError("the template that marks answers writes something else")
    answers = spans(found["assistant_masks"])
    if len(answers) != sum(m["role"] == "assistant" for m in messages):
        raise ValueError(f"{len(answers)} answers found")
    if "prompt" in record:
        prompt = applied(tokenizer, record["prompt"], record, add_generation_prompt=True)["input_ids"]
        if usual[:len(prompt)] != prompt:
            raise ValueError("a prompt does not begin the whole text")
        answers = [span for span in answers if span[0] >= len(prompt)]
    return {"input_ids": usual, "answers": answers}


def targets(example, loss):
    if loss is False:
        return [[0, len(example["input_ids"])]]
    return example["answers"][-1:] if loss == "last" else example["answers"]


def shortened(messages):
    """Without the oldest exchange: the turns behind the system's up to the next one of a user; None where none is left."""
    start = next(i for i, m in enumerate(messages) if m["role"] != "system")
    following = next((i for i in range(start + 1, len(messages)) if messages[i]["role"] == "user"), None)
    rest = messages[:start] + messages[following:] if following else []
    return rest if any(m["role"] == "assistant" for m in rest) else None


def fitting(tokenizer, marked, record, limit):
    """Our rule for `max_seq_length`: what stands behind the last answer is no part of the example; then exchanges are
    dropped, the oldest first, until the rest fits; where not even the last one does, the conversation is left out."""
    messages = record["messages"]
    while messages:
        example = encoded(tokenizer, marked, record, messages)
        if example["answers"][-1][1] <= limit:
            return example | {"turns": len(messages)}
        messages = shortened(messages)
    return None


def cutting_limit(tokenizer, marked):
    """A length that one conversation has exactly, that cuts several of the others and leaves some out."""
    lengths = sorted(encoded(tokenizer, marked, record)["answers"][-1][1] for record in CONVERSATIONS)
    for limit in reversed(lengths):
        fits = [fitting(tokenizer, marked, record, limit) for record in CONVERSATIONS]
        cut = sum(1 for e, r in zip(fits, CONVERSATIONS) if e and e["turns"] < len(r["messages"]))
        twice = sum(1 for e, r in zip(fits, CONVERSATIONS) if e and e["turns"] <= len(r["messages"]) - 4)
        left_out = fits.count(None)
        if cut >= 4 and twice >= 1 and 1 <= left_out <= 4:
            return limit, fits, {"cut": cut, "left_out": left_out}
    raise ValueError("no such length")


# --- Runs

def labelled(examples, loss):
    """With labels as TRL makes them: −100 where nothing is to be learnt."""
    found = []
    for example in examples:
        labels = [-100] * len(example["input_ids"])
        for start, end in targets(example, loss):
            labels[start:end] = example["input_ids"][start:end]
        found.append({"input_ids": example["input_ids"], "labels": labels})
    return found


def whole_loss(tuned, data, settings):
    """The mean loss of all examples at the start, and of how many tokens."""
    with torch.no_grad():
        total = sum(decoders.summed_loss(*decoders.logits_and_targets(tuned.model, [e], settings), settings) for e in data)
    return {"loss": float(total) / decoders.count(data, settings), "targets": decoders.count(data, settings)}


def peft_model(directory, settings, tuned):
    """The same start in peft's LoRA."""
    model = get_peft_model(decoders.load(directory, settings, torch.float64), LoraConfig(
        r=settings["r"], lora_alpha=settings["lora_alpha"], lora_dropout=0.0, target_modules=settings["target_modules"],
        task_type="CAUSAL_LM")).double()
    trained = {}
    for site in tuned.sites:
        layer = model.base_model.model.get_submodule(f"model.{site.path}")
        for side in "AB":
            weight = getattr(layer, f"lora_{side}")["default"].weight
            weight.data.copy_(tuned.trained[site.names[side]])
            trained[site.names[side]] = weight
    return tuning.Tuned(model, [], trained)


def run(golden, name, data):
    model, changed = RUNS[name]
    settings = SETTINGS | changed
    tuned = decoders.attach(golden / model, settings, torch.float64)
    start = golden / f"{settings['strategy']}.start.safetensors"
    if not start.exists():
        write_tensors(start, tuned.values())
    record = {"model": model, "settings": settings, "start": whole_loss(tuned, data, settings)}
    peft = peft_model(golden / model, settings, tuned) if settings["strategy"] == "lora" else None
    record |= decoders.train(tuned, data, settings) | {"checked_with_peft": peft is not None}
    if len(record["losses"]) != STEPS:
        raise ValueError(f"{name}: {len(record['losses'])} steps")
    if peft:
        apart = max(abs(a - b) for a, b in zip(record["losses"], decoders.train(peft, data, settings)["losses"]))
        if apart > 1e-9:
            raise ValueError(f"{name}: peft's losses lie {apart} apart")
    print(f"{name:13} loss {record['losses'][0]:.4f} -> {record['losses'][-1]:.4f} norms {min(record['grad_norms']):.3f}.."
          f"{max(record['grad_norms']):.3f} peft {record['checked_with_peft']}", flush=True)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GOLDEN, metavar="DIR")
    golden = parser.parse_args().output
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    shutil.rmtree(golden, ignore_errors=True)
    golden.mkdir(parents=True)
    write_models(golden)
    write_jsonl(golden / "conversations.jsonl", CONVERSATIONS)
    write_jsonl(golden / "completions.jsonl", COMPLETIONS)
    write_jsonl(golden / "thoughts.jsonl", THOUGHTS)
    found = {}
    for name in MODELS:
        tokenizer = AutoTokenizer.from_pretrained(golden / name)
        marked = template(name)
        found[name] = {
            "conversations.jsonl": [encoded(tokenizer, marked, record) for record in CONVERSATIONS],
            "completions.jsonl": [encoded(tokenizer, marked, record) for record in COMPLETIONS],
            "prompts": [applied(tokenizer, r["prompt"], r, add_generation_prompt=True)["input_ids"] for r in COMPLETIONS]}
        if name == "chatml":
            found[name]["thoughts.jsonl"] = [encoded(tokenizer, template("thinking"), r) for r in THOUGHTS]
            limit, fits, counts = cutting_limit(tokenizer, marked)
            found[name]["cut"] = [e for e in fits if e]
            found[name]["limits"] = {"max_seq_length": limit} | counts
            RUNS["cut"][1].update(max_seq_length=limit, num_train_epochs=STEPS // -(-len(found[name]["cut"]) // 4))
            print(f"{limit} tokens: {counts}")
        write_lines(golden / name / "encodings.json", found[name])
    for name, (model, changed) in RUNS.items():
        settings = SETTINGS | changed
        data = labelled(found[model]["cut" if name == "cut" else settings["file"]], settings["assistant_only_loss"])
        write_lines(golden / f"{name}.json", run(golden, name, data))


if __name__ == "__main__":
    main()
