#!/usr/bin/env python3
"""Compares what `swift-peft data` shows of conversations with transformers' `apply_chat_template`; writes nothing.

    python scripts/golden/chat_check.py PROGRAM MODEL_DIR… --data FILE.jsonl [--limit N]

FILE has a conversation a line (`messages`, maybe `tools` and `chat_template_kwargs`). Every MODEL_DIR needs config.json, a
tokenizer and a chat template. Ids are compared always; what is to be learnt where the template marks it with
{% generation %}, or where a copy of it that does stands in MODEL_DIR/marked.jinja.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

from transformers import AutoTokenizer
from transformers.utils import logging

from conversations import spans

LOSSES = ("all", "last", False)


def usable(record):
    """The program leaves conversations out that have no answer, or an empty one."""
    answers = [m for m in record["messages"] if m["role"] == "assistant"]
    return answers and all(m.get("content") != "" or m.get("tool_calls") for m in answers)


def tells(template):
    return re.search(r"\{%-? *generation *-?%\}", template) is not None


def expected(tokenizer, template, record):
    """The ids, and the stretches that the assistant writes; None where the template does not tell."""
    marked = tells(template)
    found = tokenizer.apply_chat_template(
        record["messages"], tools=record.get("tools"), chat_template=template, tokenize=True, return_dict=True,
        return_assistant_tokens_mask=marked, **record.get("chat_template_kwargs", {}))
    return found["input_ids"], spans(found["assistant_masks"]) if marked else None


def targets(ids, answers, loss):
    chosen = [[0, len(ids)]] if loss is False else answers[-1:] if loss == "last" else answers
    return [[max(start, 1), end] for start, end in chosen]


def shown(program, model, file, loss, length, count):
    """The examples that the program makes of a file."""
    config = {"model": str(model), "task": {
        "name": "instruct", "train_file": str(file), "chat_template": "model", "assistant_only_loss": loss,
        "max_seq_length": length}, "adapter": {"target_modules": "all-linear"}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as written:
        json.dump(config, written)
        written.flush()
        out = subprocess.run(
            [program, "data", written.name, "--split", "train", "--json", "--quiet", "--examples", str(count)], check=True,
            stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in out.decode().split("\n")[1:] if line]


def check(program, model, records):
    tokenizer = AutoTokenizer.from_pretrained(model)
    own = tokenizer.get_chat_template()
    marked = model / "marked.jinja"
    template = marked.read_text(encoding="utf-8") if marked.exists() else own
    length = json.loads((model / "config.json").read_text())["max_position_embeddings"]
    wanted, kept = [], []
    for record in records:
        ids, answers = expected(tokenizer, template, record)
        if template != own and ids != expected(tokenizer, own, record)[0]:
            raise ValueError(f"{marked} writes something else than the model's template")
        if len(ids) <= length:
            wanted.append((ids, answers))
            kept.append(record)
    differing = 0
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "conversations.jsonl"
        file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept), encoding="utf-8")
        for loss in LOSSES:
            examples = shown(program, model, file, loss, length, len(kept))
            if len(examples) != len(kept):
                raise ValueError(f"{model}: {len(examples)} examples of {len(kept)} conversations")
            for (ids, answers), example, record in zip(wanted, examples, kept):
                same = example["ids"] == ids[:len(example["ids"])]
                if answers is not None or loss is False:
                    goal = targets(ids, answers, loss)
                    same = same and example["targets"] == goal and len(example["ids"]) == goal[-1][1]
                if not same:
                    differing += 1
                if not same and differing <= 5:
                    print(f"{model}, loss {loss}: differs: {json.dumps(record, ensure_ascii=False)[:200]}")
    told = "ids and targets" if tells(template) else "ids"
    print(f"{model}: {len(kept)} conversations ({len(records) - len(kept)} longer than the model), {told}: {differing} differ",
          flush=True)
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL_DIR")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--limit", type=int, metavar="N", help="take only the first conversations")
    options = parser.parse_args()
    logging.set_verbosity_error()
    with open(options.data, encoding="utf-8", newline="\n") as lines:
        records = [record for record in map(json.loads, lines) if usable(record)][:options.limit]
    sys.exit(sum(check(options.program, model, records) for model in options.models) > 0)


if __name__ == "__main__":
    main()
