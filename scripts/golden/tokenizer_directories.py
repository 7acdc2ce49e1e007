"""Golden values for tokenizer directories, from transformers' `AutoTokenizer` (5.23).

    python scripts/golden/tokenizer_directories.py fixtures
        writes Tests/TokenizersTests/Golden/directories: tiny vocabularies, and cases.json with the files of every
        directory, the ids of texts and pairs, and decoded texts.

    python scripts/golden/tokenizer_directories.py check BINARY [--keep DIR]
        makes the directories, and the same with many more texts, and compares `BINARY tokenize DIR`.

A case is a list of files: `vocabulary` names a file of the folder, and small JSON files are written out. Everything
is made from a fixed seed. Needs transformers, tokenizers and sentencepiece.
"""

import argparse
import importlib.util
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
import sentencepiece  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

spec = importlib.util.spec_from_file_location("hard", os.path.join(HERE, "tokenizers.py"))
hard = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hard)
GOLDEN = os.path.join(hard.GOLDEN, "directories")

TEXTS = [
    "", " ", "Hello Café", "hello world <new> x", "HELLO  wörld\n\tthe old harbour", "<s>the</s> <mask> boats", "[MASK]the [SEP]", "a<new>b <New> new>",
    "the <|im_end|>the <|endoftext|> x", "``quoted'' text''s", "老人坐在海边 ﬁsh ½ ｈａｌｆ", "don't, I'd say . isn't it ? yes !", "123 4567 1st",
    " leading and trailing  ", "e\u0301 \u00e9 \u212b Ǆ", "ABC abc", "<unk> [UNK] <pad>", "x\u00a0y\u3000z\u200bw", "🙂 emoji 👩‍👩‍👧", "▁under_score ▁ ▁▁x", "<sep>the<sep> old",
    "the   old    man", "\r\n line\r\nends \r", "İstanbul ΣΊΣΥΦΟΣ", "<bos>x<eos>",
]  # fmt: skip
PAIRS = [("the old harbour", "was quiet"), ("", "x"), ("Hello <new>", "Café <mask>")]


# Vocabularies, one file each.


def word_piece(lower=True, special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(hard.PROSE, trainers.WordPieceTrainer(vocab_size=260, special_tokens=list(special), limit_alphabet=90, show_progress=False))
    tokenizer.decoder = decoders.WordPiece()
    cls, sep = (special[2], special[3]) if "[CLS]" in special else ("<s>", "</s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0", pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1", special_tokens=[(t, tokenizer.token_to_id(t)) for t in (cls, sep)]
    )
    return tokenizer


def byte_level(special, split=None, post=None, size=330):
    tokenizer = Tokenizer(models.BPE())
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_]) if split else bytes_
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        hard.PROSE, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=sorted(alphabet), show_progress=False)
    )
    if post:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def pieces(**options):
    lines = hard.PROSE[:8] if options["model_type"] == "bpe" or options.get("byte_fallback") else hard.PROSE
    common = dict(vocab_size=300, num_threads=1, minloglevel=2, hard_vocab_limit=False, character_coverage=0.98, sentence_iterator=iter(lines * 3))
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(**(common | options | dict(model_writer=content)))
    return without_rules(content.getvalue()) if options.get("normalization_rule_name", "nmt_nfkc") != "identity" else content.getvalue()


def without_rules(content):
    """Small rules in place of nmt_nfkc's 240 KB: those of the texts here, from SentencePiece's own compiler."""
    with tempfile.TemporaryDirectory() as directory:
        rules = os.path.join(directory, "rules.tsv")
        pairs = [("ﬁ", "fi"), ("½", "1⁄2"), ("\u00a0", " "), ("\u3000", " "), ("\n", " "), ("\t", " "), ("\r", " "), ("e\u0301", "\u00e9"), ("\u212b", "\u00c5"), ("\u01c4", "D\u017d"), ("\u200b", " ")]
        pairs += [(chr(0xFF21 + i), chr(65 + i)) for i in range(26)] + [(chr(0xFF41 + i), chr(97 + i)) for i in range(26)]
        with open(rules, "w", encoding="utf-8") as file:
            for source, target in pairs:
                file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"] * 9), model_writer=out, vocab_size=10, hard_vocab_limit=False, normalization_rule_tsv=rules, minloglevel=2, num_threads=1
        )
    from sentencepiece import sentencepiece_model_pb2 as proto

    model, small = proto.ModelProto(), proto.ModelProto()
    model.ParseFromString(content)
    small.ParseFromString(out.getvalue())
    model.normalizer_spec.precompiled_charsmap = small.normalizer_spec.precompiled_charsmap
    for field in ("input", "model_prefix"):
        model.trainer_spec.ClearField(field)
    return model.SerializeToString()


