"""Golden values for the tokenizers of GPT-2 and LLaMA models, from PyPI's `tokenizers` (0.23) and transformers (5.23).

    python scripts/golden/language_tokenizers.py fixtures
        writes Tests/TokenizersTests/Golden/language: small tokenizers, hard strings with their ids, ids with their texts.

    python scripts/golden/language_tokenizers.py check BINARY DIR... [--text DIR] [--e2e DIR]
        compares in bulk, through `BINARY tokenize DIR --json-input` and `--decode`. A directory with tokenizer.json is
        compared with `tokenizers`, one with tokenizer.model alone with transformers' `AutoTokenizer`. Texts are 5,000 hard strings,
        every line and every whole file of --text, the references of --e2e. Without directories: the small tokenizers.

Texts and ids are made from a fixed seed; the small tokenizers differ from run to run, since the trainer of `tokenizers`
breaks ties at random.
"""

import argparse
import csv
import importlib.util
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import sentencepiece  # noqa: E402
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

specification = importlib.util.spec_from_file_location("hard", os.path.join(HERE, "tokenizers.py"))
hard = importlib.util.module_from_spec(specification)
specification.loader.exec_module(hard)

GOLDEN = os.path.join(hard.GOLDEN, "language")
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
MORE_PARTS = ["'ſ", "'S", "'LL ", "'rE", "\r\n\r\n", " \r", "!\n\n", "…\r\n", "\t\thello", "١٢٣٤", "1234567", "▁", "▁▁a", "a▁", " ▁ ", "<0x41>", "<0x0A>",
              "<|im_start|>", "<|im_end|>\n", "<|eot|>", " <|eot|> ", "😀😃", "ก็", "  \n  ", "\u00a0\u00a0x", "x\n y", "def f():\n\treturn  1", "<sep>", "A<sep> b"]  # fmt: skip


def hard_texts(count, seed):
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        text = hard.hard_text(rng)
        if rng.random() < 0.5:
            at = rng.randint(0, len(text))
            text = text[:at] + "".join(rng.choice(MORE_PARTS) for _ in range(rng.randint(1, 3))) + text[at:]
        texts.append(text)
    return texts


# Small tokenizers


def trained(pre_tokenizer, size, **options):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(hard.PROSE * 3, trainers.BpeTrainer(vocab_size=size, show_progress=False, **options))
    return json.loads(tokenizer.to_str())


def added(first, *tokens):
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return [dict(id=first + i, content=content, **(flags | changes)) for i, (content, changes) in enumerate(tokens)]


def llama():
    """LLaMA-2's tokenizer.json as `transformers` once wrote it: ▁ by normalizers, bytes for unknown scalars."""
    base = trained(pre_tokenizers.Metaspace(), 420, limit_alphabet=70)
    vocab = ["<unk>", "<s>", "</s>", *BYTES, *sorted(base["model"]["vocab"], key=base["model"]["vocab"].get)]
    merges = base["model"]["merges"] + [["▁", "▁"], ["▁▁", "▁▁"]]
    vocab += ["▁▁", "▁▁▁▁"]
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": added(0, ("<unk>", {}), ("<s>", {}), ("</s>", {})) + added(len(vocab), ("<sep>", dict(special=False, normalized=True)), ("<|eot|>", dict(lstrip=True, rstrip=True))),
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, begin, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                     {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=True, byte_fallback=True,
                      ignore_merges=False, vocab={token: i for i, token in enumerate(vocab)}, merges=merges),
    }  # fmt: skip


