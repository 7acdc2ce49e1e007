import Checkpoints
import Diagnostics
import Foundation
import Kernels
import StrictJSON

/// What a model asks for when it generates: the fields of its `generation_config.json`, or, as in transformers, of its
/// `config.json` if it has no such file.
///
///     let defaults = try GenerationDefaults(modelDirectory: "models/SmolLM2-135M-Instruct")
///     var options = GenerationOptions()
///     options.temperature = defaults.temperature ?? 1
///
/// A nil field is not in the file.
public struct GenerationDefaults: Sendable {
  /// The file they come from.
  public let file: String
  /// Whether that is `generation_config.json`.
  public var isOwnFile: Bool { file.hasSuffix("generation_config.json") }
  /// `max_new_tokens`.
  public private(set) var maxNewTokens: Int?
  /// `max_length`, of prompt and continuation together. transformers ignores it beside `max_new_tokens`.
  public private(set) var maxLength: Int?
  /// `min_new_tokens`.
  public private(set) var minNewTokens: Int?
  /// `min_length`.
  public private(set) var minLength: Int?
  /// `do_sample`.
  public private(set) var samples: Bool?
  /// `temperature`.
  public private(set) var temperature: Double?
  /// `top_k`; 0 is off.
  public private(set) var topK: Int?
  /// `top_p`.
  public private(set) var topP: Double?
  /// `min_p`.
  public private(set) var minP: Double?
  /// `typical_p`.
  public private(set) var typicalP: Double?
  /// `epsilon_cutoff`.
  public private(set) var epsilonCutoff: Double?
  /// `eta_cutoff`.
  public private(set) var etaCutoff: Double?
  /// `repetition_penalty`.
  public private(set) var repetitionPenalty: Double?
  /// `no_repeat_ngram_size`.
  public private(set) var noRepeatNGramSize: Int?
  /// `bad_words_ids`.
  public private(set) var badWords: [[Int32]] = []
  /// `suppress_tokens`.
  public private(set) var suppressedTokens: [Int32] = []
  /// `begin_suppress_tokens`.
  public private(set) var suppressedAtStart: [Int32] = []
  /// `renormalize_logits`.
  public private(set) var renormalizes = false
  /// `num_beams`.
  public private(set) var beams: Int?
  /// `length_penalty`.
  public private(set) var lengthPenalty: Double?
  /// `early_stopping`.
  public private(set) var earlyStopping: GenerationOptions.EarlyStopping?
  /// `eos_token_id`, a number or a list.
  public private(set) var ends: [Int]?
  /// `stop_strings`, a text or a list.
  public private(set) var stopStrings: [String]?
  /// `bos_token_id`.
  public private(set) var begin: Int?
  /// Fields of the file that change a text in transformers but not here.
  public let undone: [String]
  /// What is wrong with fields that count for sampling alone, by field.
  public private(set) var samplingErrors: [String: JSONFieldError] = [:]

  /// Reads the file of a model directory. Throws `JSONSyntaxError`, `JSONFieldError` or a list of the latter.
  ///
  /// A GGUF file says nothing about it.
  public init(modelDirectory: String) throws {
    if let path = try GGUFFile.path(of: modelDirectory) {
      try self.init(json: Array("{}".utf8), file: path)
      return
    }
    let own = "\(modelDirectory)/generation_config.json"
    let file = FileManager.default.fileExists(atPath: own) ? own : "\(modelDirectory)/config.json"
    let isThere = FileManager.default.fileExists(atPath: file)
    try self.init(json: isThere ? MappedFile(path: file).text() : Array("{}".utf8), file: file)
  }

  /// Reads the text of a file; `file` names it in errors.
  public init(json: [UInt8], file: String) throws {
    let field = try JSONField(parsing: json, file: file)
    self.file = file
    undone = Self.undone.filter { field.node[$0.field].map($0.changes) ?? false }.map(\.field)
    var fields = JSONObjectReader(field)
    readTokens(&fields)
    readBasics(&fields)
    // What only sampling reads may be odd where nothing is sampled, as in transformers.
    readSampling(field)
    try fields.finish()
  }

