import Diagnostics
import Foundation
import Testing

@testable import Tokenizers

/// Every way to break a tokenizer's files is answered with one sentence.
@Suite struct TokenizerErrorTests {
  static let wordPiece =
    #""model": {"type": "WordPiece", "unk_token": "u", "vocab": {"u": 0, "a": 1}, "#
    + #""continuing_subword_prefix": "%", "max_input_chars_per_word": 100}"#

  static func bpe(_ vocab: String, _ more: String) -> String {
    #""model": {"type": "BPE", "vocab": {\#(vocab)}, \#(more)}"#
  }

  static let jsonCases: [(String, String)] = [
    (#""modle": {}"#, #"1: modle: unknown key, did you mean "model"?"#),
    (#""normalizer": null"#, "1: model: is missing"),
    (#""version": "2.0", \#(wordPiece)"#, "1: version: 2.0 is not supported (supported: 1.0)"),
    (#""model": 7"#, "1: model: must be an object, not a whole number"),
    (#""model": {"type": "Unigram"}"#, "1: model.type: Unigram is not supported (supported: WordPiece, BPE)"),
    ("\n\"model\": {\"vocab\": {}}", "2: model.type: is missing"),
    (
      #""normalizer": {"type": "Nmt"}, \#(wordPiece)"#,
      "1: normalizer.type: Nmt is not supported (supported: BertNormalizer, Sequence, NFC, NFD, NFKC, NFKD, "
        + "Lowercase, StripAccents, Prepend, Replace, Strip)"
    ),
    (
      #""normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC", "x": 1}]}, \#(wordPiece)"#,
      "1: normalizer.normalizers[0].x: unknown key"
    ),
    (
      #""pre_tokenizer": {"type": "Whitespace"}, \#(wordPiece)"#,
      "1: pre_tokenizer.type: Whitespace is not supported (supported: BertPreTokenizer, ByteLevel, Metaspace, Split, "
        + "Digits, Punctuation, Sequence)"
    ),
    (
      #""post_processor": {"type": "Odd"}, \#(wordPiece)"#,
      "1: post_processor.type: Odd is not supported (supported: BertProcessing, RobertaProcessing, "
        + "TemplateProcessing, ByteLevel, Sequence)"
    ),
    (
      #""post_processor": {"type": "BertProcessing", "sep": ["a", 5], "cls": ["u", 0]}, \#(wordPiece)"#,
      #"1: post_processor.sep[1]: "a" is given the id 5, but its id is 1"#
    ),
    (
      #""post_processor": {"type": "TemplateProcessing", "special_tokens": {}, "pair": [], "#
        + #""single": [{"SpecialToken": {"id": "a", "type_id": 0}}]}, \#(wordPiece)"#,
      #"1: post_processor.single[0].SpecialToken.id: "a" is not in the vocabulary"#
    ),
    (
      #""post_processor": {"type": "TemplateProcessing", "special_tokens": {}, "pair": [], "single": []}, \#(wordPiece)"#,
      "1: post_processor.single: must use every text (A)"
    ),
    (bpe(#""a": 2147483648"#, #""merges": []"#), #"1: model.vocab: the id of "a" must be between 0 and 2147483647"#),
    (bpe(#""a": -1"#, #""merges": []"#), #"1: model.vocab: the id of "a" must be between 0 and 2147483647"#),
    (bpe(#""a": "x""#, #""merges": []"#), "1: model.vocab: must be a whole number, not a string"),
    (bpe("\n\"a\": 1,\n\"b\": 1", #""merges": []"#), #"3: model.vocab: "a" and "b" have the same id 1"#),
    (bpe(#""a": 0, "b": 1"#, #""merges": ["a b"]"#), #"1: model.merges[0]: "ab" is not in the vocabulary"#),
    (bpe(#""a": 0, "ab": 1"#, #""merges": [["a", "b"]]"#), #"1: model.merges[0]: "b" is not in the vocabulary"#),
    (
      bpe(#""a": 0"#, "\"merges\": [\n\"a  a\"]"),
      "2: model.merges[0]: a merge must be two tokens with one space between them"
    ),
    (
      bpe(#""a": 0"#, #""merges": [7]"#),
      #"1: model.merges[0]: must be "a b" or ["a", "b"], not a whole number"#
    ),
    (bpe(#""a": 0"#, #""merges": {}"#), "1: model.merges: must be a list, not an object"),
    (bpe(#""a": 0"#, #""merges": [], "unk_token": "u""#), #"1: model.unk_token: "u" is not in the vocabulary"#),
    (
      bpe(#""a": 0"#, #""merges": [], "dropout": 0.1"#),
      "1: model.dropout: dropout of merges is not supported (supported: null)"
    ),
    (added(#""id": 7, "content": "x""#), #"1: added_tokens[0].id: "x" is given the id 7, but its id is 2"#),
    (added(#""id": 0, "content": "a""#), #"1: added_tokens[0].id: "a" is given the id 0, but its id is 1"#),
    (added(#""id": 2, "content": """#), "1: added_tokens[0].id: an added token cannot be empty"),
    ("\"model\": {", "1:13: expected , or }"),
  ]

  @Test(arguments: jsonCases)
  func tokenizerJSON(members: String, message: String) throws {
    try expect("DIR/tokenizer.json:" + message, exit: .badInput, files: ["tokenizer.json": "{\(members)}"])
  }

  static let languageCases: [(String, String)] = [
    (
      #""pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}, \#(wordPiece)"#,
      "1: pre_tokenizer.replacement: must be one character"
    ),
    (
      #""pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Odd"}, \#(wordPiece)"#,
      "1: pre_tokenizer.behavior: Odd is not supported (supported: Removed, Isolated, MergedWithPrevious, "
        + "MergedWithNext, Contiguous)"
    ),
    (
      #""pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Removed"}, \#(wordPiece)"#,
      "1: pre_tokenizer.pattern.Regex: the pattern a+ is not supported (supported: "
        + WordPattern.expressions.joined(separator: ", ") + ")"
    ),
    (
      #""normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "x"}, \#(wordPiece)"#,
      "1: normalizer.pattern.Regex: the pattern  {2,} is not supported (supported: String)"
    ),
    (
      #""decoder": {"type": "CTC"}, \#(wordPiece)"#,
      "1: decoder.type: CTC is not supported (supported: ByteLevel, WordPiece, Metaspace, BPEDecoder, Sequence, "
        + "Replace, ByteFallback, Fuse, Strip)"
    ),
    (
      #""decoder": {"type": "Strip", "content": " ", "start": -1, "stop": 0}, \#(wordPiece)"#,
      "1: decoder.start: must be at least 0, not -1"
    ),
  ]

  @Test(arguments: languageCases)
  func componentsOfLanguageModels(members: String, message: String) throws {
    try expect("DIR/tokenizer.json:" + message, exit: .badInput, files: ["tokenizer.json": "{\(members)}"])
  }

  static func added(_ members: String) -> String {
    #""added_tokens": [{\#(members), "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "#
      + #""special": true}], \#(wordPiece)"#
  }

  @Test(arguments: [
    (["vocab.txt": "[PAD]\n[CLS]\n[SEP]"], #"vocab.txt:1: "[UNK]" is not in the vocabulary"#),
    (["vocab.txt": "[UNK]\n[PAD]\n[SEP]"], #"vocab.txt:1: "[CLS]" is not in the vocabulary"#),
    (["vocab.txt": "[UNK]\r\na\r\na"], #"vocab.txt:3: "a" occurs twice"#),
    (
      ["vocab.txt": "[UNK]\n[PAD]\n[SEP]\n[CLS]", "tokenizer_config.json": "{\n\"cls_token\": \"<c>\"}"],
      #"tokenizer_config.json:2: cls_token: "<c>" is not in the vocabulary"#
    ),
    (
      ["vocab.txt": "", "added_tokens.json": "{}"],
      "added_tokens.json:1: added_tokens.json is not supported (supported: tokenizer.json, added_tokens_decoder in "
        + "tokenizer_config.json)"
    ),
    (
      ["vocab.json": "{}", "merges.txt": ""],
      "vocab.json:1: the tokenizer class (none given) is not supported (supported: RobertaTokenizer, GPT2Tokenizer)"
    ),
    (
      [
        "vocab.json": #"{"a": 0, "b": 1}"#, "merges.txt": "#version: 0.2\na b\n",
        "tokenizer_config.json": #"{"tokenizer_class": "GPT2Tokenizer"}"#,
      ],
      #"merges.txt:2: "ab" is not in the vocabulary"#
    ),
    (
      ["vocab.json": #"{"a": 0}"#, "vocab.bpe": "", "tokenizer_config.json": #"{"tokenizer_class": "GPT2Tokenizer"}"#],
      #"vocab.json:1: "<|endoftext|>" is not in the vocabulary"#
    ),
  ])
  func vocabularyFiles(files: [String: String], message: String) throws {
    try expect("DIR/" + message, exit: .badInput, files: files)
  }

  @Test func sentencePieceFiles() throws {
    func check(_ message: String, _ bytes: [UInt8], config: String? = nil) throws {
      var files = ["tokenizer.model": Data(bytes)]
      if let config { files["tokenizer_config.json"] = Data(config.utf8) }
      try expect("DIR/" + message, exit: .badInput, data: files)
    }
    try check("tokenizer.model: not a SentencePiece model, or cut off", Array("<html>".utf8))
    try check("tokenizer.model: a SentencePiece model without pieces", [])
    let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(golden)/language/sp-bpe/tokenizer.model")))
    try check("tokenizer.model: not a SentencePiece model, or cut off", Array(model.dropLast()))
    // One normal piece "ab".
    let piece: [UInt8] = [0x0A, 0x04, 0x0A, 0x02, 0x61, 0x62]
    try check("tokenizer.model: a SentencePiece model without an unknown token", piece)
    let unknown: [UInt8] = [0x0A, 0x05, 0x0A, 0x01, 0x75, 0x18, 0x02], bytePairs: [UInt8] = [0x12, 0x02, 0x18, 0x02]
    try check(
      #"tokenizer.model: the piece "ab" has the character "a", which is not a piece"#, unknown + piece + bytePairs)
    try check(
      "tokenizer.model: models of words or characters are not supported (supported: unigram, bpe)",
      unknown + piece + [0x12, 0x02, 0x18, 0x04])
    try check(
      "tokenizer_config.json:1: bos_token: \"<begin>\" is not in the vocabulary", model,
      config: #"{"bos_token": "<begin>"}"#)
  }

  @Test func missingFiles() throws {
    try expect(
      "DIR: no tokenizer (expected tokenizer.json, or tokenizer.model, or vocab.txt, or vocab.json with merges.txt)",
      exit: .missingInput, files: ["vocab.json": "{}"])
    #expect(throws: TokenizerError.noTokenizer(directory: "/no/such/directory")) {
      try Tokenizer(modelDirectory: "/no/such/directory")
    }
  }

  @Test func unreadableFiles() throws {
    try expect(
      "DIR/vocab.txt:2: the text is not valid UTF-8", exit: .badInput, data: ["vocab.txt": Data([0x61, 0x0A, 0xFF])])
    try expect("DIR/vocab.txt: cannot be read: is a directory", exit: .missingInput, data: ["vocab.txt/x": Data()])
  }

  private func expect(_ message: String, exit: Diagnostics.ExitStatus, files: [String: String]) throws {
    try expect(message, exit: exit, data: files.mapValues { Data($0.utf8) })
  }

  private func expect(_ message: String, exit: Diagnostics.ExitStatus, data files: [String: Data]) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizer-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, data) in files {
      let file = directory.appendingPathComponent(name)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try data.write(to: file)
    }
    do {
      _ = try Tokenizer(modelDirectory: directory.path)
      Issue.record("no error where expected: \(message)")
    } catch let error as any UserFacingError {
      #expect(error.description.replacingOccurrences(of: directory.path, with: "DIR") == message)
      #expect(error.exitStatus == exit)
    }
  }
}
