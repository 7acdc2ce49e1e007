#!/usr/bin/env python3
"""Loads exported adapters in peft, in its own form or as LoRA, and compares the logits with those of swift-peft.

    python scripts/golden/check_zoo_export.py DIRECTORY …

Every directory holds adapter_config.json and adapter_model.safetensors, and `logits.json`: `model` (the base model's
directory, from the file's own place), `num_labels` (null for language models), `inputs` (`input_ids`, `token_type_ids`
where there are any) and `logits`, of each input alone: a row of labels, or a row of the vocabulary for every token.
Every key must be used and every tensor of the adapter filled; logits may lie 1e-4 apart.
"""

import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

from check_peft_export import filled

MOST = 1e-4


def largest_difference(directory):
    expected = json.loads((directory / "logits.json").read_text())
    labels = expected["num_labels"]
    kind = AutoModelForSequenceClassification if labels else AutoModelForCausalLM
    base = kind.from_pretrained(
        (directory / expected["model"]).resolve(), dtype=torch.float32, attn_implementation="eager",
        **({"num_labels": labels} if labels else {}))
    model = filled(base, directory).eval()
    if not expected["inputs"] or len(expected["inputs"]) != len(expected["logits"]):
        raise ValueError(f"{directory}: {len(expected['inputs'])} inputs and {len(expected['logits'])} logits")
    apart = 0.0
    with torch.no_grad():
        for inputs, logits in zip(expected["inputs"], expected["logits"]):
            theirs = model(**{name: torch.tensor([ids]) for name, ids in inputs.items()}).logits[0]
            ours = torch.tensor(logits)
            if ours.shape != theirs.shape:
                raise ValueError(f"{directory}: {tuple(ours.shape)} logits, where peft has {tuple(theirs.shape)}")
            apart = max(apart, float((theirs - ours).abs().nan_to_num(torch.inf).max()))
    return model.peft_config["default"].peft_type.value, apart


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wrong = 0
    for directory in map(Path, sys.argv[1:]):
        method, apart = largest_difference(directory)
        wrong += not apart <= MOST
        print(f"{directory}: {method}, {apart:.1e} apart", "" if apart <= MOST else "WRONG", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
