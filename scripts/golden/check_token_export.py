#!/usr/bin/env python3
"""Checks that transformers and PEFT load what swift-peft makes of token classification, and give the same logits.

    python scripts/golden/check_token_export.py PROGRAM MODEL_DIR [--rate 1e-2]

Trains a few steps on sentences of ner_data.py, exports and merges, and compares the logits of `eval --predictions` with
those of PeftModel and of AutoModelForTokenClassification, to 1e-4. Needs torch, transformers and peft.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library
warnings.filterwarnings("ignore")

import torch
from peft import PeftModel
from transformers import AutoModelForTokenClassification, AutoTokenizer
from transformers.utils import logging

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model", type=Path)
    parser.add_argument("--rate", type=float, default=1e-2)
    options = parser.parse_args()
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        run(sys.executable, ROOT / "ner_data.py", work, "--train", 64, "--dev", 20)
        (work / "c.json").write_text(json.dumps({
            "model": str(options.model), "output_dir": str(work / "run"), "database": str(work / "d.sqlite"),
            "task": {"name": "token-classification", "train_file": str(work / "train.conll"),
                     "validation_file": str(work / "dev.conll"), "max_seq_length": 64},
            "adapter": {"r": 4, "target_modules": "all-linear"},
            "training": {"max_steps": 8, "train_batch_size": 8, "learning_rate": options.rate}}))
        run(options.program, "train", work / "c.json")
        run(options.program, "eval", work / "run", "--predictions", work / "p.tsv")
        run(options.program, "export", work / "run", "--format", "peft", "--output", work / "peft")
        run(options.program, "merge", work / "run", "--output", work / "merged")
        rows = list(csv.DictReader(open(work / "p.tsv"), delimiter="\t"))
        ours = {(int(row["index"]), int(row["word"])): [float(row[key]) for key in row if key.startswith("score_")]
                for row in rows}
        count = len(next(iter(ours.values())))
        merged, found = AutoModelForTokenClassification.from_pretrained(
            work / "merged", dtype=torch.float32, output_loading_info=True)
        if any(found[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")):
            sys.exit(f"merged: {found}")
        print(type(merged).__name__, merged.config.id2label)
        base = AutoModelForTokenClassification.from_pretrained(options.model, num_labels=count, dtype=torch.float32)
        models = {"merged": merged.eval(), "peft": PeftModel.from_pretrained(base, work / "peft").eval()}
        print(type(models["peft"]).__name__)
        tokenizer = AutoTokenizer.from_pretrained(options.model, add_prefix_space=True)
        apart = dict.fromkeys(models, 0.0)
        blocks = (work / "dev.conll").read_text().strip().split("\n\n")
        for index, block in enumerate(blocks):
            words = [line.split(" ")[0] for line in block.splitlines()]
            encoding = tokenizer(
                words, is_split_into_words=True, truncation=True, max_length=64, return_tensors="pt")
            first = {}
            for place, word in enumerate(encoding.word_ids()):
                if word is not None:
                    first.setdefault(word, place)
            for name, model in models.items():
                with torch.no_grad():
                    logits = model(**encoding).logits[0]
                for word, place in first.items():
                    difference = (logits[place] - torch.tensor(ours[index, word])).abs().max().item()
                    apart[name] = max(apart[name], difference)
        print(f"{len(ours)} words, largest logit {max(abs(x) for row in ours.values() for x in row):.2f}:",
              ", ".join(f"{name} {value:.1e} apart" for name, value in apart.items()))
        if max(apart.values()) > 1e-4:
            sys.exit("logits differ")


if __name__ == "__main__":
    main()
