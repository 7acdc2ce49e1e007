#!/usr/bin/env python3
"""Writes Tests/CommandLineTests/Golden/sizes.json: real config.json files and the parameters that they mean.

    python scripts/golden/sizes.py

The configs are those of models of the Hub, cut down to the keys that decide sizes and kinds. transformers and peft count
the parameters on PyTorch's meta device, without weights: those of the model in the form in which the program counts them
(a language model; an encoder with a head for two labels), and those of LoRA adapters with r = 8 on `targets`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.append(sys.path.pop(0))    # tokenizers.py beside this file must not stand before the library

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

OUTPUT = Path(__file__).resolve().parents[2] / "Tests/CommandLineTests/Golden/sizes.json"
QV, BERT_QV = ["q_proj", "v_proj"], ["query", "value"]


def decoder(type, hidden, inner, layers, heads, groups, vocabulary, positions, tied, **more):
    return {"model_type": type, "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": groups, "vocab_size": vocabulary,
            "max_position_embeddings": positions, "tie_word_embeddings": tied, **more}


def encoder(type, vocabulary, positions, hidden=768, layers=12, heads=12, inner=3072, **more):
    return {"model_type": type, "vocab_size": vocabulary, "max_position_embeddings": positions, "hidden_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": inner, **more}


LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
GEMMA3_4B = decoder("gemma3_text", 2560, 10240, 34, 8, 4, 262208, 131072, True, head_dim=256, sliding_window=1024,
                    query_pre_attn_scalar=256, rope_scaling={"rope_type": "linear", "factor": 8.0})
LONG = {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [1.5] * 48}

# Name on the Hub, adapted modules, config.
MODELS = {
    "google-bert/bert-base-uncased": (BERT_QV, encoder("bert", 30522, 512, type_vocab_size=2)),
    "FacebookAI/roberta-base": (BERT_QV, encoder("roberta", 50265, 514, type_vocab_size=1, pad_token_id=1)),
    "FacebookAI/xlm-roberta-base": (BERT_QV, encoder("xlm-roberta", 250002, 514, type_vocab_size=1, pad_token_id=1)),
    "almanach/camembert-base": (BERT_QV, encoder("camembert", 32005, 514, type_vocab_size=1, pad_token_id=1)),
    "distilbert/distilbert-base-uncased": (["q_lin", "v_lin"], {
        "model_type": "distilbert", "vocab_size": 30522, "max_position_embeddings": 512, "dim": 768, "n_layers": 6,
        "n_heads": 12, "hidden_dim": 3072}),
    "google/electra-small-discriminator": (BERT_QV, encoder(
        "electra", 30522, 512, 256, 12, 4, 1024, embedding_size=128, type_vocab_size=2)),
    "albert/albert-base-v2": (BERT_QV, encoder(
        "albert", 30000, 512, embedding_size=128, type_vocab_size=2, hidden_act="gelu_new", num_hidden_groups=1,
        inner_group_num=1)),
    "microsoft/mpnet-base": (["q", "v"], encoder("mpnet", 30527, 514, relative_attention_num_buckets=32)),
    "microsoft/deberta-v3-base": (["query_proj", "value_proj"], encoder(
        "deberta-v2", 128100, 512, type_vocab_size=0, relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type="p2c|c2p", layer_norm_eps=1e-7, max_relative_positions=-1, position_biased_input=False,
        pooler_dropout=0, pooler_hidden_act="gelu", pooler_hidden_size=768)),
    "microsoft/deberta-v2-xlarge": (["query_proj", "value_proj"], encoder(
        "deberta-v2", 128100, 512, 1536, 24, 24, 6144, type_vocab_size=0, relative_attention=True, position_buckets=256,
        norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", layer_norm_eps=1e-7, max_relative_positions=-1,
        position_biased_input=False, attention_head_size=64, conv_kernel_size=3, conv_act="gelu", pooler_dropout=0,
        pooler_hidden_act="gelu", pooler_hidden_size=1536)),
    "answerdotai/ModernBERT-base": (["Wqkv"], encoder(
        "modernbert", 50368, 8192, 768, 22, 12, 1152, global_attn_every_n_layers=3, local_attention=128,
        global_rope_theta=160000.0, local_rope_theta=10000.0, pad_token_id=50283, cls_token_id=50281, sep_token_id=50282,
        bos_token_id=50281, eos_token_id=50282, classifier_pooling="mean", hidden_activation="gelu")),
    "openai-community/gpt2": (["c_attn"], {
        "model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}),
    "meta-llama/Llama-3.2-1B": (QV, decoder(
        "llama", 2048, 8192, 16, 32, 8, 128256, 131072, True, head_dim=64, rope_theta=500000.0, rope_scaling=LLAMA3,
        bos_token_id=128000, eos_token_id=128001)),
    "mistralai/Mistral-7B-v0.1": (QV, decoder("mistral", 4096, 14336, 32, 32, 8, 32000, 32768, False, sliding_window=4096)),
    "Qwen/Qwen2.5-0.5B": (QV, decoder(
        "qwen2", 896, 4864, 24, 14, 2, 151936, 32768, True, rope_theta=1000000.0, sliding_window=32768, max_window_layers=24,
        use_sliding_window=False, bos_token_id=151643, eos_token_id=151643)),
    "Qwen/Qwen3-0.6B": (QV, decoder(
        "qwen3", 1024, 3072, 28, 16, 8, 151936, 40960, True, head_dim=128, rope_theta=1000000, sliding_window=None,
        use_sliding_window=False, max_window_layers=28, attention_bias=False, bos_token_id=151643, eos_token_id=151645)),
    "google/gemma-2b": (QV, decoder(
        "gemma", 2048, 16384, 18, 8, 1, 256000, 8192, True, head_dim=256, hidden_act="gelu", bos_token_id=2, eos_token_id=1,
        pad_token_id=0)),
    "google/gemma-2-2b": (QV, decoder(
        "gemma2", 2304, 9216, 26, 8, 4, 256000, 8192, True, head_dim=256, hidden_activation="gelu_pytorch_tanh",
        attn_logit_softcapping=50.0, final_logit_softcapping=30.0, query_pre_attn_scalar=256, sliding_window=4096,
        bos_token_id=2, eos_token_id=1, pad_token_id=0)),
    "google/gemma-3-270m": (QV, decoder(
        "gemma3_text", 640, 2048, 18, 4, 1, 262144, 32768, True, head_dim=256, query_pre_attn_scalar=256, sliding_window=512,
        hidden_activation="gelu_pytorch_tanh", rope_theta=1000000.0, rope_local_base_freq=10000.0, rope_scaling=None,
        layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(18)], bos_token_id=2,
        eos_token_id=1, pad_token_id=0)),
    "google/gemma-3-4b-it": (QV, {
        "model_type": "gemma3", "text_config": GEMMA3_4B, "eos_token_id": [1, 106],
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "num_hidden_layers": 27}}),
    "microsoft/Phi-3.5-mini-instruct": (["qkv_proj"], decoder(
        "phi3", 3072, 8192, 32, 32, 32, 32064, 131072, False, rope_scaling=LONG, original_max_position_embeddings=4096,
        sliding_window=262144, bos_token_id=1, eos_token_id=32000, pad_token_id=32000)),
    "microsoft/Phi-4-mini-instruct": (["qkv_proj"], decoder(
        "phi3", 3072, 8192, 32, 24, 8, 200064, 131072, True, partial_rotary_factor=0.75, original_max_position_embeddings=4096,
        rope_scaling=LONG, sliding_window=262144, bos_token_id=199999, eos_token_id=199999, pad_token_id=199999)),
    "HuggingFaceTB/SmolLM3-3B": (QV, decoder(
        "smollm3", 2048, 11008, 36, 16, 4, 128256, 65536, True, rope_theta=5000000.0, use_sliding_window=False,
        no_rope_layer_interval=4, no_rope_layers=[0 if i % 4 == 3 else 1 for i in range(36)], bos_token_id=128000,
        eos_token_id=128012, pad_token_id=128004)),
    "allenai/OLMo-2-0425-1B": (QV, decoder(
        "olmo2", 2048, 8192, 16, 16, 16, 100352, 4096, False, rope_theta=500000, eos_token_id=100257, pad_token_id=100277)),
    "ibm-granite/granite-3.3-2b-base": (QV, decoder(
        "granite", 2048, 8192, 40, 32, 8, 49152, 131072, True, attention_multiplier=0.015625, embedding_multiplier=12.0,
        logits_scaling=8.0, residual_multiplier=0.22, rope_theta=10000000.0, bos_token_id=0, eos_token_id=0, pad_token_id=0)),
}  # fmt: skip


def built(config, auto):
    """The model without memory."""
    with tempfile.TemporaryDirectory() as directory, torch.device("meta"):
        (Path(directory) / "config.json").write_text(json.dumps(config))
        return auto.from_config(AutoConfig.from_pretrained(directory))


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def record(name, targets, config):
    is_decoder = config["model_type"] not in {
        "bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "albert", "mpnet", "deberta-v2", "modernbert"}
    # Of Gemma 3 with images, the text part alone counts.
    model = built(config.get("text_config", config), AutoModelForCausalLM if is_decoder else AutoModelForSequenceClassification)
    total = parameters(model)
    with torch.device("meta"):
        tuned = get_peft_model(model, LoraConfig(r=8, target_modules=targets))
    lora = sum(p.numel() for name, p in tuned.named_parameters() if ".lora_" in name)
    return {"name": name, "targets": targets, "total_parameters": total, "lora_parameters": lora, "config": json.dumps(config)}


def main():
    os.makedirs(OUTPUT.parent, exist_ok=True)
    records = [record(name, targets, config) for name, (targets, config) in MODELS.items()]
    for values in records:
        print(f"{values['name']:36} {values['total_parameters']:14,} {values['lora_parameters']:10,}")
    OUTPUT.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n", encoding="utf-8")


main()
