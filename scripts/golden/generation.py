#!/usr/bin/env python3
"""Writes what transformers' `generate` makes of generation_config.json: Tests/TrainingTests/Golden/generation.

    python scripts/golden/generation.py

Needs torch and transformers, and the models and prompts of decoders.py. `outputs` are continuations without the prompt
and with what follows them cut off; `filters` are the probabilities with which sampling would draw, from logits.
"""

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.generation.stopping_criteria import StopStringCriteria
from transformers.utils import logging

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
TOKENS = GOLDEN.parents[1] / "TokenizersTests/Golden"
ENDS = list(range(0, 300, 20))      # so many tokens end a text that beams do end
CASES = {
    "nothing": {"max_new_tokens": 20},
    "repetition": {"repetition_penalty": 1.3, "max_new_tokens": 20},
    "max-length": {"max_length": 16},
    "both-lengths": {"max_length": 11, "max_new_tokens": 9},
    "ngram": {"no_repeat_ngram_size": 2, "max_new_tokens": 20, "repetition_penalty": 1.05},
    "ends": {"eos_token_id": ENDS, "max_new_tokens": 30},
    "least": {"eos_token_id": ENDS, "max_new_tokens": 30, "min_new_tokens": 12},
    "least-length": {"eos_token_id": ENDS, "max_new_tokens": 30, "min_length": 15},
    "suppressed": {"suppress_tokens": [253, 31, 999], "begin_suppress_tokens": [201, 5], "max_new_tokens": 12},
    "bad-words": {"bad_words_ids": [[253, 253], [135], [21, 31, 31], [0]], "max_new_tokens": 20},
    "beams": {"num_beams": 4, "length_penalty": 0.7, "eos_token_id": ENDS, "max_new_tokens": 20},
    "beams-full": {"num_beams": 3, "early_stopping": True, "eos_token_id": ENDS, "max_new_tokens": 20},
    "beams-never": {"num_beams": 3, "early_stopping": "never", "length_penalty": 1.5, "eos_token_id": ENDS,
                    "max_new_tokens": 20},
    "beams-short": {"num_beams": 3, "early_stopping": "never", "length_penalty": -0.5, "eos_token_id": ENDS,
                    "max_new_tokens": 20},
    "beams-renormalized": {"num_beams": 4, "renormalize_logits": True, "repetition_penalty": 1.2,
                           "suppress_tokens": list(range(100, 200)), "max_length": 20},
    "unused": {"do_sample": False, "temperature": 0.0, "top_p": 0.5, "top_k": -1, "length_penalty": 3.0,
               "early_stopping": True, "max_new_tokens": 20},
}
FILTERS = {
    "standard": {}, "all": {"top_k": 0}, "temperature": {"temperature": 0.6, "top_k": 12},
    "top-p": {"top_p": 0.8}, "min-p": {"min_p": 0.1, "temperature": 1.4}, "typical": {"typical_p": 0.6},
    "epsilon": {"epsilon_cutoff": 0.02}, "eta": {"eta_cutoff": 0.08},
    "several": {"temperature": 0.8, "top_k": 25, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.8, "epsilon_cutoff": 0.03},
    "one": {"top_p": 1e-6}, "none-above": {"epsilon_cutoff": 0.9},
}


STOPS = {
    "inside": {"max_new_tokens": 24}, "over": {"max_new_tokens": 24}, "prompt": {"max_new_tokens": 24},
    "beams": {"num_beams": 3, "max_new_tokens": 16}, "special": {"max_new_tokens": 24, "repetition_penalty": 1.4}}
TEXTS = [
    "The film was good, and the stop came late.\n\nUser: why?\n", "  Über größere Straßen fährt man schöner — naïve café.",
    "Привет, мир! Как дела?", "日本語の文章です。終わり。", "Emoji 😀😀 and 👩‍🚀 done###done", "a\tb\n\n\n  c <s>d</s> [INST] x [/INST]",
    "don't stop stopping, it's 1234567.89 %", "x = {'a': [1, 2]}\nprint(x)\n```\nend", "aaaaaaaaab aaab ab"]
TOKENIZERS = ["language/smollm", "language/llama-metaspace", "kinds/gemma", "kinds/phi3", "kinds/qwen2"]


