"""Writes the seeds of the fuzz corpus: small valid files, and the hostile ones that people are known to try.

    python3 scripts/fuzz_seeds.py     (no packages needed; writes Tests/FuzzTests/Corpus/TARGET/seed-*)
"""
import base64
import json
import pathlib
import struct

root = pathlib.Path(__file__).resolve().parent.parent
corpus = root / "Tests/FuzzTests/Corpus"
mark = b"<%%>"


def write(target, name, *parts):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    data = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]
    (folder / f"seed-{name}").write_bytes(mark.join(data))


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def tensor(kind, shape, start, end):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


deep = "[" * 500 + "]" * 500
long_number = "9" * 2000
header = {
    "__metadata__": {"format": "pt"},
    "model.weight": tensor("F32", [1, 2], 0, 8),
    "half": tensor("F16", [2], 8, 12),
    "b": tensor("BF16", [2], 12, 16),
    "i": tensor("I64", [], 16, 24),
    "none": tensor("F32", [0, 4], 24, 24),
}
data = bytes(range(24))

# safetensors
write("safetensors", "whole", text(header), data)
write("safetensors", "empty", b"")
write("safetensors", "length-2-63", struct.pack("<Q", 1 << 63) + b"{}")
write("safetensors", "length-max", b"\xff" * 8 + b"{}")
write("safetensors", "length-of-file", struct.pack("<Q", 3) + b"{}")
write("safetensors", "git-lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
write("safetensors", "deep", '{"a":' + deep + "}")
write("safetensors", "twice", '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', b"\0")
write("safetensors", "overlap", text({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}), b"abc")
write("safetensors", "hole", text({"a": tensor("U8", [1], 1, 2)}), b"ab")
write("safetensors", "overflow", text({"a": tensor("F32", [1 << 62, 4], 0, 0)}))
write("safetensors", "overflow-zero", text({"a": tensor("F32", [1 << 62, 1 << 62, 0], 0, 0)}))
write("safetensors", "numbers", '{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,1e400]}}' % long_number)
write("safetensors", "half-byte", text({"a": tensor("F4", [1], 0, 0)}))
write("safetensors", "nul-name", text({"a\0b": tensor("U8", [1], 0, 1)}), b"x")
write("safetensors", "surrogate", r'{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x")
write("safetensors", "not-utf8", b'{"\xff\xfe":1}')
write("safetensors", "nan", text({"a": tensor("F32", [2], 0, 8)}), struct.pack("<ff", 1, float("nan")))

# shard index
for name, shard in {
    "whole": "one.safetensors", "parent": "../one.safetensors", "inner-parent": "x/../../one.safetensors",
    "absolute": "/etc/passwd", "nul": "one.safetensors\0/../x", "empty": "", "dot": "./one.safetensors",
    "directory": ".", "itself": "model.safetensors.index.json", "slash": "one.safetensors/", "missing": "three",
}.items():
    write("shard-index", name, text({"metadata": {"total_size": 8}, "weight_map": {"a": shard, "b": "two.safetensors"}}))
write("shard-index", "kinds", text({"weight_map": {"a": 1, "b": None, "c": ["x"]}}))
write("shard-index", "list", text({"weight_map": []}))

# model config
bert = {"model_type": "bert", "vocab_size": 120, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 64, "type_vocab_size": 2, "id2label": {"0": "a", "1": "b"}}
write("model-config", "bert", text(bert))
write("model-config", "roberta", text(bert | {"model_type": "roberta", "pad_token_id": 1, "label2id": {"x": 0}}))
write("model-config", "gpt2", text({"model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 64}))
write("model-config", "llama", text({
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "num_hidden_layers": 2, "rope_scaling": {"rope_type": "llama3", "rope_theta": 5e5}, "eos_token_id": [1, 2]}))
write("model-config", "zero-heads", text(bert | {"num_attention_heads": 0, "hidden_size": -1}))
write("model-config", "largest", text(bert | {
    "hidden_size": 65536, "num_attention_heads": 1, "num_hidden_layers": 1024, "vocab_size": 1 << 24,
    "intermediate_size": 1 << 20, "max_position_embeddings": 1 << 24}))
write("model-config", "min-int", text(bert | {"pad_token_id": -(1 << 63), "eos_token_id": [1 << 63]}))
write("model-config", "deep", '{"model_type":' + deep + "}")
write("model-config", "labels", text(bert | {"id2label": {"0": "a", "-1": "b", "9223372036854775808": "c"}}))

# run config
run = {
    "name": "n", "model": "m",
    "task": {"name": "tsv", "train_file": "t", "text_columns": ["a", 1], "label_column": "l", "max_seq_length": 8},
    "adapter": {"strategy": "aslora", "r": 2, "lora_alpha": 4, "target_modules": ["query", "value"],
                "aslora": {"start_step": 1, "merge_interval": 1, "num_merges": 1, "candidates": "adjacent"}},
    "training": {"num_train_epochs": 1.5, "learning_rate": 4e-4, "seed": 42, "eval_strategy": "steps", "eval_steps": 5,
                 "lr_scheduler_type": "cosine", "precision": "float32", "metric_for_best_model": None},
    "output_dir": "o", "database": "d.sqlite"}
write("run-config", "whole", text(run))
write("run-config", "comments", '// c\n{ /* d */ "model": "m", "task": {"name":"sst2","data_dir":"d",},}')
write("run-config", "open-comment", "{/*")
write("run-config", "deep", '{"model":' + '{"a":' * 400)
write("run-config", "huge", text(run | {"training": {"seed": 1 << 63, "learning_rate": 1e308, "max_steps": 1 << 40}}))
write("run-config", "twice", '{"model":"m","model":"n"}')
write("run-config", "surrogates", r'{"model":"\ud83d\ude00 \udc00"}')

# tables
for index, name in enumerate(["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]):
    columns = {
        1: "sentence\tlabel\na film\t1\nbad\t0", 2: "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t2\t3\ta\tb\r\n0\t2\t3\t\t\r\n",
        3: "index\tsentence1\tsentence2\tscore\n0\ta\tb\t5.0\n1\tc\td\t1e-3\n",
        4: "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\ta\tb\t0\n1\t1\t2\ta\tb\t1\n",
        5: "index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tneutral\n", 6: "index\tquestion\tsentence\tlabel\n0\ta\tb\tentailment\n",
        7: "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n", 8: "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n",
    }.get(index, "gj04\t1\t\tOne more.\ngj04\t0\t*\tTwo.\n")
    write("task-data", name, bytes([index]) + columns.encode())
named, numbered = bytes([9]), bytes([19])
write("task-data", "tsv", named + b"text\tlabel\na\tx\nb\ty\n")
write("task-data", "tsv-numbered", numbered + b"a\t0.5\tb\n\"a\t1\t\n")
write("task-data", "nan", numbered + b"a\tnan\tb\nb\t1e999\tc\n")
write("task-data", "not-utf8", named + b"text\tlabel\n\xff\xfe\t1\n\xed\xa0\x80\t0\n")
write("task-data", "nul", named + b"text\tlabel\n\0\t\0\n\0\t1\n")
write("task-data", "separators", named + "text\tlabel\na\u2028b\u0085\x0b\x0c\r\t1\nb\t0".encode())
write("task-data", "empty", named)
write("task-data", "blank", named + b"\n\n\n")
write("task-data", "tabs", named + b"\t" * 300 + b"\n" + b"\t" * 3)
write("task-data", "digits", numbered + b"a\t" + b"1" * 400 + b"." + b"7" * 400 + b"\tb\nc\t0\td\n")

# tables of one's own: format and problem type, options, files
tables = {
    "tsv": (0, 0, "text\tlabel\na\tx\nb\ty\nc\tx\n"),
    "csv-quotes": (1, 0, 'text,label\n"a,\n""b""",x\r\nb,y\n'),
    "csv-open-quote": (1, 0, 'text,label\n"a,x\nb,y\n'),
    "csv-delimiter": (1, 2, 'text;label\n"a;";x\nb,;y\n'),
    "jsonl": (2, 16, '{"text":"a","label":1}\n{"text":"b","label":0}\n{"text":"c","label":1}\n{"text":"d","label":0}\n'),
    "jsonl-types": (2, 0, '{"text":"a","label":1}\n{"text":"b","label":"1"}\n{"text":"c","label":true}\n'),
    "json": (3, 32, '[{"text":"a","label":"x"},\n{"label":"y","text":"b"},{"text":"c","label":null}]'),
    "regression": (4, 0, "text\tlabel\na\t1\nb\t-2.5e-3\n"),
    "fractions": (8, 0, "text\tlabel\na\t0.5\nb\tnan\n"),
    "sets": (12, 8, "text\tlabel\na\tx| y\nb\t\nc\ty\n"),
    "sets-csv": (13, 1 | 2 | 8, "text;label\na;x| y| x\nb;\n"),
    "sets-json": (14, 0, '{"text":"a","label":["x","y"]}\n{"text":"b","label":[]}\n'),
    "sets-mixed": (15, 0, '[{"text":"a","label":["x",1]},{"text":"b","label":[[1]]}]'),
    "sets-numbers": (14, 4, '{"text":"a","label":[2,0]}\n{"text":"b","label":["a"]}\n'),
    "names": (0, 4 | 16, "text\tlabel\n" + "a\tb\nb\t1\nc\tcaf\u00e9\nd\t2\n" * 3),
    "decomposed": (0, 4, "text\tlabel\na\tb\nb\tcafe\u0301\n"),
    "files": (1, 16, "text,label\na,x\nb,y\n<%%>label,text\nx,c\ny,d\n<%%>text,label\ne,x\n"),
    "no-header": (0, 64, "a\tx\nb\ty\nc\t-1\n"),
    "alone": (0, 16 | 32, "text\tlabel\na\tx\nb\ty\nc\tz\nd\tz\n"),
}
for name, (choice, flags, content) in tables.items():
    write("labelled-table", name, bytes([choice, flags]) + content.encode())

# tokenizers
pieces = {token: index for index, token in enumerate(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##a", "##b", "ab", "##ab", "é", ",", "中"])}
special = [{"id": pieces[token], "content": token, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True} for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]]
bert_normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                   "lowercase": True}
template = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}}
word_piece = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": bert_normalizer,
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}, "decoder": None,
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": pieces}}
byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
byte_pairs = word_piece | {
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
    "pre_tokenizer": byte_level, "post_processor": template,
    "model": {"type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": "",
              "end_of_word_suffix": "", "fuse_unk": True, "byte_fallback": False, "ignore_merges": True,
              "vocab": pieces, "merges": ["a b", ["a", "b"]]}}
words = "ab Ba, é 中 [SEP] \ufb01\u0301\u0345 abab's \U0001f600"
write("tokenizer-json", "wordpiece", text(word_piece), text({"pad_token": "[PAD]"}), words)
write("tokenizer-json", "bpe", text(byte_pairs), "", words)
loop = byte_pairs["model"] | {"vocab": {"[UNK]": 0, "": 1, "a": 2, "aa": 3}, "merges": [["", "a"], ["a", ""], ["a", "a"]]}
write("tokenizer-json", "merges-loop", text(byte_pairs | {"added_tokens": [], "post_processor": None, "model": loop}), "", "aaaa")
write("tokenizer-json", "byte-levels", text(byte_pairs | {
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [byte_level] * 40}}), "", "\u00ff\u00ff")
write("tokenizer-json", "nested", text(word_piece | {"normalizer": json.loads(
    '{"type":"Sequence","normalizers":[' * 60 + "]}" * 60)}), "", "a")
many = template | {"single": template["single"] * 50, "special_tokens": {"[CLS]": {
    "id": "[CLS]", "ids": [2] * 50, "tokens": ["[CLS]"] * 50}}}
write("tokenizer-json", "template", text(byte_pairs | {"post_processor": many}), "", "a")
write("tokenizer-json", "empty-added", text(word_piece | {"added_tokens": [special[0] | {"content": ""}]}), "", "a")
spaces = special + [{"id": 13, "content": " ", "single_word": False, "lstrip": True, "rstrip": True, "normalized": False,
                     "special": False}]
write("tokenizer-json", "spaces", text(word_piece | {"added_tokens": spaces}), "", " " * 300)
write("tokenizer-json", "ids", text(word_piece | {"model": word_piece["model"] | {"vocab": {"[UNK]": 2**31 - 1, "a": -1}}}))
write("tokenizer-files", "wordpiece", "\n".join(pieces), text({"do_lower_case": True, "pad_token": "[PAD]"}), words)
write("tokenizer-files", "twice", "[UNK]\n[UNK]\n", "", "a")
write("tokenizer-files", "not-utf8", b"[UNK]\n\xff\n", "", b"\xff")
roberta = {token: index for index, token in enumerate(
    ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "Ġ", "ab", "Ġab", "Ã", "©"])}
write("tokenizer-files", "roberta", text(roberta), "", "ab aab é<mask>", "#version: 0.2\na b\nĠ ab\n")
write("tokenizer-files", "config", text(roberta), text({
    "tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "added_tokens_decoder": {
        "0": {"content": "<s>", "special": True}, "12": {"content": "new", "lstrip": True}}}), "ab new", "a b\n")

# tokenizers of decoders
added = [{"id": 2, "content": "</s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
          "special": True}]
byte_pieces = ["<unk>", "<s>", "</s>", "<0x00>", "<0xC3>", "<0xA9>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab"]
normalizers = [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]
decoders = [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
llama = {
    "version": "1.0", "added_tokens": added, "normalizer": {"type": "Sequence", "normalizers": normalizers},
    "pre_tokenizer": None, "post_processor": None, "decoder": {"type": "Sequence", "decoders": decoders},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
              "vocab": {piece: index for index, piece in enumerate(byte_pieces)},
              "merges": ["\u2581 a", "a b", "\u2581a b", "\u2581 ab"]}}
chat = {"eos_token": "</s>", "chat_template": [
    {"name": "default", "template": "{{'<|im_start|>system\\nBe kind.<|im_end|>\\n<|im_start|>user'}}"}]}
write("tokenizer-json", "llama", text(llama), text(chat), "ab \u00e9ab</s> \u4e2d\0")


def steps(kind, count, **more):
    return [{"type": kind, **more} for _ in range(count)]


double = steps("Replace", 40, pattern={"String": "a"}, content="aa")
prepends = sum(([{"type": "Prepend", "prepend": "ab"}, {
    "type": "Replace", "pattern": {"String": "b"}, "content": "bb"}] for _ in range(30)), [])
write("tokenizer-json", "doubling", text(llama | {"normalizer": {"type": "Sequence", "normalizers": double}}), "", "a")
write("tokenizer-json", "prepending", text(llama | {"normalizer": {"type": "Sequence", "normalizers": prepends}}), "", "a")
write("tokenizer-json", "decoding", text(llama | {"decoder": {"type": "Sequence", "decoders": double}}), "", "a")
write("tokenizer-json", "stripping", text(llama | {"decoder": {
    "type": "Strip", "content": "a", "start": (1 << 63) - 1, "stop": (1 << 63) - 1}}), "", "aaa")
write("tokenizer-json", "metaspaces", text(llama | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": sum((
    [{"type": "Metaspace", "replacement": mark, "add_prefix_space": True}, {"type": "Punctuation"}]
    for mark in "!#$%&()*+,-./:;<=>?@[]^_{|}~"), [])}}), "", "a")
