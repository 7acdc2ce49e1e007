"""Golden values for tokenizer.json of every kind that models in use have, from PyPI's `tokenizers` (0.23).

    python scripts/golden/tokenizer_kinds.py fixtures
        writes Tests/TokenizersTests/Golden/kinds: small tokenizers, hard strings with their ids, ids with their texts.

    python scripts/golden/tokenizer_kinds.py check BINARY [KIND...] [--text FILE...] [--glue DIR] [--size N]
        trains each kind with N tokens on the first of the texts, and SentencePiece's rules in full, and compares in bulk
        through `BINARY tokenize`: 5,000 hard strings, every line of the texts, the sentences of GLUE, random ids.

    python scripts/golden/tokenizer_kinds.py write DIR [KIND...] [--text FILE...] [--size N]
        writes such tokenizers, for scripts/tokenizer_bench.py and `swift-peft-bench tokenizer`.
"""

import argparse
import base64
import importlib.util
import io
import json
import os
import random
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import sentencepiece  # noqa: E402
from sentencepiece import sentencepiece_model_pb2  # noqa: E402
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers  # noqa: E402

specification = importlib.util.spec_from_file_location("language", os.path.join(HERE, "language_tokenizers.py"))
language = importlib.util.module_from_spec(specification)
specification.loader.exec_module(language)
hard, added, byte_level, split, sequence = language.hard, language.added, language.byte_level, language.split, language.sequence

GOLDEN = os.path.join(hard.GOLDEN, "kinds")
MARK = "▁"
O200K_WORDS = [
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
]
REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join([*(word + CONTRACTIONS for word in O200K_WORDS), r"\p{N}{1,3}", REST])
TEKKEN = "|".join([*O200K_WORDS, r"\p{N}", REST])
DEEPSEEK = [
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]
DEEPSEEK_CODE = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"]
HARD = ["ǅungla McDonald's IT'S", "e\u0301\u0323 ả̖", "👨‍👩‍👧‍👦🏽", "x\u0301\u0302", "我们カタカナ123年", "a/b//c\r\n/", "١٢٣४५६", "\u0378\U00031350\U0001e4d0", "  ,\n\n x", "\u00ad\u200b\u2060",
        "``quoted''", "a  b   c", "ﬁ①Ⅳ㎏", "\u1f88\u0345", "|||IP_ADDRESS|||", "<start_of_turn>user\n", "[MASK] x [MASK]", "\t\t", "\x01\x7f\x8f", "ＡＢＣ", "h h||e<pad>e"]  # fmt: skip


def hard_texts(count, seed):
    rng = random.Random(seed)
    texts = []
    for text in language.hard_texts(count, seed):
        if rng.random() < 0.5:
            at = rng.randint(0, len(text))
            text = text[:at] + "".join(rng.choice(HARD) for _ in range(rng.randint(1, 3))) + text[at:]
        texts.append(text)
    return texts


# Vocabularies


class Corpus:
    """What the tokenizers are trained on, and how large."""

    def __init__(self, lines, size, rules):
        self.lines, self.size, self.rules = lines, size, rules

    def byte_pairs(self, pre_tokenizer, **options):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.train_from_iterator(self.lines, trainers.BpeTrainer(vocab_size=self.size, show_progress=False, **options))
        return json.loads(tokenizer.to_str())

    def pieces(self, **options):
        """Pieces with scores, and the rules in Base64."""
        with tempfile.TemporaryDirectory() as directory:
            common = dict(model_type="unigram", vocab_size=self.size, character_coverage=0.99, minloglevel=9, num_threads=1, hard_vocab_limit=False)
            if self.rules == "small":
                common["normalization_rule_tsv"] = os.path.join(directory, "rules.tsv")
                with open(common["normalization_rule_tsv"], "w", encoding="utf-8") as file:
                    for line in (language.SMALL_RULES + "ﬁ\tfi\n①\t1\ne\u0301\té\n").splitlines():
                        source, target = line.split("\t")
                        file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
            else:
                common["normalization_rule_name"] = self.rules
            content = io.BytesIO()
            lines = iter([line for line in self.lines if 0 < len(line) < 4000])
            sentencepiece.SentencePieceTrainer.train(**(common | options | dict(sentence_iterator=lines, model_writer=content)))
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(content.getvalue())
        kept = [[p.piece, p.score] for p in model.pieces if p.type == model.SentencePiece.NORMAL]
        return kept, base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def template(begin, end, vocabulary):
    def special(*tokens):
        return [{"SpecialToken": {"id": token, "type_id": 0}} for token in tokens if token]

    texts = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    return {"type": "TemplateProcessing", "single": special(begin) + texts[:1] + special(end),
            "pair": special(begin) + texts[:1] + special(end, end) + texts[1:] + special(end),
            "special_tokens": {t: {"id": t, "ids": [vocabulary[t]], "tokens": [t]} for t in [begin, end] if t}}  # fmt: skip


