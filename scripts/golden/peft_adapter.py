"""Writes Tests/AdaptersTests/Golden/peft-lora: a PEFT LoRA of a tiny random BERT, and what PEFT makes of it.

Run from the repository's root: python scripts/golden/peft_adapter.py
Needs torch, transformers and peft; the fixture was made with peft 0.21.
"""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertForSequenceClassification

DIRECTORY = Path("Tests/AdaptersTests/Golden/peft-lora")


def main():
    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, num_labels=3))
    model = get_peft_model(model, LoraConfig(
        task_type="SEQ_CLS", r=2, lora_alpha=8, lora_dropout=0.1, target_modules=["query", "value"],
        rank_pattern={"value": 4}, alpha_pattern={"layer.1.attention.self.value": 4}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter))
    model.save_pretrained(DIRECTORY)
    (DIRECTORY / "README.md").unlink()
    for name, module in model.named_modules():
        if hasattr(module, "lora_A"):
            delta = module.get_delta_weight("default")
            print(f'("{name.split(".", 3)[3]}", {module.r["default"]}, {module.scaling["default"]}, '
                  f'{float(delta.double().sum()):.9g}, {float(delta[0, 0]):.9g}),')


main()
