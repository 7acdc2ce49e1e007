"""Loads what the PEFTExport tests write into PEFT: every key must be used, every LoRA module filled.

PEFT_EXPORT_DIRECTORY=/tmp/exports swift test --filter PEFTExportTests
python scripts/golden/check_peft_export.py /tmp/exports
"""

import sys
from pathlib import Path

sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
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


def filled(base, directory):
    """peft's model of any of its methods; every key of the file must be used, every tensor of the adapter filled."""
    model = get_peft_model(base, PeftConfig.from_pretrained(directory))
    result = set_peft_model_state_dict(model, load_peft_weights(str(directory), device="cpu"))
    state, absent = model.state_dict(), set(result.missing_keys)
    there = {tensor.data_ptr() for key, tensor in state.items() if key not in absent}    # a shared one has many names
    missing = [key for key in absent if model.base_model.prefix in key or "modules_to_save" in key
               if state[key].data_ptr() not in there]
    assert not missing and not result.unexpected_keys, (directory.name, missing, result.unexpected_keys)
    return model


def main():
    directories = sorted(Path(sys.argv[1]).iterdir())
    for directory in directories:
        model = filled(base_model(directory.name), directory)
        scales = {m.scaling["default"] for m in model.modules() if hasattr(m, "lora_A")}
        assert scales, directory.name
        print(directory.name, "scales", sorted(scales))


if __name__ == "__main__":
    main()
