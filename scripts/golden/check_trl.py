#!/usr/bin/env python3
"""Trains on the conversations of conversations.py with TRL's SFTTrainer and compares labels and losses; writes nothing.

    pip install trl==1.16.0 datasets==5.2.0 accelerate==1.15.0
    python scripts/golden/check_trl.py        # after conversations.py

Labels and the losses of all steps are compared for the conversations that fit in one table of Arrow's (contents that are
all texts, no functions), with `assistant_only_loss` true and false, and true for prompts with completions. (False, TRL
learns all of a completion, the line end behind it too; we learn the assistant's turns of it.)
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging
from trl import SFTConfig, SFTTrainer

import conversations
import decoders
from conversation_data import COMPLETIONS, CONVERSATIONS


class InOrder(SFTTrainer):
    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(dataset if dataset is not None else self.train_dataset)


def plain(record):
    return record.keys() <= {"messages", "prompt", "completion"} and all(
        isinstance(m["content"], str) for key in record for m in record[key])


def main():
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    golden = conversations.GOLDEN
    worst = 0.0
    for name, all_records, loss in [("conversations", CONVERSATIONS, "all"), ("conversations", CONVERSATIONS, False),
                                    ("completions", COMPLETIONS, "all")]:
        records = [r for r in all_records if plain(r)]
        settings = conversations.SETTINGS | {"assistant_only_loss": loss}
        tokenizer = AutoTokenizer.from_pretrained(golden / "chatml")
        marked = conversations.template("chatml")
        data = conversations.labelled([conversations.encoded(tokenizer, marked, r) for r in records], loss)
        tokenizer.chat_template = marked
        tuned = decoders.attach(golden / "chatml", settings, torch.float64)
        peft = conversations.peft_model(golden / "chatml", settings, tuned)
        with tempfile.TemporaryDirectory() as directory:
            arguments = SFTConfig(
                output_dir=directory, per_device_train_batch_size=4, num_train_epochs=5, learning_rate=settings["learning_rate"],
                lr_scheduler_type="linear", warmup_steps=0.06, weight_decay=settings["weight_decay"], max_grad_norm=1.0,
                adam_epsilon=1e-8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True, bf16=False, fp16=False,
                max_length=1024, assistant_only_loss=loss == "all", gradient_checkpointing=False, disable_tqdm=True,
                packing=False, eos_token=None)
            trainer = InOrder(model=peft.model, args=arguments, train_dataset=Dataset.from_list(records),
                              processing_class=tokenizer)
        labels = []
        for row in trainer.train_dataset:
            batch = trainer.data_collator([row])
            labels.append(batch["labels"][0].tolist())
            if batch["input_ids"][0].tolist() != data[len(labels) - 1]["input_ids"]:
                raise ValueError(f"TRL has other ids: {tokenizer.decode(batch['input_ids'][0])!r}, not "
                                 f"{tokenizer.decode(data[len(labels) - 1]['input_ids'])!r}")
        if labels != [e["labels"] for e in data]:
            raise ValueError("TRL has other labels")
        trainer.train()
        theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        ours = decoders.train(tuned, data, settings)["losses"]
        if len(theirs) != len(ours):
            raise ValueError(f"{len(theirs)} losses and {len(ours)}")
        apart = max(abs(a - b) for a, b in zip(theirs, ours))
        print(f"{name}, assistant_only_loss {loss}: {len(records)} records, {len(ours)} steps, losses at most {apart:.2e} apart")
        worst = max(worst, apart)
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main()
