"""Tiny seeded checkpoints with their tokenizers, in the layout of the Hugging Face Hub."""

import json
import zlib

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, RobertaConfig, RobertaForSequenceClassification

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
BERT = BertConfig(
    architectures=["BertModel"], vocab_size=120, hidden_size=32, num_attention_heads=4, num_hidden_layers=3,
    intermediate_size=64, max_position_embeddings=64, type_vocab_size=2, hidden_act="gelu", layer_norm_eps=1e-12,
    initializer_range=0.25, pad_token_id=0, **NO_DROPOUT)
ROBERTA = RobertaConfig(
    architectures=["RobertaForSequenceClassification"], vocab_size=300, hidden_size=32, num_attention_heads=4,
    num_hidden_layers=4, intermediate_size=48, max_position_embeddings=66, type_vocab_size=1, hidden_act="gelu",
    layer_norm_eps=1e-5, initializer_range=0.25, pad_token_id=1, bos_token_id=0, eos_token_id=2, num_labels=2,
    **NO_DROPOUT)

WORDS = ("the a and of to in is it this that was not but with for film movie good bad great very more than all one "
         "story be are at his her they we you people time ##ed ##ing").split()
PARAGRAPH = ("the film is a good story and the movie was not that great but it is the one with all of the people "
             "in the end they are at the very best when this other thing runs on for more than an hour ") * 3


def generator(name):
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def random_weights(model_name, shapes):
    """Every weight, bias and norm is far from its usual starting value, so that each matters to the outputs."""
    weights = {}
    for name, shape in shapes.items():
        drawn = torch.randn(shape, generator=generator(f"{model_name} {name}"))
        if name.endswith("LayerNorm.weight"):
            weights[name] = 1 + 0.2 * drawn
        else:
            weights[name] = drawn * (0.2 if name.endswith("bias") else 0.25)
    return weights


def write_tensors(path, tensors):
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_checkpoint(directory, config, weights):
    directory.mkdir(parents=True)
    config.save_pretrained(directory)
    write_tensors(directory / "model.safetensors", weights)


def write_sharded(directory, config, weights, shards=3):
    directory.mkdir(parents=True)
    config.save_pretrained(directory)
    names, weight_map = sorted(weights), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard * len(names) // shards:(shard + 1) * len(names) // shards]
        write_tensors(directory / file, {name: weights[name] for name in part})
        weight_map |= dict.fromkeys(part, file)
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    write_json(directory / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": weight_map})


def write_bert(golden):
    """bert-tiny: a bare BertModel with pooler, without prefix and head; and its copies in other types and shards."""
    shapes = {name: tensor.shape for name, tensor in BertModel(BERT).state_dict().items()}
    weights = random_weights("bert-tiny", shapes)
    write_checkpoint(golden / "bert-tiny", BERT, weights)
    write_wordpiece(golden / "bert-tiny")
    for suffix, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
        write_checkpoint(golden / f"bert-tiny-{suffix}", BERT, {name: w.to(dtype) for name, w in weights.items()})
    write_sharded(golden / "bert-tiny-sharded", BERT, weights)


def write_roberta(golden):
    """roberta-tiny: names prefixed with `roberta.`, and a 2-class head."""
    shapes = {name: tensor.shape for name, tensor in RobertaForSequenceClassification(ROBERTA).state_dict().items()}
    write_checkpoint(golden / "roberta-tiny", ROBERTA, random_weights("roberta-tiny", shapes))
    write_byte_level_bpe(golden / "roberta-tiny")


def write_wordpiece(directory):
    letters, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?'-", *digits, *letters,
                  *("##" + c for c in digits + letters), *(word for word in WORDS if word != "a")]
    if len(vocabulary) > BERT.vocab_size or len(set(vocabulary)) < len(vocabulary):
        raise ValueError(f"{len(vocabulary)} vocabulary entries, {len(set(vocabulary))} of them distinct")
    (directory / "vocab.txt").write_text("".join(token + "\n" for token in vocabulary), encoding="utf-8")
    ids = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.save(str(directory / "tokenizer.json"))
    write_json(directory / "tokenizer_config.json",
               {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 64})


def write_byte_level_bpe(directory):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    mask = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    tokenizer.train_from_iterator([PARAGRAPH], trainers.BpeTrainer(
        vocab_size=ROBERTA.vocab_size, special_tokens=["<s>", "<pad>", "</s>", "<unk>", mask], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    if tokenizer.get_vocab_size() != ROBERTA.vocab_size:
        raise ValueError(f"the BPE has {tokenizer.get_vocab_size()} entries")
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tokenizer.save(str(directory / "tokenizer.json"))
    tokenizer.model.save(str(directory))
    write_json(directory / "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizer", "model_max_length": 64})
