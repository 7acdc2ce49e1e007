#!/usr/bin/env python3
"""Compares token ids with llama.cpp's own tests of tokenizers: models/ggml-vocab-*.gguf of its sources, each with texts and
the ids of the original tokenizer.

    pip install gguf==0.19.0
    python scripts/golden/gguf_vocab.py --tool .build/release/swift-peft --llama-cpp DIR    # for DIR see llama_cpp.py
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from gguf import GGUFReader


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True, type=Path)
    parser.add_argument("--llama-cpp", required=True, type=Path)
    options = parser.parse_args()
    failed = 0
    for file in sorted((options.llama_cpp / "models").glob("ggml-vocab-*.gguf")):
        given, expected = Path(f"{file}.inp"), Path(f"{file}.out")
        if not given.exists():
            continue
        texts = given.read_text().split("\n__ggml_vocab_test__\n")
        ids = [[int(word) for word in line.split()] for line in expected.read_text().split("\n")]
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        done = subprocess.run([options.tool, "tokenize", file, "--json-input"], input=lines, capture_output=True, text=True)
        if done.returncode != 0:
            # Kinds of tokenizers and ways of splitting that there is no code for.
            print(f"refused {file.name}: {done.stderr.strip().split(': ', 3)[-1][:70]}")
            continue
        field = GGUFReader(file).fields.get("tokenizer.ggml.bos_token_id")
        begin = [field.contents()] if field else []
        found = [json.loads(line) for line in done.stdout.splitlines()]
        # The expected ids are those of the text alone.
        found = [row[1:] if begin and row[:1] == begin and right[:1] != begin else row for row, right in zip(found, ids)]
        wrong = [text for text, row, right in zip(texts, found, ids) if row != right]
        print(f"{'FAILED' if wrong else 'ok':7} {file.name}: {len(texts)} texts {wrong[:3] or ''}")
        failed += len(wrong)
    sys.exit(1 if failed else 0)


main()
