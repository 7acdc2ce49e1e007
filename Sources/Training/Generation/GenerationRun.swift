import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON
import Tokenizers

/// A language model with its tokenizer, ready to continue texts: a bare model, or one with an adapter.
public struct GenerationRun: Sendable {
  /// Text to ids and back.
  public let tokenizer: Tokenizer
  /// What continues them.
  public let generator: Generator
  private let model: ModelConfig
  private let path: String
  private let format: PromptFormat
  private let tokens: LanguageTokens

  /// Loads the run that was trained as `config` says, with its adapter.
  public init(run config: RunConfig, adapterDirectory: String, template: String?, threads: Int) throws {
    guard config.task.name.isLanguageModelling else {
      throw RunError.noLanguageModel(directory: adapterDirectory, task: config.task.name.rawValue)
    }
    var config = config
    if template != nil { (config.task.name, config.task.promptTemplate) = (.instruct, template) }
    try self.init(config, adapterDirectory: adapterDirectory, threads: threads)
  }

  /// Loads the model directory `path`, with the adapter in `adapterDirectory` where that is given.
  public init(model path: String, adapterDirectory: String?, template: String?, threads: Int) throws {
    var task = TaskConfig(name: template == nil ? .causalLM : .instruct)
    task.promptTemplate = template
    task.maxSeqLength = 8
    var adapter = AdapterConfig()
    adapter.strategy = "none"
    try self.init(
      RunConfig(name: "generate", model: path, task: task, adapter: adapter), adapterDirectory: adapterDirectory,
      threads: threads)
  }

  private init(_ config: RunConfig, adapterDirectory: String?, threads: Int) throws {
    try self.init(ScoringRun(config, adapterDirectory: adapterDirectory, threads: threads))
  }

  /// The language model of a run that is scored.
  init(_ scoring: ScoringRun) throws {
    let config = scoring.run.plan.config
    let plan = scoring.run.plan
    guard case .language(let loaded) = scoring.run.model else {
      throw ModelError.notADecoder(plan.model, path: config.model)
    }
    path = plan.modelDirectory
    model = plan.model
    guard case .language(let task) = scoring.run.task else {
      throw RunError.noLanguageModel(directory: config.model, task: config.task.name.rawValue)
    }
    format = PromptFormat(task)
    tokens = try scoring.run.languageTokens()
    tokenizer = tokens.tokenizer
    let ends = try Self.ends(of: plan.model, path: plan.modelDirectory) + format.ends(tokens)
    guard !ends.isEmpty else { throw RunError.noEndOfText(directory: config.model) }
    generator = Generator(
      model: loaded, sites: plan.sites, state: scoring.state, scale: scoring.scale, ends: ends, pool: scoring.run.pool)
  }

  /// The ids of a prompt; a run that learnt to answer gets it in the template that it learnt with. Throws where it
  /// leaves no room for a continuation.
  public func ids(of prompt: String) throws -> [Int32] {
    var ids = format.ids(prompt, tokens)
    if ids.isEmpty { ids = [Int32(model.bosTokenID ?? model.eosTokenID ?? 0)] }
    try model.check(ids: ids, path: path)
    guard ids.count < generator.longestText else {
      throw RunError.promptTooLong(tokens: ids.count, limit: generator.longestText)
    }
    return ids
  }

  /// The tokens that end a text: those of config.json, and of generation_config.json where there is one.
  private static func ends(of model: ModelConfig, path: String) throws -> [Int] {
    var ends = model.eosTokenIDs
    let file = "\(path)/generation_config.json"
    if FileManager.default.fileExists(atPath: file) {
      let node = try JSONParser.parse(MappedFile(path: file).text(), file: file)["eos_token_id"]
      ends += node?.array?.compactMap(\.integer) ?? node?.integer.map { [$0] } ?? []
    }
    return Set(ends).sorted()
  }
}
