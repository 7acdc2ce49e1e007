#!/usr/bin/env python3
"""Writes a GGUF file of LLaMA's shape with random weights, to measure time and memory with: what is in the weights does not
matter to either. Blocks are random bytes with sensible scales, so that nothing is quantised and little memory is needed.

    random_gguf.py TOKENIZER.gguf OUTPUT.gguf [--type q4_k|q8_0] [--layers 32] [--hidden 4096] [--heads 32]
                   [--key-value-heads 32] [--intermediate 11008]

TOKENIZER.gguf is any GGUF file with the tokenizer to use, such as SmolLM2's (scripts/gguf_model.py). The defaults are those of
LLaMA-7B. Needs PyPI's gguf.
"""

import argparse

import gguf
import numpy as np

TYPES = {"q4_k": gguf.GGMLQuantizationType.Q4_K, "q8_0": gguf.GGMLQuantizationType.Q8_0}


def blocks(generator, rows, columns, kind):
    """Random blocks [rows, bytes of a row] whose numbers are about 0.02 large."""
    size, length = gguf.GGML_QUANT_SIZES[kind]
    raw = generator.integers(0, 256, (rows, columns // size, length), dtype=np.uint8)
    if kind == gguf.GGMLQuantizationType.Q8_0:
        raw[..., :2] = np.frombuffer(np.float16(0.02 / 73).tobytes(), np.uint8)
    else:
        # Parts of scale 32 and minimum 32 of 63: numbers are d · 32 (n − 7.5).
        raw[..., :2] = np.frombuffer(np.float16(0.02 / 4.6 / 32).tobytes(), np.uint8)
        raw[..., 2:4] = np.frombuffer(np.float16(7.5 * 0.02 / 4.6 / 32).tobytes(), np.uint8)
        raw[..., 4:12] = 0xA0
        raw[..., 12:16] = 0
    return raw.reshape(rows, -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("output")
    parser.add_argument("--type", choices=TYPES, default="q4_k")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--key-value-heads", type=int, default=32)
    parser.add_argument("--intermediate", type=int, default=11008)
    arguments = parser.parse_args()
    kind, hidden, wide = TYPES[arguments.type], arguments.hidden, arguments.intermediate
    keys = hidden // arguments.heads * arguments.key_value_heads

    source = gguf.GGUFReader(arguments.tokenizer)
    writer = gguf.GGUFWriter(arguments.output, "llama")
    vocabulary = 0
    for name, field in source.fields.items():
        if not name.startswith("tokenizer."):
            continue
        if name == "tokenizer.ggml.tokens":
            vocabulary = len(field.data)
        element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], element)
    writer.add_context_length(2048)
    writer.add_embedding_length(hidden)
    writer.add_block_count(arguments.layers)
    writer.add_feed_forward_length(wide)
    writer.add_head_count(arguments.heads)
    writer.add_head_count_kv(arguments.key_value_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(hidden // arguments.heads)
    writer.add_vocab_size(vocabulary)

    matrices = {"token_embd": (vocabulary, hidden), "output": (vocabulary, hidden)}
    norms = ["output_norm"]
    for layer in range(arguments.layers):
        shapes = {"attn_q": (hidden, hidden), "attn_k": (keys, hidden), "attn_v": (keys, hidden),
                  "attn_output": (hidden, hidden), "ffn_gate": (wide, hidden), "ffn_up": (wide, hidden),
                  "ffn_down": (hidden, wide)}
        matrices |= {f"blk.{layer}.{name}": shape for name, shape in shapes.items()}
        norms += [f"blk.{layer}.attn_norm", f"blk.{layer}.ffn_norm"]
    size, length = gguf.GGML_QUANT_SIZES[kind]
    for name, (rows, columns) in matrices.items():
        row = columns // size * length
        writer.add_tensor_info(f"{name}.weight", (rows, row), np.dtype(np.uint8), rows * row, kind)
    for name in norms:
        writer.add_tensor_info(f"{name}.weight", (hidden,), np.dtype(np.float32), 4 * hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    generator = np.random.default_rng(1)
    for rows, columns in matrices.values():
        writer.write_tensor_data(blocks(generator, rows, columns, kind))
    for _ in norms:
        writer.write_tensor_data(np.ones(hidden, np.float32))
    writer.close()


if __name__ == "__main__":
    main()
