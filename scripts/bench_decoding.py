#!/usr/bin/env python3
"""Times how fast swift-peft and llama.cpp continue a text with the same GGUF files, turn by turn, and prints a Markdown table
of medians: tokens a second, the share of the memory bandwidth that reading the weights once a token makes, and the ratio.

    bench_decoding.py PROGRAM FILE.gguf … [--threads 2] [--rounds 3] [--tokens 128]

PROGRAM is a release build of swift-peft-bench. Needs PyPI's llama-cpp-python, built on this machine, for the peer's column.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

try:
    import llama_cpp
except ImportError:
    llama_cpp = None


def ours(program, file, threads, tokens):
    command = [program, "decode", str(file), "--threads", str(threads), "--tokens", str(tokens)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def theirs(file, threads, tokens):
    """Greedy decoding after a short prompt; the median of single tokens, the first eight left out, as on our side."""
    model = llama_cpp.Llama(str(file), n_ctx=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    model.eval(model.tokenize(b"Once upon a time"))
    times = []
    for _ in range(tokens + 8):
        started = time.perf_counter()
        model.eval([model.sample(temp=0)])
        times.append(time.perf_counter() - started)
    return 1 / statistics.median(times[8:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=128)
    arguments = parser.parse_args()
    if llama_cpp is None:
        print("No llama.cpp: pip install llama-cpp-python. Only our side is timed.", file=sys.stderr)
    print("| file | MB a token | tokens/s, ours | share of the bandwidth | tokens/s, llama.cpp | ours : llama.cpp |")
    print("| --- | --- | --- | --- | --- | --- |")
    for file in arguments.files:
        own, peer = [], []
        for _ in range(arguments.rounds):
            own.append(ours(arguments.program, file, arguments.threads, arguments.tokens))
            if llama_cpp is not None:
                peer.append(theirs(file, arguments.threads, arguments.tokens))
        rate = statistics.median(run["tokens_per_second"] for run in own)
        share = statistics.median(run["share"] for run in own)
        other = f"{statistics.median(peer):.1f} | {rate / statistics.median(peer):.2f}" if peer else "– | –"
        print(f"| {file.name} | {own[0]['weights_mb']} | {rate:.1f} | {share:.0%} | {other} |", flush=True)


if __name__ == "__main__":
    main()
