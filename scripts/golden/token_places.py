"""Which token stands for each character: `char_to_token` of PyPI's `tokenizers` (0.23), for tokenizers of chat models.

    python scripts/golden/token_places.py

writes Tests/TokenizersTests/Golden/places.jsonl: tokenizer, text, and for every Unicode scalar the number of its token.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
from tokenizers import Tokenizer  # noqa: E402

GOLDEN = os.path.join(HERE, "../../Tests/TokenizersTests/Golden")
KINDS = [
    "language/smollm", "language/qwen2", "language/llama3", "language/llama-bpe", "language/llama-metaspace",
    "language/llama-split", "kinds/gemma", "kinds/mistral", "kinds/phi3", "kinds/deepseek-v3", "kinds/o200k",
    "kinds/tekken", "kinds/qwen2", "kinds/llama3",
]
CONTENTS = [
    ("What is 2+2?", "It is 4."),
    ("  spaces before", "and after  \n"),
    ("caf\u00e9 na\u00efve", "cafe\u0301 \u1e9b\u0323 decomposed"),
    ("\U0001f600\U0001f469\u200d\U0001f467 emoji", "\U0001f1e9\U0001f1ea\U0001f680"),
    ("\u4f60\u597d\uff0c\u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f \ud55c\uad6d\uc5b4"),
    ("tab\there\r\nline", "\n\nblank lines\n\n\n"),
    ("", "x"),
    ("\u00a0\u2003odd\u200bspaces", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"),
]


def main():
    rows = []
    for kind in KINDS:
        tokenizer = Tokenizer.from_file(os.path.join(GOLDEN, kind, "tokenizer.json"))
        added = [t.content for _, t in sorted(tokenizer.get_added_tokens_decoder().items())] or ["<s>"]
        begin, end = added[0], added[1 % len(added)]
        for user, answer in CONTENTS:
            for text in [
                f"{begin}user\n{user}{end}\n{begin}assistant\n{answer}{end}\n",
                f"User: {user}\nAssistant: {answer} {end}",
            ]:
                encoding = tokenizer.encode(text, add_special_tokens=False)
                # Offsets count characters of the text; tokens of unknown spelling have none of their own.
                rows.append([kind, text, [encoding.char_to_token(i) for i in range(len(text))]])
    with open(os.path.join(GOLDEN, "places.jsonl"), "w", encoding="ascii") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


main()
