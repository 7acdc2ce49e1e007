"""The tiny models of families.py: sizes of a few numbers, windows shorter than the texts, factors that are not 1."""

from dataclasses import dataclass, field

from transformers import (
    AlbertConfig, CamembertConfig, DebertaV2Config, DistilBertConfig, ElectraConfig, Gemma2Config, Gemma3Config,
    Gemma3TextConfig, GemmaConfig, GraniteConfig, LlamaConfig, MistralConfig, ModernBertConfig, MPNetConfig, Olmo2Config,
    Phi3Config, PreTrainedConfig, Qwen2Config, Qwen3Config, SmolLM3Config, XLMRobertaConfig)

VOCABULARY = 96


@dataclass
class Model:
    """A tiny model. `every` are all the linear maps of its layers, `few` those of the runs that are not `lora`."""
    config: PreTrainedConfig
    every: list
    few: list
    head: list = field(default_factory=list)    # the modules of a classifier's head, without transformers' own prefix
    layers: str = r"(layers)\.(\d+)"            # what stands before a module's name in its layer
    has_classifier: bool = True
    only_rotary: bool = False                   # one run alone
    older: dict = field(default_factory=dict)   # what transformers 4 wrote in config.json in place of newer members

    @property
    def is_decoder(self):
        return not self.head


LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SIZES = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=0, pad_token_id=None,
             attention_dropout=0.0)
GEMMA = SIZES | dict(hidden_size=24, num_key_value_heads=1, head_dim=4)
PHI3 = SIZES | dict(num_attention_heads=2, num_key_value_heads=1, original_max_position_embeddings=16)


def llama_like(config, **options):
    return Model(config, LLAMA, ["q_proj", "v_proj"], **options)


def phi3(config, kind):
    scaling = {"type": kind} | {name: config.rope_parameters[name] for name in ("short_factor", "long_factor")}
    if kind == "su":    # for which transformers 5 does not look outside
        scaling["original_max_position_embeddings"] = 16
    return Model(config, ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], ["qkv_proj"], older={"rope_scaling": scaling})


def gemma3_text(**changed):
    return Gemma3TextConfig(**GEMMA | dict(
        sliding_window=5, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        query_pre_attn_scalar=10, rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}}) | changed)


GEMMA3_OLDER = {"rope_theta": 500.0, "rope_local_base_freq": 50.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0},
                "sliding_window_pattern": 2}
DECODERS = {
    "qwen2": llama_like(Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=6, max_window_layers=1)),
    "qwen3": llama_like(Qwen3Config(**SIZES, head_dim=8, tie_word_embeddings=True)),
    "mistral": llama_like(MistralConfig(**SIZES, head_dim=8, sliding_window=6)),
    "gemma": llama_like(GemmaConfig(**GEMMA | dict(head_dim=8))),
    "gemma2": llama_like(Gemma2Config(
        **GEMMA, sliding_window=6, query_pre_attn_scalar=10, attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
    "gemma3-text": llama_like(gemma3_text(), older=GEMMA3_OLDER),
    "gemma3": llama_like(Gemma3Config(
        text_config=gemma3_text(num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"]).to_dict(),
        vision_config=dict(
            hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=4, patch_size=2,
            model_type="siglip_vision_model", vision_use_head=False),
        mm_tokens_per_image=4, image_token_index=95, boi_token_index=94, eoi_token_index=93),
        layers=r"(language_model\.layers)\.(\d+)", older=GEMMA3_OLDER),
    "phi3": phi3(Phi3Config(**PHI3, sliding_window=7, rope_parameters={
        "rope_type": "longrope", "rope_theta": 100.0, "short_factor": [1.0, 1.1, 1.3, 1.6],
        "long_factor": [1.2, 1.9, 2.8, 4.0]}), "su"),
    "phi3-partial": phi3(Phi3Config(**PHI3, tie_word_embeddings=True, rope_parameters={
        "rope_type": "longrope", "rope_theta": 100.0, "partial_rotary_factor": 0.75, "short_factor": [1.0, 1.1, 1.4],
        "long_factor": [1.2, 2.1, 3.5]}), "longrope"),
    "smollm3": llama_like(SmolLM3Config(**SIZES, no_rope_layers=[1, 0, 1], tie_word_embeddings=True),
                          older={"no_rope_layer_interval": 2, "no_rope_layers": None}),
    "olmo2": llama_like(Olmo2Config(**SIZES)),
    "granite": llama_like(GraniteConfig(
        **SIZES, embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.4, attention_multiplier=0.3,
        attention_bias=True, mlp_bias=True, tie_word_embeddings=True), has_classifier=False),
}


def rotary(config, scaling, older={}, **changed):
    sizes = SIZES | dict(num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True)
    return llama_like(config(**sizes | changed, rope_parameters={"rope_theta": 100.0} | scaling), only_rotary=True, older=older)


DECODERS |= {
    "llama-linear": rotary(LlamaConfig, {"rope_type": "linear", "factor": 2.5},
                           {"rope_scaling": {"type": "linear", "factor": 2.5}}),
    "llama-dynamic": rotary(LlamaConfig, {"rope_type": "dynamic", "factor": 2.0}, max_position_embeddings=24),
    "llama-yarn": rotary(LlamaConfig, {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0, "beta_slow": 0.5}),
    "qwen2-yarn": rotary(Qwen2Config, {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 2.0, "beta_slow": 0.5,
        "mscale": 1.5, "mscale_all_dim": 0.7, "truncate": False}),
    "llama-llama3": rotary(LlamaConfig, {
        "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}),
    "llama-longrope": rotary(LlamaConfig, {
        "rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 16,
        "short_factor": [1.0, 1.1, 1.3, 1.6], "long_factor": [1.2, 1.9, 2.8, 4.0]}),
}

ENCODER = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
               max_position_embeddings=64, num_labels=2)
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0)
BERT = [f"attention.self.{part}" for part in ("query", "key", "value")] + [
    "attention.output.dense", "intermediate.dense", "output.dense"]
BERT_LAYERS = r"(encoder\.layer)\.(\d+)"


def bert_like(config, **options):
    return Model(config, BERT, ["query", "value"], layers=BERT_LAYERS, **{"head": ["classifier"]} | options)


def deberta(**changed):
    config = DebertaV2Config(**ENCODER | NO_DROPOUT | dict(
        relative_attention=True, pos_att_type=["p2c", "c2p"], pooler_dropout=0.0, cls_dropout=0.0) | changed)
    own = [] if config.share_att_key else ["pos_key_proj", "pos_query_proj"]
    every = [f"attention.self.{part}" for part in ["query_proj", "key_proj", "value_proj", *own]] + BERT[3:]
    return Model(config, every, ["query_proj", "value_proj"], ["pooler", "classifier"], BERT_LAYERS)


def modernbert(every, **changed):
    return Model(
        ModernBertConfig(**ENCODER | dict(
            local_attention=8, layer_types=["full_attention", "sliding_attention", "sliding_attention"],
            rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 500.0},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}},
            pad_token_id=0, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2) | changed),
        ["attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo"], ["Wqkv"], ["head", "classifier"],
        older={"global_rope_theta": 500.0, "local_rope_theta": 50.0, "global_attn_every_n_layers": every})