def byte_level(prefix=False, use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": use_regex}


def split(expression):
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def json_files():
    old = llama()
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    unknown = json.loads(json.dumps(old["model"])) | {"byte_fallback": False, "fuse_unk": False}
    for token in BYTES[:40]:  # holes, so that some scalars have no bytes
        del unknown["vocab"][token]
    bytes_ = trained(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]), 600,
                     initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
    size = len(bytes_["model"]["vocab"])
    chat = added(size, ("<|im_start|>", {}), ("<|im_end|>", {}), ("<|eot|>", dict(special=False, rstrip=True)))
    bytes_ = hard.changed(bytes_, added_tokens=chat, decoder=byte_level(True))
    begin = {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}
    return {
        "llama-bpe": old,
        "llama-metaspace": hard.changed(old, normalizer=None, pre_tokenizer=metaspace),
        "llama-split": hard.changed(
            old, normalizer=None, pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
            decoder={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}),
        "llama-unknown": hard.changed(
            old, normalizer={"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
            pre_tokenizer={"type": "Split", "pattern": {"String": "▁"}, "behavior": "MergedWithPrevious", "invert": False}, model=unknown, decoder=None,
            added_tokens=old["added_tokens"][:3], post_processor=None),
        "llama3": hard.changed(
            bytes_, model__ignore_merges=True, pre_tokenizer=sequence(split(GPT4), byte_level(use_regex=False)),
            post_processor={"type": "Sequence", "processors": [byte_level(), {
                "type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, begin, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [size], "tokens": ["<|im_start|>"]}}}]}),
        "qwen2": hard.changed(bytes_, normalizer={"type": "NFC"}, pre_tokenizer=sequence(split(QWEN), byte_level(use_regex=False))),
        "smollm": hard.changed(bytes_, pre_tokenizer=sequence({"type": "Digits", "individual_digits": True}, byte_level())),
        "pieces": hard.changed(
            bytes_, pre_tokenizer=sequence({"type": "Digits", "individual_digits": False}, {"type": "Punctuation", "behavior": "MergedWithNext"},
                                           {"type": "Split", "pattern": {"String": "e"}, "behavior": "Removed", "invert": False}, byte_level(True, False))),
    }  # fmt: skip


SMALL_RULES = "A\tb\nfoo\tbar baz\n\u00e9\te\n\u3000\t \n\u200b\t\n\uff21\tA\n"


def piece_models():
    """SentencePiece models by name."""
    common = dict(sentence_iterator=None, minloglevel=9, num_threads=1, hard_vocab_limit=False)
    kinds = {
        "sp-bpe": dict(model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                       character_coverage=0.98, split_digits=True, allow_whitespace_only_pieces=True),
        "sp-bpe-symbols": dict(model_type="bpe", vocab_size=600, user_defined_symbols=["<sep>", "the", "<|eot|>"], character_coverage=0.98, rules=True),
        "sp-unigram": dict(model_type="unigram", vocab_size=500, user_defined_symbols=["<sep>"], character_coverage=0.98, rules=True),
        "sp-unigram-bytes": dict(model_type="unigram", vocab_size=600, byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=False,
                                 character_coverage=0.98),
        "sp-suffix": dict(model_type="bpe", vocab_size=600, treat_whitespace_as_suffix=True, normalization_rule_name="identity", character_coverage=0.98),
    }  # fmt: skip
    made = {}
    for name, options in kinds.items():
        with tempfile.TemporaryDirectory() as directory:
            rules = os.path.join(directory, "rules.tsv")
            with open(rules, "w", encoding="utf-8") as file:
                for line in SMALL_RULES.splitlines():
                    source, target = line.split("\t")
                    file.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
            if options.pop("rules", False):
                options["normalization_rule_tsv"] = rules
            content = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(**(common | options | dict(sentence_iterator=iter(hard.PROSE * 3), model_writer=content)))
            # Without the trainer's own paths.
            made[name] = content.getvalue()
    return made


class Reference:
    """What a directory's ids and texts must be."""

    def __init__(self, directory):
        path = os.path.join(directory, "tokenizer.json")
        self.tokenizer = Tokenizer.from_file(path) if os.path.exists(path) else AutoTokenizer.from_pretrained(directory).backend_tokenizer

    def encode(self, text):
        return self.tokenizer.encode(text).ids

    def decode(self, ids, skips):
        return self.tokenizer.decode(ids, skip_special_tokens=skips)

    @property
    def size(self):
        return self.tokenizer.get_vocab_size()

    def random_ids(self, rng):
        """Ids at random, often of single bytes, so that characters are cut."""
        narrow = rng.random() < 0.6
        ids = [rng.randrange(min(self.size, 260) if narrow and rng.random() < 0.8 else self.size) for _ in range(rng.randint(1, 12))]
        return [id for id in ids if self.tokenizer.id_to_token(id) is not None]


def write_models(directory):
    for name, content in json_files().items():
        hard.write_model(os.path.join(directory, name), content)
    for name, content in piece_models().items():
        os.makedirs(os.path.join(directory, name))
        with open(os.path.join(directory, name, "tokenizer.model"), "wb") as file:
            file.write(content)


def fixtures():
    shutil.rmtree(GOLDEN, ignore_errors=True)
    write_models(GOLDEN)
    names = sorted(os.listdir(GOLDEN))
    references = {name: Reference(os.path.join(GOLDEN, name)) for name in names}
    texts = [text for text in hard_texts(400, hard.SEED + 2) if len(text) < 60][:110]
    write_texts(GOLDEN, references, texts, random.Random(hard.SEED + 3), lists=18, encoded=12)


def write_texts(directory, references, texts, rng, lists, encoded):
    """texts.jsonl: each text with its ids for every third tokenizer; decoded.jsonl: random and encoded ids with their texts."""
    names, lines = sorted(references), []
    for number, text in enumerate(texts):
        ids = {name: references[name].encode(text) for name in names if (names.index(name) + number) % 3 == 0}
        lines.append(json.dumps([text, ids], separators=(",", ":")))
    hard.write(os.path.join(directory, "texts.jsonl"), "".join(line + "\n" for line in lines))
    lines = []
    for name in names:
        reference = references[name]
        for ids in [reference.random_ids(rng) for _ in range(lists)] + [reference.encode(text) for text in texts[:encoded]]:
            lines.append(json.dumps([name, ids, reference.decode(ids, True), reference.decode(ids, False)], separators=(",", ":")))
    hard.write(os.path.join(directory, "decoded.jsonl"), "".join(line + "\n" for line in lines))
    total = sum(os.path.getsize(os.path.join(root, name)) for root, _, files in os.walk(directory) for name in files)
    print(f"{len(names)} tokenizers, {len(texts)} texts, {len(lines)} lists of ids, {total} bytes")



# Bulk check


def corpora(options):
    yield "hard strings", hard_texts(5000, hard.SEED)
    for name in sorted(os.listdir(options.text)) if options.text else []:
        with open(os.path.join(options.text, name), encoding="utf-8", newline="") as file:
            text = file.read()
        yield f"lines of {name}", text.split("\n")
        yield f"{name} whole", [text]
    for name in ["devset.csv", "testset_w_refs.csv", "trainset.csv"] if options.e2e else []:
        with open(os.path.join(options.e2e, name), encoding="utf-8", newline="") as file:
            yield f"references of {name}", [row["ref"] for row in csv.DictReader(file)]


def run(arguments, lines):
    done = subprocess.run(arguments, input="".join(line + "\n" for line in lines).encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]


def report(what, cases, expected, answers):
    assert len(answers) == len(expected), f"{len(answers)} answers to {len(expected)} cases"
    wrong = [(c, e, a) for c, e, a in zip(cases, expected, answers) if e != a]
    print(f"{what}: {len(cases)} cases, {len(wrong)} mismatches", flush=True)
    for case, e, a in wrong[:3]:
        print("  case", ascii(case)[:400], "\n  want", ascii(e)[:300], "\n  got ", ascii(a)[:300])
    return len(wrong)


def check_directory(binary, directory, sources):
    reference = Reference(directory)
    name = os.path.basename(os.path.normpath(directory))
    decode = [binary, "tokenize", directory, "--decode"]
    wrong = 0
    for title, texts in sources:
        ids = [reference.encode(text) for text in texts]
        wrong += report(f"{name}, {title}, {sum(map(len, ids))} tokens", texts, ids, run([binary, "tokenize", directory, "--json-input"], map(json.dumps, texts)))
        decoded = [reference.decode(i, True) for i in ids]
        answers = run(decode, map(json.dumps, ids))
        same = sum(t == d for t, d in zip(texts, decoded))
        wrong += report(f"{name}, {title}, decoded ({same} give the text back)", ids, decoded, answers)
    rng = random.Random(hard.SEED + 4)
    lists = [reference.random_ids(rng) for _ in range(5000)]
    wrong += report(f"{name}, random ids", lists, [reference.decode(i, True) for i in lists], run(decode, map(json.dumps, lists)))
    kept = [reference.decode(i, False) for i in lists]
    wrong += report(f"{name}, random ids, special kept", lists, kept, run([*decode, "--keep-special-tokens"], map(json.dumps, lists)))
    return wrong


def every_scalar():
    """Every scalar within words, after an apostrophe, among digits and spaces."""
    scalars = [chr(s) for s in range(0x110000) if not 0xD800 <= s < 0xE000]
    block = lambda form: ["".join(form.replace("#", c) for c in scalars[i : i + 64]) for i in range(0, len(scalars), 64)]  # noqa: E731
    return block("a#1") + block(" #") + block("'#") + block("#\n") + block("\t##")


def check(options):
    wrong = 0
    if options.directories:
        sources = list(corpora(options))
        for directory in options.directories:
            wrong += check_directory(options.binary, directory, sources)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            write_models(temporary)
            texts, scalars = ("hard strings", hard_texts(5000, hard.SEED)), ("every scalar", every_scalar())
            for name in sorted(os.listdir(temporary)):
                sources = [texts, scalars] if name in ["llama3", "smollm"] else [texts]
                wrong += check_directory(options.binary, os.path.join(temporary, name), sources)
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("fixtures")
    bulk = verbs.add_parser("check")
    bulk.add_argument("binary")
    bulk.add_argument("directories", nargs="*")
    bulk.add_argument("--text", help="directory of plain texts")
    bulk.add_argument("--e2e", help="directory of the E2E data set")
    options = parser.parse_args()
    fixtures() if options.verb == "fixtures" else check(options)


if __name__ == "__main__":
    main()
