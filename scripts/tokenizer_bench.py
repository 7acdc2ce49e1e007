#!/usr/bin/env python3
"""Megabytes of text that PyPI's `tokenizers` encodes per second, to compare with `swift-peft-bench tokenizer`.

    python scripts/tokenizer_bench.py MODEL_DIR TEXT [--threads N] [--passes N]

Prints one line of JSON for one thread and one for N. The first pass, with an empty cache of words, is timed by itself.
`encode_batch_fast` leaves out the offsets, which swift-peft does not compute either.
"""

import argparse
import json
import os
import subprocess
import sys
import time


def measure(options):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(options.model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with open(options.text, encoding="utf-8", newline="") as file:
        text = file.read()
    lines = [line for line in text.split("\n") if line]
    megabytes = len(text.encode()) * 1e-6
    seconds = []
    for _ in range(options.passes + 1):
        start = time.perf_counter()
        tokens = sum(len(encoding) for encoding in tokenizer.encode_batch_fast(lines))
        seconds.append(time.perf_counter() - start)
    return {"threads": options.threads, "tokens": tokens, "megabytes": round(megabytes, 2),
            "first_mb_per_second": round(megabytes / seconds[0], 2), "mb_per_second": round(megabytes / min(seconds[1:]), 2)}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)), flush=True)
        return
    # The library reads the number of threads when it starts.
    for threads in sorted({1, options.threads}):
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
        arguments = [sys.executable, __file__, options.model, options.text, "--threads", str(threads), "--passes", str(options.passes), "--measure"]
        subprocess.run(arguments, env=environment, check=True)


if __name__ == "__main__":
    main()