def stop_strings(directory, prompts):
    """Stop strings cut from a prompt's own greedy text: in a token, over tokens, over the border of the prompt."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(directory / "tokenizer.json"))
    rows = []
    for name, settings in STOPS.items():
        model = load(directory, settings)
        def continued(prompt, **options):
            return model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                  pad_token_id=0, **options)[0].tolist()
        for prompt in prompts:
            ids = continued(prompt)
            whole, before = tokenizer.decode(ids), tokenizer.decode(ids[:len(prompt)])
            new = whole[len(before):]
            stops = {"inside": [new[i:i + 1] for i in (6, 9)], "over": ["zzzz"] + [new[i:i + 3] for i in range(4, 12)],
                     "prompt": [whole[len(before) - 2:][:3]], "beams": [new[i:i + 2] for i in (3, 5, 7)],
                     "special": [new[3:5], "<s>"]}[name]
            stops = [s for s in stops if s and "\ufffd" not in s]
            if stops:
                found = continued(prompt, stop_strings=stops, tokenizer=tokenizer)[len(prompt):]
                rows.append({"config": {"eos_token_id": 0, "stop_strings": stops} | settings, "prompt": prompt,
                             "tokens": found})
    return rows


def stop_criteria():
    """Texts of real tokenizers, token by token: after which token of each transformers sees a stop string."""
    draw, found = random.Random("stops"), {}
    for name in TOKENIZERS:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(TOKENS / name / "tokenizer.json"))
        rows = []
        for text in TEXTS * 4:
            ids = tokenizer(text, add_special_tokens=False).input_ids
            whole = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            cut = lambda: whole[(at := draw.randrange(1, len(whole))):at + draw.randint(1, 5)]
            stops = [s for s in [cut() for _ in range(draw.randint(1, 3))] if s and "\ufffd" not in s]
            prompt = draw.randrange(1, max(2, len(ids) // 3))
            if not stops:
                continue
            try:
                criteria = StopStringCriteria(tokenizer, stops)
            except ValueError:      # no token of the vocabulary has its characters
                continue
            hits = [n for n in range(prompt + 1, len(ids) + 1) if criteria(torch.tensor([ids[:n]]), None)[0]]
            rows.append({"ids": ids, "prompt": prompt, "stops": stops, "ends": hits[:1]})
        found[name] = rows
    return found


def load(directory, settings):
    with tempfile.TemporaryDirectory() as place:
        for file in directory.iterdir():
            if file.name in ("config.json", "model.safetensors"):
                shutil.copy(file, place)
        (Path(place) / "generation_config.json").write_text(json.dumps({"eos_token_id": 0} | settings))
        return AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, attn_implementation="eager").eval()


def outputs(directory, settings, prompts):
    model = load(directory, settings)
    found = []
    for prompt in prompts:
        ids = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                             pad_token_id=0)
        found.append(ids[0, len(prompt):].tolist())
    return found


def filters(directory):
    draw = random.Random("filters")
    logits = [[round(draw.gauss(0, spread), 3) for _ in range(60)] for spread in (0.3, 1.0, 2.5)]
    logits[1][7] = logits[1][9] = logits[1][3]
    found = {}
    for name, settings in FILTERS.items():
        model = load(directory, {"do_sample": True} | settings)
        config, _ = model._prepare_generation_config(None)
        model._prepare_special_tokens(config, device="cpu")
        rows = []
        for row in logits:
            processor = model._get_logits_processor(config, input_ids_seq_length=1, device="cpu")
            scores = processor(torch.tensor([[1]]), torch.tensor([row], dtype=torch.float64))
            kept = torch.softmax(scores, -1)[0].tolist()
            rows.append({"tokens": [i for i, p in enumerate(kept) if p > 0], "probabilities": [p for p in kept if p > 0]})
        found[name] = {"config": {"do_sample": True} | settings, "rows": rows}
    return {"logits": logits, "cases": found}


def main():
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    (GOLDEN / "generation").mkdir(exist_ok=True)
    for name in ("gpt2-tiny", "llama-grouped"):
        directory = GOLDEN / "decoders" / name
        prompts = json.loads((directory / "generation.json").read_text())["prompts"]
        cases = {case: {"config": {"eos_token_id": 0} | settings, "outputs": outputs(directory, settings, prompts)}
                 for case, settings in CASES.items()}
        write(GOLDEN / f"generation/{name}.json", {"prompts": prompts, "cases": cases})
        rows = stop_strings(directory, prompts + [[60, 61, 62], [200, 120]])
        (GOLDEN / f"generation/{name}.stops.json").write_text(
            "[\n" + ",\n".join(" " + json.dumps(row) for row in rows) + "\n]\n")
    found = {name: "[\n" + ",\n".join("   " + json.dumps(row) for row in rows) + "]"
             for name, rows in stop_criteria().items()}
    (GOLDEN / "generation/stops.json").write_text(
        "{\n" + ",\n".join(f"  {json.dumps(name)}: {rows}" for name, rows in found.items()) + "\n}\n")
    write(GOLDEN / "generation/filters.json", filters(GOLDEN / "decoders/gpt2-tiny"))


def write(path, value):
    lines = [f"  {json.dumps(key)}: {json.dumps(part)}" for key, part in value.pop("cases").items()]
    head = "".join(f" {json.dumps(key)}: {json.dumps(part)},\n" for key, part in value.items())
    path.write_text("{\n" + head + ' "cases": {\n' + ",\n".join(lines) + "\n }\n}\n")


if __name__ == "__main__":
    main()
