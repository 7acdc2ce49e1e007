#!/usr/bin/env python3
"""Writes Tests/AdaptersTests/Golden/llama-lora.gguf with llama.cpp's own Python package.

    pip install gguf==0.19.0
    python scripts/golden/gguf_adapter.py

The adapter is the one that GGUFAdapterTests make: r 2, alpha 6, on q_proj, k_proj and down_proj of both layers of a
LLaMA with 4 heads of 4, 2 of them for keys. A and B of map number n hold n + i / 64 for their number i, row by row. The
rows of the queries' and keys' B are put in order by LlamaModel.permute of llama.cpp's convert_hf_to_gguf.py, as its
convert_lora_to_gguf.py does.
"""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter

FILE = Path(__file__).resolve().parents[2] / "Tests/AdaptersTests/Golden/llama-lora.gguf"


def permute(weights, heads):
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(
        weights.shape)


def main():
    writer = GGUFWriter(FILE, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 6)
    writer.add_quantization_version(2)
    number = 0
    for layer in range(2):
        for name, inputs, outputs, heads in [("attn_q", 16, 16, 4), ("attn_k", 16, 8, 2), ("ffn_down", 24, 16, 0)]:
            a = (number + np.arange(2 * inputs, dtype=np.float32) / 64).reshape(2, inputs)
            b = (number + np.arange(2 * outputs, dtype=np.float32) / 64).reshape(outputs, 2)
            writer.add_tensor(f"blk.{layer}.{name}.weight.lora_a", a)
            writer.add_tensor(f"blk.{layer}.{name}.weight.lora_b", np.ascontiguousarray(permute(b, heads) if heads else b))
            number += 1
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
