#!/usr/bin/env python3
"""Makes conversations of two turns from instructions in Stanford Alpaca's format: two records become one conversation.

    python scripts/conversations_data.py ALPACA.json DIR [--validation 100] [--seed 1]

Writes DIR/train.jsonl and DIR/validation.jsonl, one conversation a line: {"messages": [{"role": "user", "content": …}, …]}.
Records are shuffled by the seed and no record is in two conversations, so that nothing held out is in the training data.
Records with an empty instruction or output are left out, and counted.
"""

import argparse
import json
import random
from pathlib import Path


def exchange(record):
    parts = [record["instruction"].strip(), record.get("input", "").strip()]
    return [{"role": "user", "content": "\n\n".join(part for part in parts if part)},
            {"role": "assistant", "content": record["output"].strip()}]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("alpaca", type=Path, metavar="ALPACA.json")
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--validation", type=int, default=100, metavar="N", help="conversations held out")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    records = json.loads(options.alpaca.read_text(encoding="utf-8"))
    usable = [r for r in records if r["instruction"].strip() and r["output"].strip()]
    random.Random(options.seed).shuffle(usable)
    conversations = [{"messages": exchange(one) + exchange(other)} for one, other in zip(usable[::2], usable[1::2])]
    if not 0 < options.validation < len(conversations):
        parser.error(f"--validation must be from 1 to {len(conversations) - 1}")
    splits = {"validation": conversations[:options.validation], "train": conversations[options.validation:]}
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, lines in splits.items():
        path = options.directory / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        print(f"{path}: {len(lines)} conversations")
    print(f"{len(records) - len(usable)} records of {len(records)} without instruction or output left out")


if __name__ == "__main__":
    main()