def template(single, pair, *tokens):
    return lambda t: processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(x, t.token_to_id(x)) for x in tokens])


def vocabularies():
    roberta = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    wordpiece, cased = word_piece(), word_piece(lower=False)
    mpnet = word_piece(special=("<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"))
    gpt2 = byte_level(["<|endoftext|>"])
    roberta_ = byte_level(roberta, post=lambda t: processors.RobertaProcessing(("</s>", 2), ("<s>", 0)))
    digits = byte_level(["<|endoftext|>", "<|im_end|>"], split=pre_tokenizers.Digits(individual_digits=True))
    llama = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    llama.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    llama.train_from_iterator(
        hard.PROSE,
        trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))], limit_alphabet=60, show_progress=False),
    )
    content = json.loads(llama.to_str())
    content["added_tokens"] = content["added_tokens"][:3]
    llama = Tokenizer.from_str(json.dumps(content))
    llama.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    llama.post_processor = template("<s> $A", "<s> $A <s>:1 $B:1", "<s>")(llama)
    # A generic byte-level file with merges taken whole, an extra token and padding.
    whole = json.loads(digits.to_str())
    whole["model"]["ignore_merges"] = True
    whole["padding"] = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 5, "pad_type_id": 0, "pad_token": "<pad>"}
    byte_pieces = dict(model_type="bpe", byte_fallback=True, vocab_size=480, normalization_rule_name="identity", remove_extra_whitespaces=False)
    result = {
        "wordpiece.json": wordpiece.to_str(), "wordpiece.txt": vocab_txt(wordpiece), "cased.json": cased.to_str(),
        "mpnet.txt": vocab_txt(mpnet), "mpnet.json": mpnet.to_str(), "gpt2.json": gpt2.to_str(), "roberta.json": roberta_.to_str(),
        "digits.json": digits.to_str(), "llama.json": llama.to_str(), "whole.json": json.dumps(whole),
        "xlmr.model": pieces(model_type="unigram"),
        "symbols.model": pieces(model_type="unigram", user_defined_symbols=["<sep>", "the"]),
        "albert.model": pieces(model_type="unigram", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]"], user_defined_symbols=["[MASK]"]),
        "deberta.model": pieces(model_type="unigram", pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]"),
        "llama.model": pieces(**byte_pieces),
        "gemma.model": pieces(**byte_pieces, add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>",
                              user_defined_symbols=["<mask>", "  ", "   "]),
        "bpe-rules.model": pieces(model_type="bpe", vocab_size=250, user_defined_symbols=["<sep>"]),
        "unigram-bytes.model": pieces(model_type="unigram", byte_fallback=True, vocab_size=500),
    }  # fmt: skip
    for name, tokenizer in (("gpt2", gpt2), ("roberta", roberta_), ("digits", digits)):
        content = json.loads(tokenizer.to_str())["model"]
        result[name + ".vocab.json"] = json.dumps(content["vocab"], ensure_ascii=False)
        result[name + ".merges.txt"] = "#version: 0.2\n" + "\n".join(" ".join(m) for m in content["merges"]) + "\n"
    return result


def vocab_txt(tokenizer):
    return "\n".join(token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda x: x[1])) + "\n"


def added(content, special=False, **flags):
    return dict(content=content, lstrip=False, rstrip=False, single_word=False, normalized=not special, special=special) | flags


