import Foundation
import StrictJSON
import Testing

@testable import Training

/// generation_config.json, obeyed as transformers' `generate` obeys it (scripts/golden/generation.py).
@Suite struct GenerationDefaultsTests {
  static let models = ["gpt2-tiny", "llama-grouped"]

  static func golden(_ name: String) throws -> JSONNode {
    try GoldenRun.json(GoldenRun.directory.appendingPathComponent("generation/\(name).json"))
  }

  private func defaults(_ json: String) throws -> GenerationDefaults {
    try GenerationDefaults(json: Array(json.utf8), file: "g.json")
  }

  @Test(arguments: models) func textsAreThoseOfTransformers(model: String) throws {
    let golden = try Self.golden(model)
    let prompts = try require(golden["prompts"]?.array).map(GenerationGolden.tokens)
    let cases = try require(golden["cases"]?.object)
    #expect(cases.count == 16)
    for name in cases.keys {
      let entry = try require(cases[name])
      let file = try defaults(JSONWriter.text(try require(entry["config"]).value, pretty: false))
      let options = try GenerationRequest().options(over: file).options
      let ends = Set(try require(file.ends).map(Int32.init))
      let generator = try GenerationGolden(DecoderGoldenRun(model: model, run: "lora-all")).generator(ends: ends)
      let found = generator.continuations(of: prompts, options)
      let expected = try require(entry["outputs"]?.array).map(GenerationGolden.tokens)
      #expect(found.map(\.tokens) == expected.map { Array($0.prefix { !ends.contains($0) }) }, "\(model) \(name)")
    }
  }

  @Test func drawsFromTheTokensThatTransformersLeaves() throws {
    let golden = try Self.golden("filters")
    let logits = try require(golden["logits"]?.array).map { row in numbers(row).map { Float($0) } }
    let cases = try require(golden["cases"]?.object)
    #expect(cases.count == 11)
    for name in cases.keys {
      let entry = try require(cases[name])
      let file = try defaults(JSONWriter.text(try require(entry["config"]).value, pretty: false))
      let sampler = TokenSampler(options: try GenerationRequest().options(over: file).options)
      let rows = try require(entry["rows"]?.array)
      for (index, row) in rows.enumerated() {
        let found = sampler.candidates(logits[index]).sorted { $0.token < $1.token }
        let tokens = try GenerationGolden.tokens(require(row["tokens"]))
        #expect(found.map(\.token) == tokens, "\(name)")
        let expected = numbers(try require(row["probabilities"]))
        let furthest = zip(found, expected).map { abs($0.probability - $1) }.max() ?? 0
        #expect(furthest < 1e-6 && expected.count == found.count, "\(name)")
      }
    }
  }

  private func numbers(_ node: JSONNode) -> [Double] { node.array?.compactMap(\.number) ?? [] }

  @Test func aRequestStandsAboveTheFile() throws {
    let file = try defaults(
      #"{"do_sample": true, "temperature": 0.5, "top_k": 7, "max_length": 30, "min_length": 4, "repetition_penalty": 2}"#
    )
    let (options, taken) = try GenerationRequest().options(over: file)
    #expect(options.samples && options.temperature == 0.5 && options.topK == 7 && options.maxLength == 30)
    let names = [
      "do_sample true", "max_length 30", "min_length 4", "repetition_penalty 2.0", "temperature 0.5", "top_k 7",
    ]
    #expect(taken == names)
    var request = GenerationRequest()
    (request.samples, request.maxNewTokens, request.minNewTokens, request.repetitionPenalty) = (false, 3, 2, 1)
    let (own, rest) = try request.options(over: file)
    #expect(!own.samples && own.maxNewTokens == 3 && own.maxLength == nil && own.minLength == 0 && rest.isEmpty)
    let standard = try GenerationRequest().options(over: defaults("{}"))
    #expect(standard.options == GenerationOptions() && standard.taken.isEmpty)
    request.samples = true
    #expect(try request.options(over: defaults("{}")).options.topK == 50)
  }

  @Test func oddFieldsForSamplingMatterOnlyToSampling() throws {
    let file = try defaults("{\n\"temperature\": 0,\n\"top_k\": -1, \"num_beams\": 1}")
    #expect(try GenerationRequest().options(over: file).taken.isEmpty)
    var request = GenerationRequest()
    request.samples = true
    func message() -> String {
      do { return "\(try request.options(over: file).options.topK)" } catch { return "\(error)" }
    }
    #expect(message() == "g.json:2: temperature: must be above 0, not 0.0\ng.json:3: top_k: must be at least 0, not -1")
    (request.temperature, request.topK) = (1, 3)
    #expect(message() == "3")
  }

  @Test(arguments: [
    (#"{"max_new_tokens": 0}"#, "max_new_tokens: must be at least 1, not 0"),
    (#"{"max_length": "9"}"#, "max_length: must be a whole number, not a string"),
    (#"{"do_sample": 1}"#, "do_sample: must be true or false, not a whole number"),
    (#"{"repetition_penalty": 0}"#, "repetition_penalty: must be above 0, not 0.0"),
    (#"{"num_beams": 0}"#, "num_beams: must be at least 1, not 0"),
    (#"{"early_stopping": "sometimes"}"#, #"early_stopping: must be true, false or "never", not a string"#),
    (#"{"eos_token_id": [1, -1]}"#, "eos_token_id[1]: must be from 0 to 2147483647, not -1"),
    (#"{"bad_words_ids": [3]}"#, "bad_words_ids[0]: must be a list, not a whole number"),
    (#"{"suppress_tokens": 3}"#, "suppress_tokens: must be a list, not a whole number"),
    (#"[]"#, "must be an object, not a list"),
  ]) func refusals(json: String, problem: String) {
    let error = #expect(throws: (any Error).self) { try defaults(json) }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.hasPrefix("g.json:1: ") && text.hasSuffix(problem), "\(text)")
  }

  @Test func beamsDoNotSample() throws {
    let file = try defaults(#"{"do_sample": true, "num_beams": 4}"#)
    var request = GenerationRequest()
    #expect(throws: GenerationError.samplingBeams(beams: 4, file: "g.json")) { try request.options(over: file) }
    request.samples = false
    #expect(try request.options(over: file).options.beams == 4)
    #expect(
      GenerationError.samplingBeams(beams: 4, file: "g.json").description
        == "beam search does not sample: there are num_beams 4 and do_sample true (see g.json); add --greedy, or "
        + "--num-beams 1")
  }

  @Test func whatIsNotDoneIsNamed() throws {
    let file = try defaults(
      #"{"guidance_scale": 1.5, "penalty_alpha": 0, "num_beam_groups": 1, "forced_eos_token_id": null, "max_time": 3}"#)
    #expect(file.undone == ["guidance_scale", "max_time"])
    #expect(try defaults(#"{"use_cache": false, "transformers_version": "5"}"#).undone.isEmpty)
  }
}
