#!/usr/bin/env python3
"""Checks `export --format gguf` with llama.cpp itself: its converter writes the same file, its loader takes it, and its
logits with the adapter are those of transformers and peft.

    pip download --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36    # holds llama.cpp's sources
    tar xzf llama_cpp_python-0.3.36.tar.gz && cd llama_cpp_python-0.3.36/vendor/llama.cpp
    cmake -B build -DGGML_NATIVE=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \\
      -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF && cmake --build build --target llama
    python scripts/golden/llama_cpp.py --tool .build/debug/swift-peft --llama-cpp DIR [--library DIR/build/bin]

Needs clang, torch, transformers and peft; no network. The models are tiny ones of Tests/TrainingTests/Golden.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# tokenizers.py beside this file is not the library.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "Tests/TrainingTests/Golden/decoders/llama-grouped"
IDS = [5, 17, 250, 3, 99, 120, 44, 201, 7, 64, 182]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# Prints the logits of every token that is given, with the adapter where there is one.
PROGRAM = """
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void quiet(enum ggml_log_level level, const char * text, void * data) {
  (void)data;
  if (level >= GGML_LOG_LEVEL_WARN && level != GGML_LOG_LEVEL_CONT) fputs(text, stderr);
}
int main(int count, char ** arguments) {
  llama_log_set(quiet, NULL);
  llama_backend_init();
  struct llama_model * model = llama_model_load_from_file(arguments[1], llama_model_default_params());
  if (!model) return 1;
  struct llama_context_params settings = llama_context_default_params();
  settings.n_ctx = 64;
  settings.n_threads = settings.n_threads_batch = 1;
  settings.type_k = settings.type_v = GGML_TYPE_F32;
  settings.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  struct llama_context * context = llama_init_from_model(model, settings);
  if (!context) return 2;
  if (strcmp(arguments[2], "-") != 0) {
    struct llama_adapter_lora * adapter = llama_adapter_lora_init(model, arguments[2]);
    float scale = 1;
    if (!adapter || llama_set_adapters_lora(context, &adapter, 1, &scale) != 0) return 3;
  }
  int tokens = count - 3, vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  struct llama_batch batch = llama_batch_init(tokens, 0, 1);
  batch.n_tokens = tokens;
  for (int i = 0; i < tokens; i++) {
    batch.token[i] = atoi(arguments[3 + i]);
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  if (llama_decode(context, batch) != 0) return 4;
  for (int i = 0; i < tokens; i++) {
    const float * logits = llama_get_logits_ith(context, i);
    for (int j = 0; j < vocabulary; j++) printf("%.9g ", logits[j]);
    puts("");
  }
  return 0;
}
"""

FAILED = []


def expect(name, condition, detail=""):
    print(f"{'ok' if condition else 'FAILED':6} {name} {'' if condition else detail}", flush=True)
    if not condition:
        FAILED.append(name)


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def convert_base(source, model, file, name="LlamaForCausalLM"):
    """The model by llama.cpp's converter, without the tokenizer, which it does not know."""
    code = f"""
import sys
sys.path[:0] = [{str(source)!r}, {str(source / "gguf-py")!r}]
from pathlib import Path
import gguf, torch
from conversion import get_model_class
cls = get_model_class({name!r})
cls.set_vocab = lambda self: self._set_vocab_none()
with torch.inference_mode():
    cls(Path({str(model)!r}), gguf.LlamaFileType.ALL_F32, Path({str(file)!r})).write()
"""
    run(sys.executable, "-c", code)


def contents(file):
    from gguf import GGUFReader

    reader = GGUFReader(file)
    fields = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    return fields, {tensor.name: (tensor.shape.tolist(), tensor.data.tobytes()) for tensor in reader.tensors}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True, type=Path)
    parser.add_argument("--llama-cpp", required=True, type=Path)
    parser.add_argument("--library", type=Path)
    options = parser.parse_args()
    tool, source = options.tool.resolve(), options.llama_cpp.resolve()
    library = (options.library or source / "build/bin").resolve()
    scratch = Path(tempfile.mkdtemp())

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    (scratch / "logits.c").write_text(PROGRAM)
    run("clang", "-O1", f"-I{source}/include", f"-I{source}/ggml/include", scratch / "logits.c", "-o", scratch / "logits",
        f"-L{library}", "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{library}")
    # The converter asks config.json for the class.
    model = scratch / "model"
    shutil.copytree(GOLDEN, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaForCausalLM"]}))
    convert_base(source, model, scratch / "base.gguf")

    def theirs(adapter):
        lines = run(scratch / "logits", scratch / "base.gguf", adapter, *IDS).splitlines()
        return torch.tensor([[float(x) for x in line.split()] for line in lines])

    def logits(tuned):
        with torch.no_grad():
            return tuned.eval()(torch.tensor([IDS])).logits[0]

    def compare(name, left, right, bound):
        difference = ((left - right).abs().max() / right.abs().max()).item()
        expect(f"{name}: {difference:.2e} (bound {bound:.0e})", difference <= bound)

    def base():
        return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)

    bare = logits(base())
    compare("logits of the base model, llama.cpp and transformers", theirs("-"), bare, 1e-5)
    text = "the movie is good and the story is not bad\n" * 40
    (scratch / "train.txt").write_text(text)
    for strategy in ["lora", "share-a", "share-ab", "aslora"]:
        settings = {
            "name": strategy, "model": str(model),
            "task": {"name": "causal-lm", "train_file": "train.txt", "validation_file": "train.txt", "max_seq_length": 16},
            "adapter": {"strategy": strategy, "r": 3, "lora_alpha": 5, "target_modules": TARGETS},
            "training": {"max_steps": 12, "train_batch_size": 4, "learning_rate": 2e-2, "eval_strategy": "no"},
            "output_dir": strategy, "database": "runs.sqlite"}
        if strategy == "aslora":
            settings["adapter"]["aslora"] = {"start_step": 3, "merge_interval": 3, "num_merges": 1}
        (scratch / "config.json").write_text(json.dumps(settings))
        run(tool, "train", "config.json", "--quiet", cwd=scratch)
        ours, peft = scratch / f"{strategy}.gguf", scratch / f"{strategy}-peft"
        run(tool, "export", strategy, "--format", "gguf", "--output", ours, "--quiet", cwd=scratch)
        run(tool, "export", strategy, "--format", "peft", "--output", peft, "--quiet", cwd=scratch)
        converted = scratch / f"{strategy}-converted.gguf"
        run(sys.executable, source / "convert_lora_to_gguf.py", peft, "--base", model, "--outfile", converted,
            env=os.environ | {"PYTHONPATH": str(source)})
        fields, tensors = contents(ours)
        their_fields, their_tensors = contents(converted)
        expect(f"{strategy}: {len(tensors)} tensors with the converter's names, shapes and bytes", tensors == their_tensors,
               sorted(set(tensors) ^ set(their_tensors)) or [name for name in tensors if tensors[name] != their_tensors[name]])
        odd = {key: (value, their_fields.get(key)) for key, value in fields.items() if their_fields.get(key) != value}
        expect(f"{strategy}: our {len(fields)} fields are the converter's", not odd, odd)
        adapted = logits(PeftModel.from_pretrained(base(), peft))
        expect(f"{strategy}: the adapter changes logits", (adapted - bare).abs().max() > 0.05 * bare.abs().max())
        compare(f"{strategy}: logits with the adapter, llama.cpp and peft", theirs(ours), adapted, 1e-5)
    print(f"{len(FAILED)} failed" if FAILED else "all passed")
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
