"""Golden values for Sources/Tokenizers from the PyPI library `tokenizers` (0.23).

    python scripts/golden/tokenizers.py fixtures
        writes Tests/TokenizersTests/Golden: small tokenizers, hard strings with their ids, classes of scalars.

    python scripts/golden/tokenizers.py check BINARY [--cases] [--model DIR]... [--glue DIR]
        compares in bulk. Without --cases through the ordinary verb, `BINARY tokenize DIR` (a text a line, pairs with a
        TAB, ids of the whole text back). With --cases `BINARY tokenize DIR --cases` must read a JSON array
        [text, pair, max_length] a line and answer [ids, type_ids].

Everything is made from a fixed seed.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

SEED = 20240611
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Tests", "TokenizersTests", "Golden")

PROSE = """The old harbour lay quiet under the morning fog, and nobody in the village had heard the boats return.
She wasn't sure whether they'd come back before noon; he's said they would, but I'd rather wait and see.
In 1987 the bridge cost 12,500 crowns - about $1,300 at today's rates - and it's still standing, isn't it?
"We'll measure it twice," said the carpenter, "and cut it once; you've got to be careful with old wood."
A tokenizer reads text from left to right; unbelievable words become un, believ and able, or something like it.
Der Fluß war über die Ufer getreten, und die Straßen glänzten naß; größere Schäden blieben jedoch aus.
Le garçon a mangé une pêche près de la forêt où l'on entendait déjà les oiseaux; ça lui plaît énormément.
El niño comió un plátano mañana por la mañana, ¿verdad? ¡Qué extraño! Preguntó el señor Núñez.
Старый маяк стоял на скале и светил рыбакам каждую ночь, когда с моря поднимался туман.
Ο γέρος ψαράς κοίταζε τη θάλασσα και θυμόταν τους παλιούς φίλους του, τον Οδυσσέα και τον Ορφέα.
老人坐在海边看着船回来,天空很蓝,海水很静。今天的鱼比昨天多。
古い港は朝霧の中で静かに眠っていた。カモメが鳴いて、ﾃｽﾄも終わった。
오래된 항구는 아침 안개 속에 조용히 누워 있었다. 배는 아직 돌아오지 않았다.
كان الميناء القديم هادئا تحت ضباب الصباح ولم يسمع أحد في القرية عودة القوارب.
הנמל הישן היה שקט בערפל הבוקר ואיש בכפר לא שמע את הסירות חוזרות.
पुराना बंदरगाह सुबह के कोहरे में शांत था और गाँव में किसी ने नावों को लौटते नहीं सुना।
İstanbul'da ışıklar yandı; ılık bir rüzgâr esiyordu. Việt Nam có nhiều món ăn ngon lắm. Ångström naïve café résumé.
def main(argv): return [x ** 2 for x in range(10) if x % 2 == 0]  # https://example.org/a?b=c&d=e_f
""".splitlines()

PARTS = [
    # words, contractions, numbers, punctuation
    *"the a Harbour don't I'LL they've 's ''s 'll 'RE 're x's we'd'd 3.14 1,000 1987 ½ ² Ⅷ ٣٤ १२ 𝟘𝟙 10th #tag @me e_f a-b".split(),
    "...", "?!", "--", "—", "«»", "“”", "‘’", "¿", "、。", "！？", "$", "€", "+=", "^`|~", "\\", "'", "\"", "᙭", "𑇉", "⸺", "‿", "·", "׀",
    # white space and line ends
    " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000",
    "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", " \n ", "\t\t ", "\u2003\u2003",
    # combining marks, composed and decomposed, out of order
    "é", "e\u0301", "ñ", "n\u0303", "Å", "A\u030a", "\u212b", "ạ\u0302", "a\u0302\u0323", "q\u0307\u0323", "q\u0323\u0307", "\u0301",
    "o\u0308\u0304", "ǭ", "\u0344", "\u0345\u0301", "ᾳ", "\u1fb3\u0301", "Z\u0351\u036b\u0343\u032a\u0302\u036b\u033d", "ⱼ\u20dd",
    "ệ", "Việt", "ਸ਼", "क़", "\u0915\u093c", "ড়", "ฟ้ำ", "ลำ", "བོད", "\u0f73\u0f75\u0f81", "\u1734", "\U0001171e", "\u1885", "\ua9bd", "\u1cf2",
    "\u08d4", "\u0d00", "\u1df6", "\U0001e944", "\U00011938", "\U00011935\U00011930", "\u0898", "\u1acf", "\U00010efd",
    # case
    "İ", "ı", "I", "ß", "ẞ", "ΣΑΣ", "σς", "ΌΔΟΣ.", "ǅ", "Ǆ", "ﬀ", "ﬃ", "ﬅ", "K", "Ω", "ⅷ", "Ⓐ", "Ꭰ", "ꭰ", "𐐀", "𐐨", "Ⴀ", "ა", "Ა", "Ⲁ",
    # Hangul, CJK, kana, fullwidth
    "한국어", "\u1112\u1161\u11ab", "\u1100\u1161", "\uac00\u11a8", "ㅎㅏㄴ", "中文", "漢字仮名", "\u4dbf\u4dc0\u4e00", "\u9fff", "\ua000", "\U00020000", "\U0002a6e0",
    "\U0002b820", "\U0002ceb0", "\U00030000", "\uf900", "\U0002f800", "〇", "々", "ひらがな", "が", "か\u3099", "ｶﾞ", "カナ", "ＡＢＣ１２３！", "㍿", "㌀", "㋿", "️",
    # emoji, joiners, variation selectors, flags, tags
    "😀", "👨\u200d👩\u200d👧\u200d👦", "👍🏽", "🏳️\u200d🌈", "🇩🇪", "🏴\U000e0067\U000e0062\U000e007f", "☺", "☺️", "1️⃣", "🫠", "🪿", "🫩",
    # right to left, Indic, Thai, others
    "مرحبا", "بِسْمِ", "ﷺ", "ﻻ", "שלום", "שׁ", "ﬠ", "नमस्ते", "ক্ষ", "தமிழ்", "ไทย", "ខ្មែរ", "မြန်မာ", "ქართული", "አማርኛ", "ᚠᚢᚦ", "𓀀", "\U00013430",
    # controls, formats, zero width, private use, unassigned, noncharacters, replacement
    "\x00", "\x01", "\x07", "\x08", "\x1b[0m", "\x7f", "\x80", "\x9f", "\xad", "\u200b", "\u200c", "\u200d", "\u200e", "\u202e", "\u2060", "\u2066",
    "\u061c", "\u08e2", "\u0890", "\U000110cd", "\U000e0001", "\ue000", "\uf8ff", "\U000f0000", "\U0010fffd", "\u0378", "\u0e80", "\ufdd0", "\uffff", "\ufffd", "\U0010ffff",
    "\U0001fbf0", "\ua7cb", "\ua7ce", "\u1c89", "\U00010d40", "\U00011de0", "\ua7f2", "\u2e5d", "\u2e43", "\U00011b00", "\U000105c9", "\U000113c5",
    # tokens in the text
    "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[mask]", "[sep]", "[ SEP ]", "<s>", "</s>", "<pad>", "<unk>", "<mask>", " <mask> ", "\n<mask>\t",
    "<MASK>", "<|endoftext|>", "<|endoftext|", "<<mask>>", "##ing", "##", "Ġthe", "Ċ", "▁", "<new>", "wordtoken", "Trim", " Trim  ", "NORMÉ", "normé",
    # long
    "a" * 99, "b" * 100, "c" * 101, "é" * 101, "ab" * 300, "x1" * 60, "-" * 120, "字" * 60, " " * 40, "\u0301" * 40, "anti" * 40, "'s" * 30,
]  # fmt: skip


def hard_text(rng):
    kind = rng.random()
    if kind < 0.02:
        return ""
    if kind < 0.12:
        return "".join(chr(random_scalar(rng)) for _ in range(rng.randint(1, 30)))
    if kind < 0.25:
        line = list(rng.choice(PROSE))
        for _ in range(rng.randint(0, 6)):
            line.insert(rng.randint(0, len(line)), rng.choice(PARTS))
        return "".join(line)
    glue = rng.choice(["", "", " "])
    count = rng.randint(1, 40) if rng.random() < 0.3 else rng.randint(1, 8)
    return glue.join(rng.choice(PARTS) if rng.random() < 0.85 else rng.choice(rng.choice(PROSE).split()) for _ in range(count))


def random_scalar(rng):
    while True:
        scalar = rng.choice([rng.randrange(0x110000), rng.randrange(0x3000), rng.randrange(0x300), rng.randrange(0x1F000)])
        if not 0xD800 <= scalar < 0xE000:
            return scalar


def hard_cases(count, seed=SEED):
    """(text, pair or None, max_length or None); a max_length has room for four special tokens."""
    rng = random.Random(seed)
    return [
        (
            hard_text(rng),
            hard_text(rng) if rng.random() < 0.4 else None,
            rng.choice([None, None, None, 4, 5, 6, 7, 8, 9, 12, 16, 17, 31, 32, 64, 128]),
        )
        for _ in range(count)
    ]


def encode(tokenizer, text, pair, max_length):
    tokenizer.no_padding()
    tokenizer.no_truncation() if max_length is None else tokenizer.enable_truncation(max_length)
    encoding = tokenizer.encode(text, pair)
    return encoding.ids, encoding.type_ids


# Small tokenizers


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, limit_alphabet=400, show_progress=False)
    tokenizer.train_from_iterator(PROSE * 3, trainer)
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    return json.loads(tokenizer.to_str())


def byte_pairs():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(PROSE * 3, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return json.loads(tokenizer.to_str())


def changed(base, **changes):
    """A copy of a tokenizer.json with `model__x`, `normalizer`, … replaced."""
    copy = json.loads(json.dumps(base))
    for key, value in changes.items():
        part, _, field = key.partition("__")
        if field:
            copy[part][field] = value
        else:
            copy[part] = value
    return copy


def bert_normalizer(clean, cjk, accents, lower):
    return {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": cjk, "strip_accents": accents, "lowercase": lower}


def byte_level(prefix_space=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": True, "use_regex": regex}


def added(next_id, *tokens):
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return [dict(flags, id=next_id + i, content=content, **chosen) for i, (content, chosen) in enumerate(tokens)]


def no_merges(normalizer, **changes):
    """A byte-level tokenizer without merges: its ids are the bytes of the normalised text."""
    vocab = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocab, "merges": []}
    base = dict.fromkeys(["truncation", "padding", "post_processor", "decoder"])
    base.update(version="1.0", added_tokens=[], normalizer=normalizer, pre_tokenizer=byte_level(), model=model)
    return changed(base, **changes)


def tokenizer_files():
    """tokenizer.json by name: two trained ones and variants that reach every supported component and option."""
    bert, bpe = wordpiece(), byte_pairs()
    size, bpe_size = len(bert["model"]["vocab"]), len(bpe["model"]["vocab"]) + 1
    extra = [
        ("<new>", dict(normalized=True)),
        ("wordtoken", dict(single_word=True)),
        ("Trim", dict(lstrip=True, rstrip=True)),
        ("NORMÉ", dict(normalized=True)),
        ("e_f", dict(single_word=True, normalized=True)),
    ]
    plain = {"type": "BPE", "dropout": 0.0, "unk_token": "?", "fuse_unk": True, "ignore_merges": True}
    letters = ["?", *"abcdehrinostu", *("##" + c for c in "abcdehrinostu"), "s</w>", "##s</w>", "##e</w>", "th", "in", "re", "the"]
    plain["vocab"] = {token: i for i, token in enumerate(letters)}
    plain["merges"] = [["t", "##h"], ["i", "##n"], ["r", "##e"], ["th", "##e"]]
    plain.update(continuing_subword_prefix="##", end_of_word_suffix="</w>")
    return {
        "wordpiece": bert,
        "byte-bpe": bpe,
        "wordpiece-cased": changed(
            bert, normalizer=bert_normalizer(True, False, None, False), model__max_input_chars_per_word=12,
            post_processor={"type": "BertProcessing", "sep": ["[SEP]", bert["model"]["vocab"]["[SEP]"]], "cls": ["[CLS]", bert["model"]["vocab"]["[CLS]"]]},
            added_tokens=bert["added_tokens"] + added(size, *extra)),
        "wordpiece-sequence": changed(
            bert, normalizer={"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "NFC"}]},
            added_tokens=bert["added_tokens"] + added(size, *extra)),
        "byte-bpe-prefix": changed(
            bpe, pre_tokenizer={"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, byte_level(True)]},
            normalizer={"type": "NFKC"}, post_processor={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
            added_tokens=bpe["added_tokens"] + added(bpe_size, *extra)),
        "byte-bpe-whole": changed(
            bpe, pre_tokenizer=byte_level(True, False), model__ignore_merges=True,
            model__merges=[m if isinstance(m, str) else " ".join(m) for m in bpe["model"]["merges"]],
            post_processor={"type": "Sequence", "processors": [
                {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
                {"type": "TemplateProcessing", "special_tokens": {"both": {"id": "both", "ids": [2, 0], "tokens": ["</s>", "<s>"]}},
                 "single": [{"Sequence": {"id": "A", "type_id": 3}}, {"SpecialToken": {"id": "both", "type_id": 1}}],
                 "pair": [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "both", "type_id": 2}}, {"Sequence": {"id": "A", "type_id": 0}}]}]}),
        "bpe-affixes": changed(no_merges(None), model=plain, pre_tokenizer={"type": "BertPreTokenizer"}),
    }  # fmt: skip


def sweep_files():
    """Tokenizers whose ids are the bytes of the normalised text, one for every normalizer."""
    forms = {name: {"type": name} for name in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]}
    forms["clean"] = bert_normalizer(True, False, False, False)
    forms["bert"] = bert_normalizer(True, True, None, True)
    forms["accents"] = bert_normalizer(False, True, True, False)
    return {"sweep-" + name: no_merges(normalizer) for name, normalizer in forms.items()}


def sweep_texts():
    scalars = [chr(s) for s in range(0x110000) if not 0xD800 <= s < 0xE000]
    return [("a".join(scalars[i : i + 64]), None, None) for i in range(0, len(scalars), 64)]


# Fixtures


def ranges(members):
    result = []
    for scalar in members:
        if result and result[-1][1] == scalar - 1:
            result[-1][1] = scalar
        else:
            result.append([scalar, scalar])
    return result


def scalar_classes():
    """Ranges of scalars by class, found out by asking the library about each."""
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    ideographs = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    marks, bert, level = normalizers.StripAccents(), pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = Tokenizer(models.WordLevel({"[U]": 0}, unk_token="[U]"))
    words.add_tokens([AddedToken("zqz", single_word=True, normalized=False)])

    def joins(left, c):
        return len(level.pre_tokenize_str(left + c)) == 1

    tests = {
        "bertControl": lambda c: clean.normalize_str(c) == "" and c not in "\0\ufffd",
        "bertAccent": lambda c: accents.normalize_str(c) == "",
        "bertIdeograph": lambda c: ideographs.normalize_str(c).startswith(" ") and c != " ",
        "bertPunctuation": lambda c: len(bert.pre_tokenize_str("a" + c + "a")) == 3,
        "space": lambda c: len(bert.pre_tokenize_str("a" + c + "a")) == 2,
        "combiningMark": lambda c: marks.normalize_str(c) == "",
        "letter": lambda c: joins("a", c),
        "number": lambda c: joins("1", c),
        "word": lambda c: 1 not in words.encode("zqz" + c).ids,
    }
    found = {name: [] for name in tests}
    for scalar in range(0x110000):
        if not 0xD800 <= scalar < 0xE000:
            for name, test in tests.items():
                if test(chr(scalar)):
                    found[name].append(scalar)
    return {name: ranges(members) for name, members in found.items()}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_model(directory, content):
    write(os.path.join(directory, "tokenizer.json"), compact(content).replace('"vocab":', '\n"vocab":').replace('"merges":', '\n"merges":') + "\n")


def fixtures():
    for name in os.listdir(GOLDEN):
        path = os.path.join(GOLDEN, name)
        if name in ["directories", "kinds", "language"]:  # the scripts beside this one write those
            continue
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    files = tokenizer_files()
    tokenizers = {name: Tokenizer.from_str(json.dumps(content)) for name, content in files.items()}
    for name, content in files.items():
        write_model(os.path.join(GOLDEN, name), content)
    by_id = lambda vocab: sorted(vocab, key=vocab.get)  # noqa: E731
    write(os.path.join(GOLDEN, "wordpiece-files", "vocab.txt"), "".join(t + "\n" for t in by_id(files["wordpiece"]["model"]["vocab"])))
    write(os.path.join(GOLDEN, "wordpiece-files", "tokenizer_config.json"), compact({"do_lower_case": True, "strip_accents": None}) + "\n")
    bpe = dict(files["byte-bpe"]["model"]["vocab"])
    bpe["<mask>"] = len(bpe)
    merges = [m if isinstance(m, str) else " ".join(m) for m in files["byte-bpe"]["model"]["merges"]]
    write(os.path.join(GOLDEN, "byte-bpe-files", "vocab.json"), compact(bpe) + "\n")
    write(os.path.join(GOLDEN, "byte-bpe-files", "merges.txt"), "#version: 0.2\n" + "".join(m + "\n" for m in merges))
    # The mask of `byte-bpe` takes the space on its left.
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}
    write(os.path.join(GOLDEN, "byte-bpe-files", "tokenizer_config.json"), compact({"mask_token": mask}) + "\n")
    lines = []
    for number, (text, pair, max_length) in enumerate(hard_cases(1200, SEED + 1)):
        if len(text) + len(pair or "") > 300:
            continue
        results = {}
        for name in list(files)[:2] + list(files)[2 + number % 5 : 3 + number % 5]:
            results[name] = encode(tokenizers[name], text, pair, max_length)
        # In ASCII, since Foundation's parser drops a byte order mark at the start of a string.
        lines.append(json.dumps([text, pair, max_length, results], separators=(",", ":")))
        if sum(map(len, lines)) > 230_000:
            break
    write(os.path.join(GOLDEN, "cases.jsonl"), "".join(line + "\n" for line in lines))
    write(os.path.join(GOLDEN, "scalars.json"), compact(scalar_classes()) + "\n")
    print(f"{len(lines)} cases")


# Bulk check

GLUE_COLUMNS = {"CoLA": [-1], "SST-2": ["sentence"], "MNLI": ["sentence1", "sentence2"], "MRPC": ["#1 String", "#2 String"]}
GLUE_COLUMNS |= {"QNLI": ["question", "sentence"], "QQP": ["question1", "question2"], "STS-B": ["sentence1", "sentence2"]}
GLUE_COLUMNS |= {"WNLI": ["sentence1", "sentence2"], "RTE": ["sentence1", "sentence2"]}


def glue_texts(directory):
    texts = []
    for task in sorted(os.listdir(directory)):
        for name in sorted(os.listdir(os.path.join(directory, task))):
            with open(os.path.join(directory, task, name), encoding="utf-8-sig", newline="\n") as file:
                rows = [line.rstrip("\n").rstrip("\r").split("\t") for line in file]
            columns = GLUE_COLUMNS[task]
            if task == "CoLA":
                columns = ["sentence"] if rows[0] == ["index", "sentence"] else [3]
            if isinstance(columns[0], str):
                columns = [rows[0].index(column) for column in columns]
                rows = rows[1:]
            for row in rows:
                texts.append((row[columns[0]], row[columns[1]] if len(columns) > 1 else None))
    return texts


def run(arguments, lines):
    done = subprocess.run(arguments, input="".join(line + "\n" for line in lines).encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def compare(binary, name, directory, reference, cases, with_cases):
    """Prints how many of the cases differ; the number."""
    if with_cases:
        answers = run([binary, "tokenize", directory, "--cases"], [json.dumps(case) for case in cases])
        expected = [[*encode(reference, *case)] for case in cases]
    else:
        cases = [c for c in cases if not any(b in t for t in c[:2] if t for b in "\t\n") and not (c[1] if c[1] is not None else c[0]).endswith("\r")]
        answers = run([binary, "tokenize", directory], [t if p is None else t + "\t" + p for t, p, _ in cases])
        expected = [encode(reference, text, pair, None)[0] for text, pair, _ in cases]
    assert len(answers) == len(cases), f"{len(answers)} answers to {len(cases)} cases"
    wrong = [(c, e, a) for c, e, a in zip(cases, expected, answers) if e != a]
    tokens = sum(len(e[0]) if with_cases else len(e) for e in expected)
    print(f"{name}: {len(cases)} cases, {tokens} tokens, {len(wrong)} mismatches", flush=True)
    for case, e, a in wrong[:3]:
        print("  case", ascii(case)[:400], "\n  want", str(e)[:200], "\n  got ", str(a)[:200])
    return len(wrong)


def check(options):
    hard = hard_cases(5000)
    wrong = 0
    for directory in options.model:
        reference = Tokenizer.from_file(os.path.join(options.reference or directory, "tokenizer.json"))
        name = os.path.basename(os.path.normpath(directory))
        wrong += compare(options.binary, f"{name} hard", directory, reference, hard, options.cases)
        if options.glue:
            texts = glue_texts(options.glue)
            for max_length in [128, 512] if options.cases else [None]:
                cases = [(text, pair, max_length) for text, pair in texts]
                wrong += compare(options.binary, f"{name} GLUE max_length {max_length}", directory, reference, cases, options.cases)
    if not options.model:
        with tempfile.TemporaryDirectory() as temporary:
            for name, content in (tokenizer_files() | sweep_files()).items():
                directory = os.path.join(temporary, name)
                write_model(directory, content)
                reference = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
                wrong += compare(options.binary, f"{name} hard", directory, reference, hard, options.cases)
                if name.startswith("sweep-"):
                    wrong += compare(options.binary, f"{name} every scalar", directory, reference, sweep_texts(), options.cases)
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("fixtures")
    bulk = verbs.add_parser("check")
    bulk.add_argument("binary")
    bulk.add_argument("--cases", action="store_true", help="the binary understands --cases")
    bulk.add_argument("--model", action="append", default=[], help="model directory (default: this script's own tokenizers)")
    bulk.add_argument("--reference", help="directory whose tokenizer.json says what is right, where --model has none")
    bulk.add_argument("--glue", help="directory of the GLUE tasks")
    options = parser.parse_args()
    fixtures() if options.verb == "fixtures" else check(options)


if __name__ == "__main__":
    main()
