#!/usr/bin/env python3
"""Which modules peft adapts under many LoraConfigs, with rank and scale.

    python -P scripts/golden/peft_selection.py > Tests/AdaptersTests/Golden/peft-selection.json
"""
import json
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import (BertConfig, BertForSequenceClassification,
                          GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM)

SIZES = dict(hidden_size=8, num_attention_heads=2, intermediate_size=16, vocab_size=20)
MODELS = {
    "bert": lambda: BertForSequenceClassification(BertConfig(num_hidden_layers=2, **SIZES)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(num_hidden_layers=12, num_key_value_heads=1, **SIZES)),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_embd=8, n_head=2, n_layer=3, vocab_size=20)),
}

CASES = [
    ("bert", dict(target_modules=["query", "value"])),
    ("bert", dict(target_modules="all-linear")),
    ("bert", dict(target_modules=["dense"], exclude_modules=["pooler.dense"])),
    ("bert", dict(target_modules=["dense"], exclude_modules=r".*\.output\.dense")),
    ("bert", dict(target_modules=["query", "dense"], layers_to_transform=[1])),
    ("bert", dict(target_modules=["query", "bert.encoder.layer.0.attention.self.key"], layers_to_transform=1)),
    ("bert", dict(target_modules=r".*(query|val.e)")),
    ("bert", dict(target_modules=r"bert\.encoder\.layer\.1\..*dense")),
    ("bert", dict(target_modules=r"(?!.*layer\.0).*\.self\.(query|key)")),
    ("bert", dict(target_modules=["query", "value"], rank_pattern={"value": 16, r"0\.attention\.self\.query": 1})),
    ("bert", dict(target_modules=["query", "value"], rank_pattern={"alue": 3, "val.*": 2, "value": 5})),
    ("bert", dict(target_modules=["query", "value", "dense"], alpha_pattern={"dense|value": 3}, use_rslora=True)),
    ("bert", dict(target_modules=["query", "value"], alpha_pattern={"^bert.*query": 3, "query": 7})),
    ("bert", dict(target_modules=["attention.output.dense"], modules_to_save=["classifier"])),
    ("llama", dict(target_modules=["q_proj", "v_proj"], layers_to_transform=[0, 11])),
    ("llama", dict(target_modules=["q_proj", "v_proj"], layers_to_transform=[1], layers_pattern="layers")),
    ("llama", dict(target_modules=["q_proj"], layers_to_transform=[1, 2], layers_pattern=["blocks", "lay.rs"])),
    ("llama", dict(target_modules=r".*\.layers\.(1|1[01])\.(self_attn\.(q|k)|mlp\.up)_proj")),
    ("llama", dict(target_modules=["v_proj", "q_proj"], rank_pattern={r"layers\.1\.self_attn\.q_proj": 2, r"1\..*": 3})),
    ("llama", dict(target_modules=["v_proj", "o_proj"], rank_pattern={"model.layers.1.self_attn.v_proj": 2})),
    ("llama", dict(target_modules="all-linear", exclude_modules=["self_attn", "up_proj", "model.layers.3.mlp.down_proj"])),
    ("gpt2", dict(target_modules=["c_attn", "c_proj"], layers_to_transform=[0, 2], layers_pattern=["h"])),
    ("gpt2", dict(target_modules="all-linear", rank_pattern={r"mlp\.c_.*": 20}, alpha_pattern={"c_fc": 1.5})),
    ("gpt2", dict(target_modules=r".*\.c_.*", exclude_modules=r".*\.0\..*")),
]


def main():
    torch.set_num_threads(1)
    results = []
    for family, options in CASES:
        config = LoraConfig(r=4, lora_alpha=8, **options)
        model = get_peft_model(MODELS[family](), config)
        chosen = {}
        for name, module in model.named_modules():
            if hasattr(module, "lora_A"):
                path = name.removeprefix("base_model.model.")
                if path != "classifier":
                    chosen[path] = [module.r["default"], module.scaling["default"]]
        shown = {k: v for k, v in model.peft_config["default"].to_dict().items() if k in options or k in (
            "r", "lora_alpha", "use_rslora", "peft_type")}
        for key, value in shown.items():
            if isinstance(value, set):
                shown[key] = sorted(value)
        shown["peft_type"] = "LORA"
        results.append({"family": family, "options": options, "config": shown, "chosen": chosen})
    json.dump(results, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