  private mutating func readTokens(_ fields: inout JSONObjectReader) {
    let known = 0...Int(Int32.max)
    func list(_ field: JSONField) throws -> [Int32] {
      try field.elements().map { Int32(try $0.integer(in: known)) }
    }
    ends = fields.optional("eos_token_id") { field in
      try field.node.array == nil
        ? [field.integer(in: known)] : field.elements().map { try $0.integer(in: known) }
    }
    begin = fields.optional("bos_token_id") { try $0.integer(in: known) }
    badWords = fields.optional("bad_words_ids") { try $0.elements().map(list) } ?? []
    suppressedTokens = fields.optional("suppress_tokens", list) ?? []
    suppressedAtStart = fields.optional("begin_suppress_tokens", list) ?? []
  }

  private mutating func readBasics(_ fields: inout JSONObjectReader) {
    maxNewTokens = fields.optional("max_new_tokens") { try $0.integer(atLeast: 1) }
    maxLength = fields.optional("max_length") { try $0.integer(atLeast: 1) }
    minNewTokens = fields.optional("min_new_tokens") { try $0.integer(atLeast: 0) }
    minLength = fields.optional("min_length") { try $0.integer(atLeast: 0) }
    stopStrings = fields.optional("stop_strings") { field in
      try (field.node.array == nil ? [field] : field.elements()).map { field in
        let text = try field.string()
        if text.isEmpty { throw field.error("must not be empty") }
        return text
      }
    }
    samples = fields.optional("do_sample") { try $0.bool() }
    repetitionPenalty = fields.optional("repetition_penalty") { try Self.number($0, above: 0) }
    noRepeatNGramSize = fields.optional("no_repeat_ngram_size") { try $0.integer(atLeast: 0) }
    renormalizes = fields.optional("renormalize_logits") { try $0.bool() } ?? false
    beams = fields.optional("num_beams") { try $0.integer(atLeast: 1) }
    lengthPenalty = fields.optional("length_penalty") { try $0.number() }
    earlyStopping = fields.optional("early_stopping") { field in
      if let bool = field.node.bool { return bool ? .full : .heuristic }
      return try field.value("true, false or \"never\"") { $0.string == "never" ? .never : nil }
    }
  }

  private mutating func readSampling(_ field: JSONField) {
    func read<Value>(_ name: String, _ read: (JSONField) throws -> Value) -> Value? {
      do { return try field.optional(name).map(read) } catch {
        samplingErrors[name] = error as? JSONFieldError
        return nil
      }
    }
    temperature = read("temperature") { try Self.number($0, above: 0) }
    topK = read("top_k") { try $0.integer(atLeast: 0) }
    topP = read("top_p") { try $0.number(in: 0...1) }
    minP = read("min_p") { try $0.number(in: 0...1) }
    typicalP = read("typical_p") { try Self.number($0, above: 0) }
    epsilonCutoff = read("epsilon_cutoff") { try $0.number(in: 0...1) }
    etaCutoff = read("eta_cutoff") { try $0.number(in: 0...1) }
  }

  private static func number(_ field: JSONField, above least: Double) throws -> Double {
    let number = try field.number()
    guard number > least else {
      throw field.error(.wrongValue(expected: "above \(Int(least))", found: "\(number)"))
    }
    return number
  }

  /// Fields of transformers that are not done, and whether a value changes a text.
  private static let undone: [(field: String, changes: @Sendable (JSONNode) -> Bool)] = [
    ("encoder_repetition_penalty", { ($0.number ?? 1) != 1 }), ("encoder_no_repeat_ngram_size", isPositive),
    ("forced_bos_token_id", isSet), ("forced_eos_token_id", isSet), ("exponential_decay_length_penalty", isSet),
    ("sequence_bias", isSet), ("guidance_scale", { ($0.number ?? 1) != 1 }), ("watermarking_config", isSet),
    ("token_healing", { $0.bool == true }), ("num_return_sequences", { ($0.integer ?? 1) > 1 }), ("max_time", isSet),
    ("num_beam_groups", { ($0.integer ?? 1) > 1 }), ("diversity_penalty", isPositive), ("penalty_alpha", isPositive),
    ("dola_layers", isSet), ("constraints", isSet), ("force_words_ids", isSet), ("top_h", isSet),
  ]

  @Sendable private static func isSet(_ node: JSONNode) -> Bool { !node.isNull }
  @Sendable private static func isPositive(_ node: JSONNode) -> Bool { (node.number ?? 0) > 0 }
}
