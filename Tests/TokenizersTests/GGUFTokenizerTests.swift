import Checkpoints
import Foundation
import Testing

@testable import Tokenizers

/// Tokenizers in the metadata of GGUF files.
@Suite struct GGUFTokenizerTests {
  private let texts = GoldenTexts(folder: "language")

  /// A tokenizer that is written and read again has the same ids and texts as the one of the directory, which golden tests
  /// compare with `tokenizers`.
  @Test(arguments: ["smollm", "qwen2", "llama3", "sp-bpe"]) func idsAreThoseOfTheDirectory(name: String) throws {
    let tokenizer = try texts.tokenizer(name)
    try withFile(tokenizer.ggufMetadata(count: tokenizer.vocabularySize, file: name)) { path in
      let read = try Tokenizer(modelDirectory: path)
      #expect(read.vocabularySize == tokenizer.vocabularySize)
      var compared = 0
      for fields in try texts.lines("texts.jsonl") {
        let text = try #require(fields[0] as? String)
        // Whether an added token takes white space with it is not in the file.
        if ["<|eot|>", "<sep>"].contains(where: text.contains) { continue }
        let ids = tokenizer.encode(text).ids
        #expect(read.encode(text).ids == ids, "\(text)")
        #expect(read.decode(ids) == tokenizer.decode(ids), "\(text)")
        compared += 1
      }
      #expect(compared > 30)
    }
  }

  private let pieces: [(key: String, value: GGUFWriter.Value)] = [
    ("tokenizer.ggml.model", .string("llama")),
    ("tokenizer.ggml.tokens", .strings(["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "b", "▁a", "ab", "<x y>"])),
    ("tokenizer.ggml.scores", .floats([0, 0, 0, 0, -4, -5, -6, -1, -2, 0])),
    ("tokenizer.ggml.token_type", .int32s([2, 3, 3, 6, 1, 1, 1, 1, 1, 4])),
  ]

  @Test func piecesAreMergedByTheirScores() throws {
    try withFile(pieces) { path in
      let tokenizer = try Tokenizer(modelDirectory: path)
      // ▁a comes before ab; a byte stands for what the pieces lack, else the unknown token.
      #expect(tokenizer.encode("ab").ids == [1, 7, 6] && tokenizer.encode("bab").ids == [1, 4, 6, 8])
      #expect(tokenizer.encode("A").ids == [1, 4, 3] && tokenizer.encode("é").ids == [1, 4, 0])
      #expect(
        tokenizer.decode([1, 7, 6, 2]) == "ab" && tokenizer.specialTokens.map(\.text) == ["<s>", "</s>", "<unk>"])
    }
    let plain =
      pieces + [("tokenizer.ggml.add_space_prefix", .bool(false)), ("tokenizer.ggml.add_bos_token", .bool(false))]
    try withFile(plain + [("tokenizer.ggml.add_eos_token", .bool(true))]) { path in
      let tokenizer = try Tokenizer(modelDirectory: path)
      #expect(tokenizer.encode("ab").ids == [8, 2] && tokenizer.encode(" ab").ids == [7, 6, 2])
    }
  }

  /// The files of the directory go before the metadata.
  @Test func aTokenizerBesideTheFileCounts() throws {
    try withFile(pieces) { path in
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
      let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Golden/language/smollm/tokenizer.json")
      try FileManager.default.copyItem(at: source, to: folder.appendingPathComponent("tokenizer.json"))
      let directory = try texts.tokenizer("smollm")
      #expect(try Tokenizer(modelDirectory: path).ids(of: "A text.") == directory.ids(of: "A text."))
      #expect(try Tokenizer(modelDirectory: folder.path).vocabularySize == directory.vocabularySize)
    }
  }

  @Test func templatesAreThoseOfTheMetadata() throws {
    let templates: [(key: String, value: GGUFWriter.Value)] = [
      ("tokenizer.chat_template", .string("{{ usual }}")), ("tokenizer.chat_template.tool_use", .string("{{ tools }}")),
    ]
    try withFile(templates) { path in
      let files = try ChatTemplateFiles(modelDirectory: path)
      #expect(files.usual == .init(text: "{{ usual }}", file: "\(path): tokenizer.chat_template"))
      #expect(files["tool_use"]?.text == "{{ tools }}" && files["other"] == nil)
    }
    try withFile([]) { path in
      let files = try ChatTemplateFiles(modelDirectory: path)
      #expect(files.usual == nil)
    }
  }

  @Test(arguments: [
    ("tokenizer.ggml.model", GGUFWriter.Value?.none, "the metadata lacks \"tokenizer.ggml.model\""),
    (
      "tokenizer.ggml.model", .string("bert"),
      "tokenizer.ggml.model: \"bert\" is not supported (supported: llama, gpt2)"
    ),
    ("tokenizer.ggml.model", .string("gpt2"), "tokenizer.ggml.pre: \"default\" is not supported (supported: gpt-2,"),
    ("tokenizer.ggml.tokens", nil, "the metadata lacks \"tokenizer.ggml.tokens\""),
    ("tokenizer.ggml.tokens", .string("a"), "\"tokenizer.ggml.tokens\": must be a list of texts, not a text"),
    ("tokenizer.ggml.scores", .floats([1]), "\"tokenizer.ggml.scores\": must be a list of 10 numbers, not one of 1"),
    ("tokenizer.ggml.scores", .floats([Float](repeating: .nan, count: 10)), "must be a list of finite numbers"),
    (
      "tokenizer.ggml.token_type", .int32s([Int32](repeating: 7, count: 10)),
      "\"tokenizer.ggml.token_type\": must be a list of numbers from 0 to 6, not one with 7"
    ),
    (
      "tokenizer.ggml.bos_token_id", .uint32(10),
      "\"tokenizer.ggml.bos_token_id\": must be below the number of tokens (10), not 10"
    ),
    ("tokenizer.ggml.tokens", .strings(Array(repeating: "a", count: 10)), "\"a\" occurs twice"),
  ])
  func wrongMetadataAreRefused(key: String, value: GGUFWriter.Value?, problem: String) throws {
    let changed = pieces.filter { $0.key != key } + (value.map { [(key, $0)] } ?? [])
    try withFile(changed) { path in
      #expect { _ = try Tokenizer(modelDirectory: path) } throws: {
        "\($0)".hasPrefix(path) && "\($0)".contains(problem)
      }
    }
  }

  @Test func mergesOfUnknownTokensAreRefused() throws {
    let bytes: [(key: String, value: GGUFWriter.Value)] = [
      ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("gpt-2")),
      ("tokenizer.ggml.tokens", .strings(["a", "b", "ab"])), ("tokenizer.ggml.merges", .strings(["a b", "a c"])),
    ]
    try withFile(bytes) { path in
      #expect { _ = try Tokenizer(modelDirectory: path) } throws: {
        "\($0)" == "\(path):1: tokenizer.ggml.merges[1]: \"c\" is not in the vocabulary"
      }
    }
  }

  private func withFile(_ metadata: [(key: String, value: GGUFWriter.Value)], _ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("m.gguf").path
    try GGUFWriter.write(metadata: metadata, tensors: [], to: path)
    try body(path)
  }
}
