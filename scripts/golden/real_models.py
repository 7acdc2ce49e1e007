#!/usr/bin/env python3
"""Writes the golden values of a real model that scripts/gguf_model.py made, in F32.

    python scripts/golden/real_models.py smollm2 DIR --text FILE       # Tests/TrainingTests/Golden/smollm2.json
    python scripts/golden/real_models.py gemma3-270m DIR --text FILE   # Tests/TrainingTests/Golden/gemma3-270m.json

FILE is WikiText-2's validation text. Needs torch, transformers and tokenizers; everything is computed in float32.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from models import write_lines

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/TrainingTests/Golden"
PROMPTS = ["The history of the city begins", "def fibonacci(n):"]
CHAT = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n")
TEXTS = [
    "Hello, world!", "", " ", "  two  spaces   and more" + " " * 40 + "end", "line\n\n\nbreaks\r\n\tand\t\ttabs\n",
    "Größe, naïve café, coöperate, Å Å ﬁ ²", "漢字かな交じり文。한국어 텍스트", "नमस्ते दुनिया, สวัสดีชาวโลก, שלום עולם, مرحبا",
    "👨‍👩‍👧 🗽⃢🗿 𓀀 \U000e0001", "x = 12345 * 67.89e-10  # 2026-11-27", "<table><tr><td>1</td></tr></table>",
    "▁ and ▁▁", "\x00\x07\u200d\ufeff", "<|im_start|>user\nhi<|im_end|>", "<start_of_turn>user\nhi<end_of_turn>\n<unused7>",
    "I'll don't we've HE'S", "https://example.org/a_b?c=d&e=%20f", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]


@torch.no_grad()
def values(directory, text, prompts):
    """Losses of the text's beginning, greedy continuations, token ids of difficult texts.

    The text is 1,024 tokens, the begin token included where the tokenizer writes one; `loss` is that of the first 512.
    The last prompt is 560 of them, which is more than Gemma's window.
    """
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    ids = tokenizer.encode(text[:16000]).ids[:1024]
    loss = lambda ids: model(torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()    # noqa: E731
    prompts = [tokenizer.encode(prompt).ids for prompt in prompts] + [ids[:560]]
    outputs = [continued(model, prompt) for prompt in prompts]
    auto = AutoTokenizer.from_pretrained(directory)
    encoded = [tokenizer.encode(text).ids for text in TEXTS]
    assert encoded == [auto(text).input_ids for text in TEXTS]
    return {"ids": ids, "loss": loss(ids[:512]), "long_loss": loss(ids), "prompts": prompts, "outputs": outputs,
            "texts": TEXTS, "text_ids": encoded, "decoded": [tokenizer.decode(ids) for ids in encoded]}


def continued(model, prompt):
    """64 tokens, or until the end token. Refuses a choice so close that rounding could decide it."""
    result = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        max_new_tokens=64, pad_token_id=0, output_scores=True, return_dict_in_generate=True)
    best = torch.stack([scores[0].topk(2).values for scores in result.scores])
    assert (best[:, 0] - best[:, 1]).min() > 1e-3
    return result.sequences[0, len(prompt):].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["smollm2", "gemma3-270m"])
    parser.add_argument("directory", type=Path, metavar="DIR", help="the model's directory")
    parser.add_argument("--text", type=Path, metavar="FILE", required=True, help="WikiText-2's validation text")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prompts = PROMPTS + ([CHAT] if options.name == "smollm2" else [])
    text = options.text.read_text(encoding="utf-8")
    write_lines(GOLDEN / f"{options.name}.json", values(options.directory, text, prompts))


main()