def cases():
    """Name: (files by name in the directory, tokenizer_config.json and other small files)."""
    result = {}

    def case(name, files, config=None, model_type=None, **more):
        """`files` maps names in the directory to vocabularies; `more` are other JSON files, `_` for `.`."""
        small = {}
        if config is not None:
            small["tokenizer_config.json"] = config
        if model_type is not None:
            small["config.json"] = {"model_type": model_type} | more.pop("model", {})
        for key, value in more.items():
            small[key + ".json"] = value
        result[name] = (files, small)

    def of(name):
        return {"tokenizer.json": name}

    bert = dict(tokenizer_class="BertTokenizer")
    # BERT beside tokenizer.json.
    case("bert-cased-by-config", of("wordpiece.json"), bert | dict(do_lower_case=False))
    case("bert-lower-by-config", of("cased.json"), bert | dict(do_lower_case=True))
    case("bert-default-lowers", of("cased.json"), bert)
    case("bert-accents", of("wordpiece.json"), bert | dict(strip_accents=False, tokenize_chinese_chars=False))
    case("bert-cased-accents", of("cased.json"), bert | dict(do_lower_case=False, strip_accents=True))
    case("bert-no-class-but-type", of("cased.json"), {}, "bert")
    case("bert-generic", of("cased.json"), dict(tokenizer_class="PreTrainedTokenizerFast", do_lower_case=True), "bert")
    case("bert-generic-unknown-class", of("cased.json"), dict(tokenizer_class="NoSuchTokenizer", do_lower_case=True))
    case("distilbert", of("wordpiece.json"), dict(tokenizer_class="DistilBertTokenizer", do_lower_case=False), "distilbert")
    case("electra", of("wordpiece.json"), dict(tokenizer_class="ElectraTokenizerFast"), "electra")
    case("bert-bare", of("wordpiece.json"))
    case("bert-cleanup", of("wordpiece.json"), bert | dict(clean_up_tokenization_spaces=True))
    case("bert-split-special", of("wordpiece.json"), bert | dict(split_special_tokens=True))
    # Added tokens.
    listed = {"260": added("<new>"), "261": added("<New>", True)}
    case("added-decoder", of("wordpiece.json"), bert | dict(added_tokens_decoder=listed))
    case("added-decoder-known", of("wordpiece.json"), bert | dict(added_tokens_decoder={"9": added("the", lstrip=True, normalized=False)}))
    case("added-decoder-gap", of("wordpiece.json"), bert | dict(added_tokens_decoder={"300": added("<new>"), "310": added("x", single_word=True)}))
    case("added-decoder-flags", of("wordpiece.json"), bert | dict(added_tokens_decoder={"4": added("[MASK]", True, lstrip=True, rstrip=True)}))
    case("added-file", of("wordpiece.json"), bert, added_tokens={"<new>": 260, "harb": 261})
    case("added-file-conflict", of("wordpiece.json"), bert, added_tokens={"<new>": 4, "boats": 262})
    case("added-file-ignored", of("wordpiece.json"), bert | dict(added_tokens_decoder=listed), added_tokens={"old": 262})
    case("added-generic", of("gpt2.json"), dict(tokenizer_class="PreTrainedTokenizerFast", added_tokens_decoder={"330": added("<new>", rstrip=True)}, pad_token="<pad>", bos_token="<s>"))
    case("added-generic-file", of("gpt2.json"), dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="</s>"), added_tokens={"<new>": 330, "</s>": 331})
    case("extra-special", of("wordpiece.json"), bert | dict(extra_special_tokens=["<new>", "the"], additional_special_tokens=["old"]))
    case("additional-special", of("wordpiece.json"), bert | dict(additional_special_tokens=["<new>", dict(added("old"), __type="AddedToken")], extra_special_tokens={}))
    case("extra-named", of("wordpiece.json"), bert | dict(image_token="<new>", extra_special_tokens={"audio_token": "<sep>"}))
    case("added-no-form", of("wordpiece.json"), bert | dict(added_tokens_decoder={"4": dict(content="[MASK]", lstrip=True), "260": dict(content="Old")}, cls_token=dict(content="[CLS]", __type="AddedToken", rstrip=True)))
    case("map-file", of("wordpiece.json"), bert, special_tokens_map=dict(mask_token=added("<mask>", lstrip=True), additional_special_tokens=["<new>"]))
    case("map-file-ignored", of("wordpiece.json"), bert | dict(added_tokens_decoder={}), special_tokens_map=dict(mask_token="<mask>"))
    case("other-roles", of("wordpiece.json"), bert | dict(cls_token="[SEP]", sep_token="[CLS]", mask_token="the", pad_token=None))
    # Byte-level.
    case("gpt2-prefix", of("gpt2.json"), dict(tokenizer_class="GPT2Tokenizer", add_prefix_space=True))
    case("gpt2-bos-ignored", of("gpt2.json"), dict(tokenizer_class="GPT2Tokenizer", add_bos_token=True, pad_token=None, clean_up_tokenization_spaces=True))
    case("gpt2-digits", of("digits.json"), dict(tokenizer_class="GPT2Tokenizer", additional_special_tokens=["<|im_end|>"]), "llama")
    case("gpt2-empty-bos", of("gpt2.json"), dict(tokenizer_class="GPT2Tokenizer", bos_token=""))
    case("gpt2-files", {"vocab.json": "gpt2.vocab.json", "merges.txt": "gpt2.merges.txt"}, dict(tokenizer_class="GPT2Tokenizer", add_bos_token=True), "gpt2")
    case("gpt2-files-no-config", {"vocab.json": "gpt2.vocab.json", "merges.txt": "gpt2.merges.txt"}, None, "gpt2", added_tokens={"<new>": 331})
    case("roberta-prefix", of("roberta.json"), dict(tokenizer_class="RobertaTokenizer", add_prefix_space=True))
    case("roberta-plain", of("roberta.json"), {}, "roberta")
    case("roberta-mask", of("roberta.json"), dict(tokenizer_class="RobertaTokenizer", mask_token=dict(added("<mask>", lstrip=True), __type="AddedToken")))
    case("roberta-files", {"vocab.json": "roberta.vocab.json", "merges.txt": "roberta.merges.txt"}, dict(tokenizer_class="RobertaTokenizer", add_prefix_space=True), "roberta")
    case("roberta-generic", of("roberta.json"), dict(tokenizer_class="PreTrainedTokenizerFast", add_prefix_space=True), "modernbert")
    case("bart", of("roberta.json"), dict(tokenizer_class="BartTokenizerFast"))
    case("deberta-v1", {"vocab.json": "roberta.vocab.json", "merges.txt": "roberta.merges.txt"}, dict(
        tokenizer_class="DebertaTokenizer", cls_token="<s>", sep_token="</s>", bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>"))
    case("qwen2", of("digits.json"), dict(tokenizer_class="Qwen2Tokenizer", added_tokens_decoder={"330": added("<new>", True)}, pad_token="<|endoftext|>", bos_token=None), "qwen2")
    case("qwen2-forced", of("digits.json"), dict(tokenizer_class="LlamaTokenizerFast"), "qwen2")
    case("qwen3-generic", of("digits.json"), dict(tokenizer_class="PreTrainedTokenizerFast"), "qwen3")
    case("qwen2-files", {"vocab.json": "digits.vocab.json", "merges.txt": "digits.merges.txt"}, dict(tokenizer_class="Qwen2Tokenizer", additional_special_tokens=["<|im_end|>"], add_prefix_space=None), "qwen2")
    case("cohere", of("digits.json"), dict(tokenizer_class="CohereTokenizerFast", bos_token="<bos>"), "cohere")
    case("gpt-neox", of("digits.json"), dict(tokenizer_class="GPTNeoXTokenizer"), "gpt_neox")
    case("llama-class-byte-level", of("whole.json"), dict(tokenizer_class="LlamaTokenizer", add_bos_token=True), "llama")
    case("generic-padding", of("whole.json"), dict(tokenizer_class="PreTrainedTokenizerFast"), "granite")
    # LLaMA and Gemma.
    case("llama-class", of("llama.json"), dict(tokenizer_class="LlamaTokenizer"), "llama")
    case("llama-legacy", of("llama.json"), dict(tokenizer_class="LlamaTokenizerFast", legacy=True, added_tokens_decoder={"0": added("<unk>", True), "1": added("<s>", True), "2": added("</s>", True), "420": added("<new>", True)}), "llama")
    case("llama-no-prefix", of("llama.json"), dict(tokenizer_class="LlamaTokenizer", add_prefix_space=False, unk_token=None), "llama")
    case("llama-no-class", of("llama.json"), dict(legacy=False), "llama")
    case("mistral", of("llama.json"), dict(tokenizer_class="LlamaTokenizer", add_prefix_space=False), "mistral")
    case("llama-model", {"tokenizer.model": "llama.model"}, dict(tokenizer_class="LlamaTokenizer", add_bos_token=True, add_eos_token=True, legacy=True), "llama")
    case("llama-model-new", {"tokenizer.model": "llama.model"}, dict(tokenizer_class="LlamaTokenizer", added_tokens_decoder={"420": added("<new>", True)}), "llama")
    case("llama-model-bare", {"tokenizer.model": "llama.model"})
    case("llama-model-type", {"tokenizer.model": "llama.model"}, dict(add_bos_token=True), "llama")
    case("mistral-model", {"tokenizer.model": "llama.model"}, dict(tokenizer_class="LlamaTokenizer", add_bos_token=True), "mistral")
    case("phi3-model-renamed", {"tokenizer.model": "gemma.model"}, dict(tokenizer_class="LlamaTokenizer", added_tokens_decoder={"4": added("<|im_end|>", True), "480": added("<new>")}), "phi3")
    case("gemma-model", {"tokenizer.model": "gemma.model"}, dict(tokenizer_class="GemmaTokenizer", add_bos_token=True, additional_special_tokens=["<new>"]), "gemma")
    case("gemma-model-type", {"tokenizer.model": "gemma.model"}, {}, "gemma3_text")
    case("bpe-rules", {"tokenizer.model": "bpe-rules.model"}, {})
    case("unigram-bytes", {"tokenizer.model": "unigram-bytes.model"}, {})
    case("symbols-generic", {"tokenizer.model": "symbols.model"}, dict(additional_special_tokens=[]))
    # Encoders with SentencePiece.
    case("xlmr-model", {"sentencepiece.bpe.model": "xlmr.model"}, dict(tokenizer_class="XLMRobertaTokenizer"), "xlm-roberta")
    case("xlmr-model-type", {"sentencepiece.bpe.model": "symbols.model"}, None, "xlm-roberta")
    case("xlmr-mask", {"sentencepiece.bpe.model": "xlmr.model"}, dict(mask_token=dict(added("<mask>", lstrip=True), __type="AddedToken"), add_prefix_space=False), "xlm-roberta", added_tokens={"<new>": 400})
    case("camembert-model", {"sentencepiece.bpe.model": "xlmr.model"}, dict(tokenizer_class="CamembertTokenizer"), "camembert")
    case("camembert-added", {"sentencepiece.bpe.model": "symbols.model"}, dict(additional_special_tokens=["<s>NOTUSED", "</s>NOTUSED"]), "camembert")
    case("albert-model", {"spiece.model": "albert.model"}, dict(tokenizer_class="AlbertTokenizer"), "albert")
    case("albert-cased", {"spiece.model": "albert.model"}, dict(do_lower_case=False, keep_accents=True, add_eos_token=True), "albert")
    case("deberta-v3-model", {"spm.model": "deberta.model"}, dict(tokenizer_class="DebertaV2Tokenizer", vocab_type="spm", split_by_punct=False), "deberta-v2")
    case("deberta-v2-options", {"spm.model": "deberta.model"}, dict(do_lower_case=True, split_by_punct=True, add_prefix_space=False), "deberta-v2", added_tokens={"[MASK]": 300})
    case("deberta-v2-added", {"spm.model": "deberta.model"}, dict(added_tokens_decoder={"400": added("[MASK]", True), "401": added("<new>")}), "deberta-v2")
    # vocab.txt.
    case("bert-vocab", {"vocab.txt": "wordpiece.txt"}, bert | dict(do_lower_case=False, model_max_length=512), "bert", added_tokens={"<new>": 260})
    case("bert-vocab-type", {"vocab.txt": "wordpiece.txt"}, None, "electra")
    case("mpnet-vocab", {"vocab.txt": "mpnet.txt"}, dict(tokenizer_class="MPNetTokenizer"), "mpnet")
    case("mpnet-json", of("mpnet.json"), dict(tokenizer_class="MPNetTokenizerFast", do_lower_case=False), "mpnet")
    return result


def write_case(directory, vocabulary, files, small):
    os.makedirs(directory)
    for name, source in files.items():
        content = vocabulary[source]
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    for name, content in small.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            json.dump(content, file)


REGISTERED = None


def registered(small):
    """The class that transformers registers for the model type."""
    global REGISTERED
    if REGISTERED is None:
        from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES as REGISTERED
    return REGISTERED.get(small.get("config.json", {}).get("model_type"))


def forced(small):
    """Whether transformers takes that class even where the files name another."""
    from transformers.models.auto.tokenization_auto import MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS as forced

    return small.get("config.json", {}).get("model_type") in forced


def unigram_json(vocabulary):
    """The tokenizer.json files that transformers writes for the SentencePiece encoders, as further vocabularies."""
    from transformers import AutoTokenizer

    for name, kind, file, source in (
        ("xlmr.json", "XLMRobertaTokenizer", "sentencepiece.bpe.model", "xlmr.model"),
        ("albert.json", "AlbertTokenizer", "spiece.model", "albert.model"),
        ("camembert.json", "CamembertTokenizer", "sentencepiece.bpe.model", "symbols.model"),
        ("deberta.json", "DebertaV2Tokenizer", "spm.model", "deberta.model"),
    ):
        with tempfile.TemporaryDirectory() as directory:
            write_case(directory + "/x", vocabulary, {file: source}, {"tokenizer_config.json": dict(tokenizer_class=kind)})
            vocabulary[name] = AutoTokenizer.from_pretrained(directory + "/x").backend_tokenizer.to_str()


def json_cases(found):
    def of(name):
        return {"tokenizer.json": name}

    for name, file, kind, options in (
        ("xlmr-json", "xlmr.json", "XLMRobertaTokenizer", dict(add_prefix_space=False)),
        ("xlmr-json-generic", "xlmr.json", "PreTrainedTokenizerFast", {}),
        ("albert-json", "albert.json", "AlbertTokenizer", dict(do_lower_case=False)),
        ("albert-json-accents", "albert.json", "AlbertTokenizerFast", dict(keep_accents=True, clean_up_tokenization_spaces=True)),
        ("camembert-json", "camembert.json", "CamembertTokenizer", {}),
        ("deberta-json", "deberta.json", "DebertaV2TokenizerFast", dict(do_lower_case=True)),
    ):
        found[name] = (of(file), {"tokenizer_config.json": dict(tokenizer_class=kind) | options})


def reference(directory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def answers(tokenizer, texts, pairs, seed):
    rng = random.Random(seed)
    ids = [tokenizer(text)["input_ids"] for text in texts] + [tokenizer(a, b)["input_ids"] for a, b in pairs]
    known = [i for i in range(len(tokenizer)) if tokenizer.convert_ids_to_tokens(i) is not None]
    chosen = [ids[i] for i in range(0, len(ids), 3)] + [[rng.choice(known) for _ in range(rng.randint(1, 9))] for _ in range(8)]
    decoded = [[c, tokenizer.decode(c, skip_special_tokens=True), tokenizer.decode(c, skip_special_tokens=False)] for c in chosen]
    return ids, decoded


def everything():
    vocabulary, found = vocabularies(), cases()
    unigram_json(vocabulary)
    json_cases(found)
    return vocabulary, found


def fixtures():
    vocabulary, found = everything()
    shutil.rmtree(GOLDEN, ignore_errors=True)
    os.makedirs(GOLDEN)
    lines = []
    with tempfile.TemporaryDirectory() as work:
        for name, (files, small) in found.items():
            directory = os.path.join(work, name)
            write_case(directory, vocabulary, files, small)
            try:
                tokenizer = reference(directory)
                ids, decoded = answers(tokenizer, TEXTS, PAIRS, name)
            except Exception as error:
                print(name, "transformers fails:", type(error).__name__, str(error)[:150])
                continue
            lines.append(json.dumps(dict(name=name, files=files, small=small, registered=registered(small), forced=forced(small), ids=ids, decoded=decoded), ensure_ascii=False))
    used = {source for line in lines for source in json.loads(line)["files"].values()}
    for name in sorted(used):
        content = vocabulary[name]
        with open(os.path.join(GOLDEN, name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    with open(os.path.join(GOLDEN, "texts.json"), "w", encoding="utf-8") as file:
        json.dump(dict(texts=TEXTS, pairs=PAIRS), file, ensure_ascii=False)
    with open(os.path.join(GOLDEN, "cases.jsonl"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print(len(lines), "directories")


def hard_strings(count):
    rng = random.Random(hard.SEED + 9)
    return [hard.hard_text(rng) for _ in range(count)]


def check(binary, keep):
    vocabulary, found = everything()
    texts = TEXTS + list(hard_strings(800))
    work = keep or tempfile.mkdtemp()
    wrong = 0
    for name, (files, small) in found.items():
        directory = os.path.join(work, name)
        shutil.rmtree(directory, ignore_errors=True)
        write_case(directory, vocabulary, files, small)
        try:
            tokenizer = reference(directory)
            expected = [tokenizer(text)["input_ids"] for text in texts]
        except Exception as error:
            print(name, "transformers fails:", str(error)[:100])
            continue
        run = subprocess.run([binary, "tokenize", "--json-input", directory], input="\n".join(json.dumps(t) for t in texts), capture_output=True, text=True)
        got = [json.loads(line) for line in run.stdout.splitlines()]
        bad = [i for i in range(len(texts)) if i >= len(got) or got[i] != expected[i]]
        wrong += len(bad)
        if bad:
            print(name, len(bad), "differ;", run.stderr[:200], repr(texts[bad[0]]), expected[bad[0]], got[bad[0]] if bad[0] < len(got) else None)
    print(len(found), "directories,", len(texts), "texts,", wrong, "differences")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["fixtures", "check"])
    parser.add_argument("binary", nargs="?")
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    if arguments.command == "fixtures":
        fixtures()
    else:
        sys.exit(1 if check(arguments.binary, arguments.keep) else 0)