def metaspace(scheme="always", splits=True):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": splits}


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def normalizers(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


def whole(model, **parts):
    empty = dict(version="1.0", truncation=None, padding=None, added_tokens=[], normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None)
    return empty | parts | {"model": model}


# Tokenizers


def unigrams(corpus):
    pieces, rules = corpus.pieces()
    precompiled = {"type": "Precompiled", "precompiled_charsmap": rules}
    special = ["<s>", "<pad>", "</s>", "<unk>"]

    def model(special, pieces, unknown, **options):
        names = [*special, *(piece for piece, _ in pieces)]
        vocabulary = [[token, 0.0] for token in special] + pieces
        return dict(type="Unigram", unk_id=unknown, vocab=vocabulary, byte_fallback=False) | options, {name: i for i, name in enumerate(names)}

    base, ids = model(special, pieces, 3)
    tokens = added(0, *((token, {}) for token in special))
    words = sequence({"type": "WhitespaceSplit"}, metaspace())
    yield "xlm-roberta", whole(base, added_tokens=tokens + added(len(ids), ("<mask>", dict(lstrip=True))), normalizer=precompiled, pre_tokenizer=words,
                               post_processor=template("<s>", "</s>", ids), decoder=metaspace())  # fmt: skip
    yield "camembert", whole(base, added_tokens=tokens, normalizer=normalizers(precompiled, replace({"Regex": " {2,}"}, " ")), pre_tokenizer=metaspace(),
                             post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True}, decoder=metaspace())  # fmt: skip
    base, ids = model(["<pad>", "</s>", "<unk>"], pieces, 2)
    yield "t5", whole(base, added_tokens=added(0, *((token, {}) for token in ["<pad>", "</s>", "<unk>"])) + added(len(ids), ("<extra_id_1>", {}), ("<extra_id_0>", dict(rstrip=True))),
                      normalizer=precompiled, pre_tokenizer=sequence(metaspace()), post_processor=template(None, "</s>", ids), decoder=metaspace())  # fmt: skip
    lower, rules = corpus.pieces(normalization_rule_name="nmt_nfkc_cf") if corpus.rules != "small" else (pieces, rules)
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    base, ids = model(special, lower, 1)
    tokens = added(0, *((token, dict(lstrip=token == "[MASK]")) for token in special))
    yield "albert", whole(
        base, added_tokens=tokens, decoder=metaspace(), pre_tokenizer=metaspace(), post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        normalizer=normalizers(replace({"String": "``"}, '"'), replace({"String": "''"}, '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                               {"type": "Precompiled", "precompiled_charsmap": rules}, replace({"Regex": " {2,}"}, " ")))  # fmt: skip
    yield "deberta-v3", whole(
        base, added_tokens=tokens, decoder=metaspace("first"), pre_tokenizer=sequence({"type": "Punctuation", "behavior": "Isolated"}, metaspace("first")),
        normalizer=normalizers(replace({"Regex": r"\s{2,}|[\n\r\t]"}, " "), {"type": "NFC"}, {"type": "Strip", "strip_left": False, "strip_right": True}),
        post_processor=template("[CLS]", "[SEP]", ids))  # fmt: skip
    fallback, ids = model(["<unk>", *language.BYTES], pieces, 0, byte_fallback=True)
    yield "unigram-bytes", whole(
        fallback, added_tokens=added(0, ("<unk>", {})), normalizer=normalizers({"type": "Nmt"}, replace({"Regex": r"(?<=\d)(?=\d)|x*"}, "·")), pre_tokenizer=metaspace("never", False),
        decoder={"type": "Sequence", "decoders": [{"type": "ByteFallback"}, replace({"Regex": f"{MARK}+|(?=b)"}, " "), {"type": "Fuse"}]})  # fmt: skip


def byte_pairs(corpus):
    def of_bytes(*steps, alphabet=True, tokens=(), **parts):
        trained = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(step), "isolated") for step in steps] + [pre_tokenizers.ByteLevel(False, use_regex=False)])
        base = corpus.byte_pairs(trained, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet else [])
        size = len(base["model"]["vocab"])
        splits = sequence(*map(split, steps), byte_level(use_regex=False))
        return hard.changed(base, **(dict(pre_tokenizer=splits, decoder=byte_level(), added_tokens=added(size, *tokens)) | parts)), size

    chat = [("<|im_start|>", {}), ("<|im_end|>", {}), ("<|eot|>", dict(special=False, rstrip=True))]
    yield "o200k", of_bytes(O200K, tokens=chat)[0]
    tekken, size = of_bytes(TEKKEN, tokens=[("[INST]", {}), *chat], model__ignore_merges=True)
    yield "tekken", hard.changed(tekken, post_processor=template("[INST]", None, {"[INST]": size}))
    yield "deepseek-v3", of_bytes(*DEEPSEEK, tokens=chat)[0]
    code, _ = of_bytes(*DEEPSEEK_CODE, tokens=chat)
    code["pre_tokenizer"]["pretokenizers"].insert(-1, {"type": "Digits", "individual_digits": True})
    yield "deepseek-coder", code
    llama, size = of_bytes(language.GPT4, tokens=chat)
    yield "llama3", hard.changed(llama, model__ignore_merges=True, post_processor={"type": "Sequence", "processors": [byte_level(), template("<|im_start|>", None, {"<|im_start|>": size})]})
    yield "qwen2", of_bytes(language.QWEN, tokens=chat, normalizer={"type": "NFC"})[0]
    gpt2, size = of_bytes(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", normalizer={"type": "NFC"}, pre_tokenizer=byte_level(), tokens=[
        ("|||IP_ADDRESS|||", dict(special=False, normalized=True)), ("  ", dict(special=False, normalized=True)), ("    ", dict(special=False, normalized=True)), ("|||EMAIL|||", dict(special=False, normalized=True)),
        ("\t\t", dict(special=False, normalized=True)), ("[CLS]", {}), ("[SEP]", {}), ("[MASK]", dict(lstrip=True)), ("[unused0]", dict(special=False, normalized=True))])  # fmt: skip
    yield "modernbert", hard.changed(gpt2, post_processor=template("[CLS]", "[SEP]", {"[CLS]": size + 5, "[SEP]": size + 6}))
    yield "byte-normalizer", hard.changed(gpt2, normalizer={"type": "ByteLevel"}, pre_tokenizer={"type": "Split", "pattern": {"Regex": "Ġ?[^Ġ]*"}, "behavior": "MergedWithPrevious", "invert": True})