gpt4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+")
for behavior in ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"]:
    write("tokenizer-json", "split-" + behavior.lower(), text(llama | {
        "normalizer": {"type": "NFC"}, "decoder": {"type": "ByteLevel"}, "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": gpt4}, "behavior": behavior, "invert": behavior == "Removed"},
                {"type": "Digits", "individual_digits": True}, {"type": "Split", "pattern": {"String": "b"},
                                                                "behavior": behavior, "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]}}), "",
          "I'LL ab 12345\r\n  b\u00e9b \u0661!? ")


def expression(source, content="-"):
    pattern = {"Regex": source}
    return llama | {"normalizer": {"type": "Replace", "pattern": pattern, "content": content}, "decoder": {
        "type": "Replace", "pattern": pattern, "content": content}, "pre_tokenizer": {
            "type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}}


for name, source in [("steps", "(a|a|aa)+$"), ("empty", "a*|(?=b)|"), ("wrong", "a(+\\p{Odd}"), ("nested", "(" * 3000 + "a" + ")" * 3000),
                     ("repeated", "((((a{1,999}){1,999}){1,999}){1,999})?b"), ("kept", r"(?<=a\Kb)|\Kb|(?<n>a\g<n>?b)"), ("callout", r"(?{x})a(*FAIL)|(*MAX{2})b")]:
    write("tokenizer-json", "expression-" + name, text(expression(source)), "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab \u00e9\U0001f600b")
doubled = [{"type": "Replace", "pattern": {"Regex": "a|"}, "content": "aa"}] * 20
write("tokenizer-json", "expression-doubling", text(llama | {"normalizer": {"type": "Sequence", "normalizers": doubled}}), "", "a")
unigram = {"type": "Unigram", "unk_id": 0, "byte_fallback": True, "vocab": [["<unk>", 0], ["a", -1.5], ["ab", -2], ["<0xC3>", -9]]}
for name, units, texts in [("rule", [0x00000400 | 1 << 8, *range(1, 300)], b"b\0"), ("cut", [1 << 9, 7], b"\xff"), ("empty", [], b"")]:
    bytes_ = (4 * len(units)).to_bytes(4, "little") + b"".join(unit.to_bytes(4, "little") for unit in units) + texts
    write("tokenizer-json", "charsmap-" + name, text(llama | {"model": unigram, "added_tokens": [], "normalizer": {
        "type": "Precompiled", "precompiled_charsmap": base64.b64encode(bytes_).decode()}, "post_processor": None}), "", "ab a\u0301 \u00e9")
parts = [{"type": "Whitespace"}, {"type": "CharDelimiterSplit", "delimiter": "a"}, {"type": "FixedLength", "length": 2}]
write("tokenizer-json", "words", text(llama | {"model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "a": 1}}, "added_tokens": [],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "ByteLevel"}]}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": parts},
    "decoder": {"type": "CTC", "pad_token": "<unk>", "word_delimiter_token": "a", "cleanup": True}, "post_processor": None}), "", "abc a\u200b\u00e9 !!a")


def varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data + bytes([value]))


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def piece(string, score=0.0, kind=1):
    return message(1, message(1, string.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score) + varint(3 << 3)
                   + varint(kind))


control = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
byte_tokens = [("<0x%02X>" % byte, 0, 6) for byte in (0, 10, 0xC3, 0xA9)]
marks = [("\u2581", -1, 1), ("a", -2, 1), ("b", -3, 1), ("\u2581a", -4, 1), ("ab", -5, 1), ("<x>", 0, 4)]
lines = "\n".join("\t".join(map(str, entry)) for entry in control + byte_tokens + marks)
write("tokenizer-model", "bpe", "#\n" + lines + "\n!3\t2\n!35\t1\n!44\t ? \n?3\t1", "", "ab <x>b \u00e9\0")
write("tokenizer-model", "unigram", "#\n" + lines + "\n!3\t1\n?4\t0",
      text({"add_eos_token": True, "additional_special_tokens": ["<x>"], "legacy": False}), " ab  <x>b")
write("tokenizer-model", "suffix", "#\n" + lines + "\n!24\t1\n?5\t0", text({"added_tokens_decoder": {
    "2": {"content": "</s>", "special": True}, "13": {"content": "new", "lstrip": True}}}), "ab</s> new")
write("tokenizer-model", "binary", b"".join(piece(*entry) for entry in control + marks) + message(2, varint(3 << 3)
                                                                                                + varint(2)))
write("tokenizer-model", "cut", piece("<unk>", 0, 2)[:-2])
write("tokenizer-model", "nan", piece("<unk>", 0, 2) + piece("a", float("nan")) + piece("b", float("inf")))
write("tokenizer-model", "kinds", "#\n<unk>\t0\t2\na\t0\t5\nb\t0\t9")
write("tokenizer-model", "empty-piece", "#\n<unk>\t0\t2\n\t0\t1\nab\t0\t4\na\t3e38\t1", "", "abab")
# A trie that leads into itself at every byte, and rules without an end.
rules = struct.pack("<I", 8) + struct.pack("<II", 0, 1 << 10 | 1 << 8 | ord("a")) + b"abc"
model = b"".join(piece(*entry) for entry in control + marks)
write("tokenizer-model", "rules", model + message(3, message(2, rules)), "", "aaaa")
write("tokenizer-model", "rules-cut", model + message(3, message(2, rules[:6])), "", "a")

# words with tags: the first byte is the format (conll, conllu, jsonl, json, txt) plus 5 for other columns or listed labels
for name, head, content in [
    ("columns", b"\0", "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\r\n"),
    ("tabs", b"\4", "\ufeffNew York\tB-LOC\n \t \nx\tO\n"), ("short", b"\0", "a A\nb\nc B x\n"),
    ("one-column", b"\0", "a\nb\n"), ("header", b"\5", "FORM XPOS\na A\nb B\n"), ("swapped", b"\x0a", "A a\nB b\n"),
    ("universal", b"\1", "# x\n1-2\tab\t_\t_\n1\ta\tb\tVERB\n2\tb\tb\tX\n2.1\tc\t_\t_\n\n1\t#\t_\tSYM\n"),
    ("lines", b"\2", '{"tokens":["a","b"],"ner_tags":["B-X","O"]}\n{"tokens":[],"ner_tags":[]}\n{"tokens":["a"],"tags":1}'),
    ("numbers", b"\x11", '{"tokens":["a","b"],"tags":[2,0]}\n{"tokens":["a"],"tags":["O"]}\n{"tokens":["a"],"tags":[9]}'),
    ("list", b"\3", '[{"tokens":["a",""],"tags":["A","B"]},{"tokens":["\\u0001"],"tags":["\u00e9"]}]'),
    ("equal-tags", b"\0", "a B-\u00e9\nb B-e\u0301\n"), ("lengths", b"\2", '{"tokens":["a","b"],"ner_tags":["A"]}'),
]:
    write("tagged-data", name, head + content.encode())

# language tasks: the first byte is the reader, the second the style
for name, head, content in [
    ("text", b"\0\0", "\ufeffOne.\r\nTwo.\n"), ("text-lines", b"\1\0", '{"text":"a"}\n\n{"text":"","x":1}\n'),
    ("instruct", b"\2\0", '[{"instruction":"Say","input":"x","output":"y"},{"instruction":"","output":"z"}]'),
    ("instruct-chat", b"\2\1", '[{"instruction":"Say","input":"","output":"y"}]'),
    ("instruct-lines", b"\3\2", '{"instruction":"Say","output":"y"}\n{"instruction":"a","input":null,"output":" "}'),
    ("instruct-template", b"\3\4", '{"instruction":"Say","input":"{input}","output":"y"}'),
    ("instruct-no-input", b"\3\5", '{"instruction":"Say","input":"x","output":"y"}'),
    ("messages", b"\3\1",
     '{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"}]},'
     '{"role":"assistant","content":"b"},{"role":"tool","content":"c"},{"role":"assistant","content":"d"}],"tools":[]}'),
    ("messages-calls", b"\2\3",
     '[{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"name":"f"}]}],'
     '"tools":"[{}]","chat_template_kwargs":{"x":1}}]'),
    ("sharegpt", b"\3\2",
     '{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}],"system":"s"}'),
    ("completions", b"\3\5", '{"prompt":"a","completion":"b"}\n{"prompt":[{"role":"user","content":"a"}],"completion":[]}'),
    ("history", b"\3\0", '{"instruction":"a","output":"b","system":"s","history":[["c","d"]]}'),
    ("e2e", b"\4\0", 'mr,ref\r\n"name[The Vaults], eatType[pub]","A ""pub"",\nit is."\n"name[x]",\n"name[x]",Ten\n'),
    ("e2e-brackets", b"\4\0", "ref,mr\na,name[\nb,[x]\nc,a[b]c[d]\n"),
    ("e2e-quote", b"\4\0", 'mr,ref\n"a[b]",c\n"d"e,f\n"open'),
    ("choices", b"\5\0", 'What?,one,two,three,four,A\n"Which, ""then""?",1,2,3,4,D\n'),
    ("choices-wide", b"\5\0", "a,b,c,d,e,F\na,b\n,,,,,A\n"),
    ("choice-lines", b"\6\0", '{"question":"q","choices":["a","b"],"answer":"B"}\n{"question":"q","choices":["a","b"],"answer":0}'),
    ("choice-kinds", b"\6\0", '{"question":"q","choices":["a",1],"answer":-1}\n{"question":1,"choices":[],"answer":"AA"}'),
    ("template", b"\7\0", "a {instruction} {{b}} {input}"), ("template-open", b"\7\0", "{instruction"),
    ("chatml", b"\7\0", "<|im_start|>system\\nBe kind.<|im_end|>"), ("llama-3", b"\7\0", "<|start_header_id|>"),
    ("marks", b"\4\0", "mr,ref\nname[\u0301x]\u0301,y\n"), ("not-utf8", b"\2\0", b'[{"instruction":"\xff"}]'),
]:
    write("language-data", name, head + (content if isinstance(content, bytes) else content.encode()))

# GGUF files
def gguf_text(value):
    return struct.pack("<Q", len(value)) + value


gguf = b"GGUF" + struct.pack("<IQQ", 3, 0, 4) + gguf_text(b"a") + struct.pack("<I", 8) + gguf_text(b"text")
gguf += gguf_text(b"n") + struct.pack("<If", 6, 1.0) + gguf_text(b"l") + struct.pack("<IIQ", 9, 4, 2) + bytes(8)
gguf += gguf_text(b"t") + struct.pack("<IIQ", 9, 8, 2) + gguf_text(b"x") + gguf_text(b"")
write("gguf", "all", gguf)
write("gguf", "cut", gguf[:-3])
write("gguf", "json", b'{"a": 1}')
write("gguf", "types", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_text(b"t") + struct.pack("<I", 13))
write("gguf", "long", b"GGUF" + struct.pack("<IQQ", 2, 0, 1) + gguf_text(b"l") + struct.pack("<IIQ", 9, 10, 1 << 62))


def gguf_value(kind, value):
    if kind == 8:
        return gguf_text(value.encode())
    if kind == 9:
        element, values = value
        return struct.pack("<IQ", element, len(values)) + b"".join(gguf_value(element, one) for one in values)
    return struct.pack({4: "<I", 5: "<i", 6: "<f", 7: "<?"}[kind], value)


def gguf_file(values, tensors, version=3):
    """`values`: key, type, value; `tensors`: name, lengths (fastest first), type, bytes."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, kind, value in values:
        head += gguf_text(key.encode()) + struct.pack("<I", kind) + gguf_value(kind, value)
    data = b""
    for name, lengths, kind, content in tensors:
        head += gguf_text(name.encode()) + struct.pack("<I", len(lengths)) + struct.pack(f"<{len(lengths)}Q", *lengths)
        head += struct.pack("<IQ", kind, len(data))
        data += content + bytes(-len(content) % 32)
    return head + bytes(-len(head) % 32) + data


llama = [("general.architecture", 8, "llama"), ("llama.block_count", 4, 1), ("llama.context_length", 4, 16),
         ("llama.embedding_length", 4, 32), ("llama.feed_forward_length", 4, 32), ("llama.attention.head_count", 4, 2),
         ("llama.attention.layer_norm_rms_epsilon", 6, 1e-5), ("llama.rope.freq_base", 6, 100.0)]
pieces = [("tokenizer.ggml.model", 8, "llama"),
          ("tokenizer.ggml.tokens", 9, (8, ["<unk>", "<s>", "</s>", "<0x41>", "\u2581", "a", "b", "\u2581a", "ab"])),
          ("tokenizer.ggml.scores", 9, (6, [0, 0, 0, 0, -4, -5, -6, -1, -2])),
          ("tokenizer.ggml.token_type", 9, (5, [2, 3, 3, 6, 1, 1, 1, 1, 4]))]
words = [("tokenizer.ggml.model", 8, "gpt2"), ("tokenizer.ggml.pre", 8, "llama-bpe"),
         ("tokenizer.ggml.tokens", 9, (8, ["a", "b", "ab", "\u0120", "<|end|>"])),
         ("tokenizer.ggml.token_type", 9, (5, [1, 1, 1, 1, 3])), ("tokenizer.ggml.merges", 9, (8, ["a b"])),
         ("tokenizer.ggml.bos_token_id", 4, 4), ("tokenizer.ggml.add_bos_token", 7, True)]
block = struct.pack("<e", 0.5) + bytes(range(32))
layer = {"attn_norm": 1, "ffn_norm": 1, "attn_q": 32, "attn_k": 32, "attn_v": 32, "attn_output": 32, "ffn_gate": 32,
         "ffn_up": 32, "ffn_down": 32}
gguf_tensors = [("token_embd.weight", [32, 9], 8, block * 9), ("output_norm.weight", [32], 0, bytes(128))]
gguf_tensors += [(f"blk.0.{name}.weight", [32] if rows == 1 else [32, rows], 0 if rows == 1 else 8,
                  bytes(128) if rows == 1 else block * rows) for name, rows in layer.items()]
write("gguf", "model", gguf_file(llama + pieces, gguf_tensors))
write("gguf", "byte-pairs", gguf_file(llama + words, gguf_tensors[:2]))
write("gguf", "rope", gguf_file(llama, gguf_tensors[:2] + [("rope_freqs.weight", [8], 0, struct.pack("<8f", *[2] * 8))]))
write("gguf", "experts", gguf_file(llama + [("llama.expert_count", 4, 8)], gguf_tensors[:2]))
write("gguf", "k-types", gguf_file(llama, [(f"t{kind}", [256], kind, bytes(range(size)))
                                           for kind, size in ((12, 144), (13, 176), (14, 210))]))
write("gguf", "scales", gguf_file([], [("t", [32], 8, struct.pack("<e", float("inf")) + bytes(32))]))
write("gguf", "count", b"GGUF" + struct.pack("<IQQ", 3, (1 << 64) - 1, 0))
write("gguf", "split", gguf_file([("split.count", 4, 65535), ("split.no", 4, 0)], []))
write("gguf", "alignment", gguf_file([("general.alignment", 4, 1 << 31)], gguf_tensors[:1]))

# adapters
query, value = "encoder.layer.{}.attention.self.query", "encoder.layer.{}.attention.self.value"
paths = [path.format(layer) for layer in range(2) for path in (query, value)]
peft_tensors, start = {}, 0
for path in paths:
    for side, shape in (("A", [1, 2]), ("B", [2, 1])):
        peft_tensors[f"base_model.model.bert.{path}.lora_{side}.weight"] = tensor("F32", shape, start, start + 8)
        start += 8
peft = {"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ["query", "value"], "bias": "none",
        "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {"query": 4}}
write("adapter", "peft", text(peft), text(peft_tensors), bytes(start))
write("adapter", "peft-regex", text(peft | {"rank_pattern": {"(a+)+$": 1}}), text(peft_tensors), bytes(start))
write("adapter", "peft-rank", text(peft | {"r": 1 << 62}), text(peft_tensors), bytes(start))


def native(strategy, shares_b):
    sites, tensors = {}, {}
    for layer in range(2):
        for module in ("attention.self.query", "attention.self.value"):
            a = f"shared.{module}.lora_A.weight" if strategy != "lora" else f"encoder.layer.{layer}.{module}.lora_A.weight"
            b = f"shared.{module}.lora_B.weight" if shares_b else f"encoder.layer.{layer}.{module}.lora_B.weight"
            sites[f"encoder.layer.{layer}.{module}"] = {"layer": layer, "module": module, "A": a, "B": b}
            tensors[a], tensors[b] = [1, 2], [2, 1]
    tensors["head.classifier.weight"] = [1, 2]
    entries = {name: tensor("F32", shape, 8 * at, 8 * at + 8) for at, (name, shape) in enumerate(tensors.items())}
    config = {"format": "swift-peft", "format_version": 1, "strategy": strategy, "r": 1, "lora_alpha": 2,
              "lora_dropout": 0, "use_rslora": False, "target_modules": ["query", "value"],
              "base_model_name_or_path": "m", "model_type": "bert", "task_type": "SEQ_CLS", "labels": ["a", "b"],
              "step": 1, "sites": sites}
    return text(config), text(entries), bytes(8 * len(tensors))


write("adapter", "lora", *native("lora", False))
write("adapter", "share-a", *native("share-a", False))
write("adapter", "share-ab", *native("share-ab", True))
write("adapter", "aslora", *native("aslora", False))
write("adapter", "empty", b"", b"")


# checkpoints: the parts that are not given are right
def trainer(**more):
    report = {"split": "validation", "step": 2, "epoch": 0.4, "examples": 9, "metrics": {"accuracy": 0.5, "loss": "nan"}}
    return text({
        "format": "swift-peft checkpoint", "format_version": 1, "step": 3, "total_steps": 9, "skipped_steps": 0,
        "means_step": 3, "aslora": {"start_step": 1, "merge_interval": 3, "num_merges": 1, "candidates": "all",
                                    "metric": "cosine", "direction": "average"},
        "log_window": {"steps": 1, "loss_sum": 0.5, "tokens": 7, "examples": 2, "seconds": 0.1, "last_step": 3,
                       "last_epoch": 0.5, "last_learning_rate": 0.1, "last_grad_norm": "inf"},
        "reports": [report], "best": {"value": "-inf", "step": 2, "reports": [report]}, "evaluations_without_gain": 0,
        "stopped_early": False, "evaluation_is_pending": True,
        "inputs": {"splits": {"train": "00"}, "model": "11"}} | more)


largest = (1 << 63) - 1
write("checkpoint", "whole")
write("checkpoint", "trainer", trainer())
write("checkpoint", "no-best", trainer(best=None, aslora=None, reports=[]))
write("checkpoint", "largest", trainer(skipped_steps=largest, evaluations_without_gain=largest, means_step=largest))
write("checkpoint", "total", trainer(total_steps=largest))
write("checkpoint", "short", trainer(total_steps=2))
write("checkpoint", "aslora", trainer(aslora={"start_step": -largest - 1, "merge_interval": 0, "num_merges": largest,
                                             "candidates": "adjacent", "metric": "effective", "direction": "average"}))
write("checkpoint", "equal-keys", trainer(inputs={"splits": {"\u00e9": "0", "e\u0301": "1"}, "model": "m"}))
write("checkpoint", "history", b"", '{"step":1,"epoch":0,"split":"train","metrics":{"loss":"nan"}}\n\n{"step":2,"merge":null}')
write("checkpoint", "optimizer", b"", b"", text({"a.exp_avg": tensor("F32", [1], 0, 4)}), b"abcd")
write("checkpoint", "lora", b"", b"", b"", b"", *native("lora", False))
write("checkpoint", "config", b"", b"", b"", b"", b"", b"", b"", text(run))


def manifest(files, **more):
    return text({"format": "swift-peft checkpoint", "format_version": 1, "step": 3, "files": files} | more)


some = {"bytes": 1, "sha256": "00"}
write("checkpoint-manifest", "empty-list", manifest({}))
write("checkpoint-manifest", "missing", manifest({"a": some}))
write("checkpoint-manifest", "size", manifest({"history.jsonl": some}))
write("checkpoint-manifest", "outside", manifest({"../../a": some, "/etc/passwd": some}))
write("checkpoint-manifest", "marked-slash", manifest({"../\u0301": some}))
write("checkpoint-manifest", "nul", manifest({"history.jsonl\0": some}))
write("checkpoint-manifest", "directory", manifest({"best": some, "": some, ".": some}))
write("checkpoint-manifest", "newer", manifest({}, format_version=2))
write("checkpoint-manifest", "itself", manifest({"manifest.json": {"bytes": largest, "sha256": ""}}))

# Chat templates
templates = root / "Tests/JinjaTests/Golden/templates"
for name in ["qwen3-thinking", "xml-recursive-parts", "call-block", "last-turns-only.generation",
             "generation-in-macro.generation"]:
    write("jinja", name, (templates / f"{name}.jinja").read_text(encoding="utf-8"))
for name, template in {
    "repeat": "{{ 'a' * 1000000000 }}",
    "repeat-list": "{{ [0] * 99999999999 }}",
    "power": "{{ 10 ** 10 ** 10 }}",
    "range": "{{ range(10 ** 12)|list }}",
    "ranges": "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}",
    "double": "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "nest": "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "nest-lazily": "{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = ns.x|map('string') %}{% endfor %}{{ ns.x|list }}",
    "itself": "{% set ns = namespace() %}{% set ns.ns = ns %}{{ ns }}{{ [ns] == [ns] }}{{ ns|tojson }}",
    "endless": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "endless-call": "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
    "endless-loop": "{% for x in [[1]] recursive %}{{ loop([[x]]) }}{% endfor %}",
    "parentheses": "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
    "brackets": "{{ " + "[" * 900 + "]" * 900 + " }}",
    "minus": "{{ " + "-" * 900 + "1 }}",
    "not": "{{ " + "not " * 900 + "1 }}",
    "plus": "{{ 1" + "+1" * 900 + " }}",
    "dots": "{{ s" + ".s" * 900 + " }}",
    "filters": "{{ s" + "|e" * 900 + " }}",
    "ifs": "{% if 1 %}" * 400,
    "elifs": "{% if 0 %}" + "{% elif 0 %}" * 400 + "{% endif %}",
    "fors": "{% for x in [1] %}" * 300 + "{{ x }}" + "{% endfor %}" * 300,
    "format": "{{ '%999999999d' % 1 }}{{ '{:>999999999}'.format(1) }}{{ '%.999999999f' % 1 }}",
    "field": "{{ '{0[a].b[c]!r:>{1}}'.format({'a': 1}, 5) }}{{ '%(a)s%%%-05.1f' % {'a': 1} }}",
    "pad": "{{ s.center(99999999999) }}{{ s.zfill(99999999999) }}{{ '\\t'.expandtabs(99999999999) }}",
    "slices": "{{ s[::-1][9223372036854775807:-9223372036854775807:9223372036854775807] }}{{ xs[-9223372036854775807 - 1::-9223372036854775807 - 1] }}",
    "overflow": "{{ -9223372036854775807 - 1 }}{{ (-9223372036854775807 - 1) // -1 }}{{ (-9223372036854775807 - 1)|abs }}",
    "replace": "{{ ('a' * 9999).replace('', 'b' * 9999) }}{{ ('a' * 99999).count('a' * 9000) }}",
    "separators": "{{ messages|tojson(indent=3, separators=('', 7)) }}{{ messages|tojson(indent=99999999) }}",
    "sort": "{{ [1, 'a', none]|sort }}{{ messages|sort(attribute='role,content') }}{{ messages|groupby('role') }}",
    "time": "{{ strftime_now('%999999999Y %E %O %_^#10d %') }}",
    "raw": "{% raw %}{{ {% {# {%- endraw -%} x",
    "open": "{{ '",
    "escapes": r"{{ '\x4' }}{{ '\ud800' }}{{ '\N{DASH}' }}",
    "lines": "a\r\n  {%- if n -%}\r b {%+ endif +%}\n {#- c -#} {{- n -}} \n",
    "unicode": "{% set é = '\\u0301' %}{{ é }}{{ 'Σς ß ŉ İ ǆ'.title()|upper|lower|capitalize }}",
    "unknown": "{{ s|nothing }}{% if s is nobody %}{% endif %}",
    "refused": "{% include 'x' %}{{ xs.append(1) }}{{ s.__class__.__mro__ }}",
}.items():
    write("jinja", name, template)
write("jinja", "variables", "{% for k, v in a.items() %}{{ k }}{{ v }}{% endfor %}{{ b|tojson }}", text({"a": {"x": [1, None]}, "b": deep[:40]}))
