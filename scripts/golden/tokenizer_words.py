#!/usr/bin/env python3
"""Writes Tests/TokenizersTests/Golden/directories/words.json: texts cut into words, as transformers' AutoTokenizer encodes
them with is_split_into_words=True and add_prefix_space=True, for the directories of tokenizer_directories.py.

    python scripts/golden/tokenizer_words.py        # after `tokenizer_directories.py fixtures`
"""

import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

from transformers import AutoTokenizer

FOLDER = Path(__file__).resolve().parents[2] / "Tests/TokenizersTests/Golden/directories"
SENTENCES = [
    ["EU", "rejects", "German", "call", "."], ["Hello", "Café", "<new>", "x"], ["don't", ",", "I'd", "(", "U.S.", ")", "123-45"],
    ["the", "", "old", "\u200b", "\x01", "harbour"], [" spaced", "two words", "tab\tin", "▁under", "é", "e\u0301", "老人坐"],
    ["<s>", "[MASK]", "the</s>", "<mask>", "</s>"], ["🙂", "👩‍👩‍👧", "ﬁsh", "½"], ["a"], ["", "\x01"],
]
LIMIT = 6


def main():
    found = {"sentences": SENTENCES, "limit": LIMIT, "cases": {}}
    for line in (FOLDER / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        with tempfile.TemporaryDirectory() as directory:
            for name, source in case["files"].items():
                shutil.copy(FOLDER / source, f"{directory}/{name}")
            for name, content in case["small"].items():
                text = content if isinstance(content, str) else json.dumps(content)
                Path(directory, name).write_text(text)
            tokenizer = AutoTokenizer.from_pretrained(directory, add_prefix_space=True)
            rows = []
            for limit in (None, LIMIT):
                for words in SENTENCES:
                    options = {} if limit is None else {"truncation": True, "max_length": limit}
                    encoding = tokenizer(words, is_split_into_words=True, **options)
                    first = [None] * len(words)
                    for place, word in reversed(list(enumerate(encoding.word_ids()))):
                        if word is not None:
                            first[word] = place
                    rows.append({"ids": encoding["input_ids"], "first": first})
            found["cases"][case["name"]] = rows
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(rows)}" for name, rows in found.pop("cases").items())
    (FOLDER / "words.json").write_text(json.dumps(found)[:-1] + ',\n"cases": {\n' + lines + "\n}}\n")
    print((FOLDER / "words.json").stat().st_size)


if __name__ == "__main__":
    main()
