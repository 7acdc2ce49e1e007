"""Loads what the PEFTExport tests write into PEFT: every key must be used, every LoRA module filled.

PEFT_EXPORT_DIRECTORY=/tmp/exports swift test --filter PEFTExportTests
python scripts/golden/check_peft_export.py /tmp/exports
"""

import sys
from pathlib import Path

sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from peft.utils import load_peft_weights
from transformers import (
    BertConfig, BertForSequenceClassification, Gemma3Config, Gemma3ForConditionalGeneration, GPT2Config, GPT2LMHeadModel)


def base_model(name):
    if name.startswith("bert"):
        return BertForSequenceClassification(BertConfig(
            vocab_size=30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=16, num_labels=2))
    if name == "gemma3":
        return Gemma3ForConditionalGeneration(Gemma3Config(
            text_config=dict(
                vocab_size=30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=4,
                intermediate_size=16, max_position_embeddings=16),
            vision_config=dict(
                hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=4, patch_size=2),
            image_token_index=29, mm_tokens_per_image=4))
    return GPT2LMHeadModel(GPT2Config(vocab_size=30, n_positions=16, n_embd=8, n_layer=2, n_head=2))


def main():
    directories = sorted(Path(sys.argv[1]).iterdir())
    for directory in directories:
        model = get_peft_model(base_model(directory.name), LoraConfig.from_pretrained(directory))
        result = set_peft_model_state_dict(model, load_peft_weights(str(directory), device="cpu"))
        missing = [key for key in result.missing_keys if "lora_" in key or "modules_to_save" in key]
        assert not missing and not result.unexpected_keys, (directory.name, missing, result.unexpected_keys)
        scales = {m.scaling["default"] for m in model.modules() if hasattr(m, "lora_A")}
        assert scales, directory.name
        print(directory.name, "scales", sorted(scales))


main()
