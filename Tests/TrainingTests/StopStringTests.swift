import Foundation
import StrictJSON
import Testing
import Tokenizers

@testable import Training

/// Stop strings end texts where transformers' `StopStringCriteria` ends them (scripts/golden/generation.py).
@Suite struct StopStringTests {
  private static let tokenizers = GoldenRun.directory.appendingPathComponent("../../TokenizersTests/Golden")

  private func ids(_ node: JSONNode?) throws -> [Int32] { GenerationGolden.tokens(try require(node)) }

  @Test(arguments: ["language/smollm", "language/llama-metaspace", "kinds/gemma", "kinds/phi3", "kinds/qwen2"])
  func theFirstTokenThatCompletesOne(name: String) throws {
    let tokenizer = try Tokenizer(modelDirectory: Self.tokenizers.appendingPathComponent(name).path)
    let rows = try require(GenerationDefaultsTests.golden("stops")[name]?.array)
    #expect(rows.count == 36)
    for row in rows {
      let ids = try ids(row["ids"]), prompt = try require(row["prompt"]?.integer)
      let texts = try require(row["stops"]?.array).compactMap(\.string)
      let stops = try require(StopStrings(texts, tokenizer))
      let end = (prompt + 1...ids.count).first { stops.match(Array(ids[..<$0]), new: $0 - prompt) != nil }
      #expect(end == (try require(row["ends"]?.array)).first?.integer, "\(name) \(texts) \(ids)")
      guard let end, let match = stops.match(Array(ids[..<end]), new: end - prompt) else { continue }
      checkText(match, ids[prompt..<end], texts, tokenizer)
      checkStream(match, Array(ids[..<end]), prompt: prompt, stops)
    }
  }

  /// What is kept is the text before the first stop string.
  private func checkText(
    _ match: StopStrings.Match, _ new: ArraySlice<Int32>, _ texts: [String], _ tokenizer: Tokenizer
  ) {
    let bytes = TokenBytes(tokenizer)
    let whole = new.flatMap(bytes.of), shown = new.prefix(match.shown).flatMap(bytes.of) + match.rest.utf8
    #expect(whole.starts(with: shown))
    let cut = whole.dropFirst(shown.count)
    let isStop = texts.contains { cut.starts(with: $0.utf8) }
    // A stop string may begin in the prompt, or inside a special token.
    let isSpecial = new.dropFirst(match.shown).first.map(tokenizer.isSpecial) ?? false
    #expect(isStop || shown.isEmpty || isSpecial, "\(texts) \(match)")
  }

  /// No token of a stop string was released before.
  private func checkStream(_ match: StopStrings.Match, _ ids: [Int32], prompt: Int, _ stops: StopStrings) {
    for length in prompt + 1..<max(prompt + 1, ids.count) {
      let released = length - prompt - stops.open(Array(ids[..<length]), new: length - prompt)
      #expect(released <= match.shown)
    }
  }

  @Test(arguments: GenerationDefaultsTests.models) func textsAreThoseOfTransformers(model: String) throws {
    let rows = try require(GenerationDefaultsTests.golden("\(model).stops").array)
    #expect(rows.count > 15)
    let golden = try GenerationGolden(DecoderGoldenRun(model: model, run: "lora-all"))
    let tokenizer = try Tokenizer(modelDirectory: golden.run.path)
    for row in rows {
      let config = JSONWriter.text(try require(row["config"]).value, pretty: false)
      let options = try GenerationRequest().options(over: GenerationDefaults(json: Array(config.utf8), file: "g"))
        .options
      let prompt = try ids(row["prompt"]), expected = try ids(row["tokens"])
      let found = try golden.generator(threads: 2).continuations(of: [prompt, prompt], options)
      #expect(found[0].tokens == Array(expected.prefix { $0 != 0 }), "\(config)")
      #expect(found[0] == found[1])
      for stop in options.stopStrings { #expect(!found[0].text(tokenizer).contains(stop), "\(config)") }
      guard options.beams == 1 else { continue }
      var streamed: [Int32] = []
      let alone = try golden.generator().stream(prompt, options) { token in
        streamed.append(token)
        return true
      }
      #expect(alone == found[0] && streamed == Array(alone.tokens.prefix(alone.shown)))
    }
  }

  @Test func theFileNamesThemAndAnEmptyListRemovesThem() throws {
    let file = try GenerationDefaults(json: Array(#"{"stop_strings": "\n"}"#.utf8), file: "g.json")
    let (options, taken) = try GenerationRequest().options(over: file)
    #expect(options.stopStrings == ["\n"] && taken == [#"stop_strings ["\n"]"#])
    var request = GenerationRequest()
    request.stopStrings = []
    #expect(try request.options(over: file).options.stopStrings.isEmpty)
    let error = #expect(throws: (any Error).self) {
      try GenerationDefaults(json: Array(#"{"stop_strings": ["a", ""]}"#.utf8), file: "g.json")
    }
    #expect(error.map { "\($0)" } == "g.json:1: stop_strings[1]: must not be empty")
  }
}
