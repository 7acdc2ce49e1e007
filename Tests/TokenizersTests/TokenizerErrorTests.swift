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
    (
      #""model": {"type": "Lattice"}"#,
      "1: model.type: Lattice is not supported (supported: WordPiece, BPE, Unigram, WordLevel)"
    ),
    (
      #""model": {"type": "Unigram", "vocab": [], "unk_id": 0}"#,
      "1: model.unk_id: the unknown piece 0 is not among 0 pieces"
    ),
    (
      #""model": {"type": "Unigram", "vocab": [["a", 0], ["b"]], "unk_id": 0}"#,
      "1: model.vocab[1]: must be a piece and its score"
    ),
    ("\n\"model\": {\"vocab\": {}}", "2: model.type: is missing"),
    (
      #""normalizer": {"type": "Odd"}, \#(wordPiece)"#,
      "1: normalizer.type: Odd is not supported (supported: BertNormalizer, Sequence, NFC, NFD, NFKC, NFKD, "
        + "Lowercase, StripAccents, Prepend, Replace, Strip, Precompiled, Nmt, ByteLevel)"
    ),
    (
      #""normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC", "x": 1}]}, \#(wordPiece)"#,
      "1: normalizer.normalizers[0].x: unknown key"
    ),
    (
      #""pre_tokenizer": {"type": "UnicodeScripts"}, \#(wordPiece)"#,
      "1: pre_tokenizer.type: UnicodeScripts is not supported (supported: BertPreTokenizer, ByteLevel, Metaspace, Split, "
        + "Digits, Punctuation, WhitespaceSplit, Whitespace, CharDelimiterSplit, FixedLength, Sequence)"
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
      #""pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a(+"}, "behavior": "Removed"}, \#(wordPiece)"#,
      "1: pre_tokenizer.pattern.Regex: the regular expression \"a(+\" cannot be used: target of repeat operator is not "
        + "specified"
    ),
    (
      #""normalizer": {"type": "Replace", "pattern": {"Regex": "\\p{Odd}"}, "content": "x"}, \#(wordPiece)"#,
      "1: normalizer.pattern.Regex: the regular expression \"\\p{Odd}\" cannot be used: invalid character property name "
        + "{Odd}"
    ),
    (
      #""decoder": {"type": "Odd"}, \#(wordPiece)"#,
      "1: decoder.type: Odd is not supported (supported: ByteLevel, WordPiece, Metaspace, BPEDecoder, Sequence, "
        + "Replace, ByteFallback, Fuse, CTC, Strip)"
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
    (["vocab.txt": "[PAD]\n[CLS]\n[SEP]"], bert, #"vocab.txt:1: "[UNK]" is not in the vocabulary"#),
    (["vocab.txt": "[UNK]\r\na\r\na"], bert, #"vocab.txt:3: "a" occurs twice"#),
    (
      ["vocab.txt": "[UNK]"], #"{"tokenizer_class": "BertTokenizer", "cls_token": null}"#,
      "tokenizer_config.json:1: cls_token: cannot be null or empty for this tokenizer class"
    ),
    (
      ["vocab.txt": "[UNK]"], "{\n\"tokenizer_class\": \"BertTokenizer\",\n\"cls_token\": {\"content\": \"x\"}}",
      #"tokenizer_config.json:3: cls_token: must be a token's text, or an object with "__type": "AddedToken""#
    ),
    (
      ["vocab.txt": "[UNK]"],
      #"{"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {"-1": {"content": "x"}}}"#,
      #"tokenizer_config.json:1: added_tokens_decoder.-1: the id of "x" must be between 0 and 2147483647"#
    ),
    (
      ["vocab.txt": "[UNK]", "added_tokens.json": "[]"], bert,
      "added_tokens.json:1: must be an object, not a list"
    ),
    (
      ["vocab.json": #"{"a": 0, "b": 1}"#, "merges.txt": "#version: 0.2\na b\n"],
      #"{"tokenizer_class": "GPT2Tokenizer"}"#, #"merges.txt:2: "ab" is not in the vocabulary"#
    ),
    (
      ["vocab.txt": "[UNK]"], #"{"tokenizer_class": "T5Tokenizer"}"#,
      "tokenizer_config.json:1: tokenizer_class: T5Tokenizer is not supported (supported: \(supported))"
    ),
    (
      ["vocab.txt": "[UNK]"], #"{"tokenizer_class": "NoSuchTokenizer"}"#,
      "tokenizer_config.json:1: tokenizer_class: NoSuchTokenizer is not supported (supported: \(supported))"
    ),
    (
      ["tokenizer.json": "{\(wordPiece)}"], #"{"tokenizer_class": "T5TokenizerFast"}"#,
      "tokenizer_config.json:1: tokenizer_class: T5Tokenizer is not supported (supported: \(supported))"
    ),
  ])
  func vocabularyFiles(files: [String: String], config: String, message: String) throws {
    var files = files
    files["tokenizer_config.json"] = config
    try expect("DIR/" + message, exit: .badInput, files: files)
  }

  private static let bert = #"{"tokenizer_class": "BertTokenizer"}"#
  private static let supported =
    TokenizerClass.all.flatMap(\.names).joined(separator: ", ") + ", PreTrainedTokenizerFast"

  @Test func filesThatAClassLacks() throws {
    try expect(
      "DIR: no tokenizer.json and no vocab.json with merges.txt for GPT2Tokenizer", exit: .missingInput,
      files: ["tokenizer_config.json": #"{"tokenizer_class": "GPT2Tokenizer"}"#, "vocab.json": "{}"])
    try expect(
      "DIR: no tokenizer.json and no spm.model for DebertaV2Tokenizer", exit: .missingInput,
      files: ["tokenizer_config.json": #"{"tokenizer_class": "DebertaV2Tokenizer"}"#])
    let classes = (TokenizerClass.bert.names + TokenizerClass.mpnet.names).joined(separator: ", ")
    try expect(
      "DIR: tokenizer_config.json must name the tokenizer class (supported: \(classes))", exit: .badInput,
      files: ["vocab.txt": "a"])
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
    try check(#"tokenizer.model:1: "<unk>" is not in the vocabulary"#, piece + [0x12, 0x02, 0x18, 0x02])
    let elsewhere: [UInt8] = [0x12, 0x03, 0xC0, 0x02, 0x07]
    try check("tokenizer.model:1: the unknown piece -1 is not among 1 pieces", piece + elsewhere)
    try check(
      "tokenizer_config.json:1: added_tokens_decoder.1: added_tokens_decoder beside a unigram model without a tokenizer "
        + "class is not supported (supported: LlamaTokenizer, Phi3Tokenizer, GemmaTokenizer, XLMRobertaTokenizer, "
        + "CamembertTokenizer, AlbertTokenizer, DebertaV2Tokenizer)", piece,
      config: #"{"added_tokens_decoder": {"1": {"content": "x"}}}"#)
  }

  @Test func missingFiles() throws {
    try expect(
      "DIR: no tokenizer (expected tokenizer.json, or a SentencePiece file, or vocab.txt, or vocab.json with merges.txt)",
      exit: .missingInput, files: ["merges.txt": ""])
    #expect(throws: TokenizerError.noTokenizer(directory: "/no/such/directory")) {
      try Tokenizer(modelDirectory: "/no/such/directory")
    }
  }

  @Test func unreadableFiles() throws {
    try expect(
      "DIR/vocab.txt:2: the text is not valid UTF-8", exit: .badInput,
      data: ["vocab.txt": Data([0x61, 0x0A, 0xFF]), "tokenizer_config.json": Data(Self.bert.utf8)])
    try expect(
      "DIR/vocab.txt: cannot be read: is a directory", exit: .missingInput,
      data: ["vocab.txt/x": Data(), "tokenizer_config.json": Data(Self.bert.utf8)])
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