ROBERTA = ENCODER | NO_DROPOUT | dict(
    max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5)
ENCODERS = {
    "distilbert": Model(
        DistilBertConfig(vocab_size=VOCABULARY, dim=16, hidden_dim=24, n_layers=3, n_heads=4, max_position_embeddings=64,
                         num_labels=2, dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0),
        ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"], ["q_lin", "v_lin"], ["pre_classifier", "classifier"],
        r"(transformer\.layer)\.(\d+)"),
    "xlm-roberta": bert_like(XLMRobertaConfig(**ROBERTA)),
    "camembert": bert_like(CamembertConfig(**ROBERTA)),
    "electra": bert_like(ElectraConfig(**ENCODER, **NO_DROPOUT, embedding_size=12, type_vocab_size=2)),
    # Two groups of weights for four layers: PEFT's modules are the groups'.
    "albert": Model(
        AlbertConfig(**ENCODER | dict(num_hidden_layers=4), num_hidden_groups=2, inner_group_num=1, embedding_size=12,
                     hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0,
                     type_vocab_size=2, pad_token_id=0, bos_token_id=2, eos_token_id=3),
        ["attention.query", "attention.key", "attention.value", "attention.dense", "ffn", "ffn_output"],
        ["query", "value"], ["classifier"], r"(encoder\.albert_layer_groups)\.(\d+)"),
    "mpnet": Model(
        MPNetConfig(**ENCODER | dict(max_position_embeddings=66, pad_token_id=1, bos_token_id=0, eos_token_id=2),
                    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        ["attn.q", "attn.k", "attn.v", "attn.o", "intermediate.dense", "output.dense"], ["attn.q", "attn.v"],
        ["classifier"], BERT_LAYERS),
    "deberta-v2": deberta(type_vocab_size=2, max_relative_positions=8, share_att_key=False),
    "deberta-v3": deberta(type_vocab_size=0, max_relative_positions=-1, position_buckets=8, share_att_key=True,
                          norm_rel_ebd="layer_norm", position_biased_input=False),
    "deberta-conv": deberta(type_vocab_size=0, max_relative_positions=-1, position_buckets=8, share_att_key=True,
                            conv_kernel_size=3, conv_act="gelu"),
    "modernbert": modernbert(3),
    "modernbert-mean": modernbert(2, classifier_pooling="mean", num_hidden_layers=2, norm_bias=True, attention_bias=True,
                                  mlp_bias=True, classifier_bias=True,
                                  layer_types=["full_attention", "sliding_attention"]),
}
