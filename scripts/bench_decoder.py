#!/usr/bin/env python3
"""One training step of a random LLaMA of SmolLM2-135M's size in PyTorch + PEFT, LoRA r = 8 on all linear maps: what
`swift-peft-bench step --shape smollm2` times on our side. Prints one line of JSON.

    bench_decoder.py --batch 8 --length 512 [--precision bfloat16] [--threads 2] [--steps 3]
"""

import argparse
import json
import resource
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="steps to time, after one to warm up")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
        vocab_size=49152, max_position_embeddings=8192, rope_theta=100000, tie_word_embeddings=True)
    model = get_peft_model(
        LlamaForCausalLM(config), LoraConfig(r=8, lora_alpha=16, lora_dropout=0, target_modules="all-linear"))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    seconds = []
    for step in range(arguments.steps + 1):
        ids = torch.randint(5, config.vocab_size, (arguments.batch, arguments.length))
        started = time.monotonic()
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bfloat16"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.monotonic() - started)
    median = sorted(seconds[1:])[arguments.steps // 2]
    print(json.dumps({
        "shape": "smollm2", "batch": arguments.batch, "length": arguments.length, "precision": arguments.precision,
        "threads": arguments.threads, "median_step_seconds": round(median, 4),
        "tokens_per_second": round(arguments.batch * arguments.length / median, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}))


if __name__ == "__main__":
    main()