def pieced(corpus):
    """Byte pairs over ▁, bytes for unknown scalars."""
    base = corpus.byte_pairs(pre_tokenizers.Metaspace(prepend_scheme="never"), limit_alphabet=70)["model"]
    first = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    names = [*first, *language.BYTES, *sorted(base["vocab"], key=base["vocab"].get)]
    names += [MARK * n for n in (2, 4, 8) if MARK * n not in names]
    merges = base["merges"] + [[MARK, MARK], [MARK * 2, MARK * 2], [MARK * 4, MARK * 4]]
    ids = {name: i for i, name in enumerate(names)}
    model = dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=True, byte_fallback=True, ignore_merges=False,
                 vocab=ids, merges=merges)  # fmt: skip
    tokens = added(0, *((token, {}) for token in first))
    spaces = [replace({"String": MARK}, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    yield "gemma", whole(model, added_tokens=tokens, normalizer=replace({"String": " "}, MARK), pre_tokenizer={"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
                         post_processor=template("<bos>", None, ids), decoder={"type": "Sequence", "decoders": spaces})  # fmt: skip
    yield "phi3", whole(model, added_tokens=tokens + added(len(ids), ("<|end|>", dict(rstrip=True)), ("<|user|>", dict(rstrip=True))),
                        normalizer=normalizers({"type": "Prepend", "prepend": MARK}, replace({"String": " "}, MARK)),
                        decoder={"type": "Sequence", "decoders": [*spaces, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})  # fmt: skip
    yield "mistral", whole(model, added_tokens=tokens, pre_tokenizer=metaspace("first", False), post_processor=template("<bos>", None, ids),
                           decoder={"type": "Sequence", "decoders": [*spaces, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})  # fmt: skip


def words(corpus):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(corpus.lines, trainers.WordLevelTrainer(vocab_size=corpus.size, special_tokens=["<unk>", "<pad>", "|"], show_progress=False))
    base = json.loads(tokenizer.to_str())
    yield "words", hard.changed(base, normalizer={"type": "Lowercase"})
    letters = hard.changed(base, pre_tokenizer=sequence({"type": "CharDelimiterSplit", "delimiter": "e"}, {"type": "FixedLength", "length": 1}),
                           decoder={"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True})  # fmt: skip
    names = ["<unk>", "<pad>", "|", *sorted(set("".join(hard.PROSE)) - {"|"})]
    yield "letters", hard.changed(letters, model__vocab={name: i for i, name in enumerate(names)}, added_tokens=added(0, ("<unk>", {}), ("<pad>", dict(special=False))))
    for behavior in ["Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            step = {"type": "Split", "pattern": {"Regex": r"[aeiou]*|\s(?=\S)"}, "behavior": behavior, "invert": invert}
            yield f"split-{behavior.lower()}{'-inverted' if invert else ''}", hard.changed(letters, pre_tokenizer=step, decoder=None)


def tokenizers(corpus, wanted=()):
    for maker in (unigrams, byte_pairs, pieced, words):
        for name, content in maker(corpus):
            if not wanted or name in wanted:
                yield name, content


def fixtures():
    shutil.rmtree(GOLDEN, ignore_errors=True)
    made = dict(tokenizers(Corpus(hard.PROSE * 3, 400, "small")))
    for name, content in made.items():
        if name.startswith("split-"):
            # The same vocabulary for all.
            content = hard.changed(content, model__vocab={name: i for i, name in enumerate(["<unk>", "<pad>", "|", *"abcdefgs trn", "th", "e "])})
        hard.write_model(os.path.join(GOLDEN, name), content)
    names = sorted(made)
    # Of an expression that takes for ever: `tokenizers` panics on some texts, so it has no golden values.
    step = split("(a|a|aa)+$")
    hard.write_model(os.path.join(GOLDEN, "hostile"), hard.changed(made["words"], pre_tokenizer=step, model__vocab={"<unk>": 0, "<pad>": 1, "|": 2, "a": 3}))
    references = {name: language.Reference(os.path.join(GOLDEN, name)) for name in names}
    texts = [text for text in hard_texts(400, hard.SEED + 5) if len(text) < 60][:100]
    language.write_texts(GOLDEN, references, texts, random.Random(hard.SEED + 6), lists=10, encoded=6)



def training_corpus(options):
    lines = list(hard.PROSE) * 3
    if options.text:
        with open(options.text[0], encoding="utf-8", newline="") as file:
            lines += file.read().split("\n")
    return Corpus(lines, options.size, "nmt_nfkc")


def corpora(options):
    yield "hard strings", hard_texts(5000, hard.SEED)
    for path in options.text:
        with open(path, encoding="utf-8", newline="") as file:
            yield f"lines of {os.path.basename(path)}", file.read().split("\n")
    if options.glue:
        rng = random.Random(hard.SEED)
        texts = sorted({text for pair in hard.glue_texts(options.glue) for text in pair if text is not None})
        yield "sentences of GLUE", rng.sample(texts, min(options.sentences, len(texts)))


def check(options):
    wrong, sources = 0, list(corpora(options))
    with tempfile.TemporaryDirectory() as temporary:
        for name, content in tokenizers(training_corpus(options), options.kinds):
            directory = os.path.join(temporary, name)
            hard.write_model(directory, content)
            scalars = [("every scalar", language.every_scalar())] if name in ["o200k", "deepseek-v3", "words", "unigram-bytes"] else []
            wrong += language.check_directory(options.binary, directory, sources + scalars)
    print(f"{wrong} mismatches in all")
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("fixtures")
    for verb, what in [("check", "binary"), ("write", "directory")]:
        bulk = verbs.add_parser(verb)
        bulk.add_argument(what)
        bulk.add_argument("kinds", nargs="*")
        bulk.add_argument("--text", nargs="*", default=[])
        bulk.add_argument("--glue")
        bulk.add_argument("--sentences", type=int, default=10**9)
        bulk.add_argument("--size", type=int, default=4000)
    options = parser.parse_args()
    if options.verb == "fixtures":
        fixtures()
    elif options.verb == "check":
        check(options)
    else:
        for name, content in tokenizers(training_corpus(options), options.kinds):
            hard.write_model(os.path.join(options.directory, name), content)


if __name__ == "__main__":
    main()
