import Checkpoints
import Cluster
import Configuration
import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks
import Tokenizers

/// A language model with its tokenizer, ready to continue texts: a bare model, or one with an adapter.
public struct GenerationRun: Sendable {
  /// Text to ids and back.
  public let tokenizer: Tokenizer
  /// What continues them.
  public let generator: Generator
  /// What the model asks for.
  public let defaults: GenerationDefaults
  /// Notes for the user about the model and its tokenizer.
  public private(set) var notices: [String]
  private let model: ModelConfig
  private let path: String
  private let prompts: PromptEncoder
  private let scoring: ScoringRun
  let cluster: Cluster
  private let threads: Int

  /// Loads the run that was trained as `config` says, with its adapter.
  public init(
    run config: RunConfig, adapterDirectory: String, template: String?, threads: Int, cluster: Cluster = .alone
  ) throws {
    guard try config.knownTask().isLanguageModelling else {
      throw RunError.noLanguageModel(directory: adapterDirectory, task: config.task.name)
    }
    var config = config, notices: [String] = []
    if config.training.precision == .int8 {
      if !Int8Products.isAvailable {
        config.training.precision = .float32
        notices.append("this machine has no int8 products: texts are generated in float32, unlike the run")
      } else if !Int8Factors.areKept(in: adapterDirectory) {
        throw RunError.noInt8Factors(directory: adapterDirectory)
      }
    }
    // The same numbers in fewer bytes: a token costs the time that reading the weights takes.
    if config.training.precision == .float32 { config.training.weights = .stored }
    if template != nil {
      // How long the texts were that it learnt from does not matter to a prompt of another kind.
      var task = TaskConfig(name: Task.instruct.name)
      (task.promptTemplate, task.maxSeqLength) = (template, 8)
      config.task = task
    }
    try self.init(Self.scoring(config, adapterDirectory, template, threads: threads, cluster))
    notices += self.notices
    self.notices = notices
  }

  /// Loads the model directory `path`, with the adapter in `adapterDirectory` if given.
  public init(
    model path: String, adapterDirectory: String?, template: String?, threads: Int, cluster: Cluster = .alone
  ) throws {
    var task = TaskConfig(name: (template == nil ? Task.causalLM : Task.instruct).name)
    task.promptTemplate = template
    task.maxSeqLength = 8
    var adapter = AdapterConfig()
    adapter.strategy = "none"
    var config = RunConfig(name: "generate", model: path, task: task, adapter: adapter)
    config.training.weights = .stored
    try self.init(Self.scoring(config, adapterDirectory, template, threads: threads, cluster))
  }

  /// The model of `config`, whose template is that of a flag if `template` says so.
  private static func scoring(
    _ config: RunConfig, _ adapterDirectory: String?, _ template: String?, threads: Int, _ cluster: Cluster
  ) throws -> ScoringRun {
    do {
      return try ScoringRun(config, adapterDirectory: adapterDirectory, threads: threads, cluster: cluster)
    } catch TaskError.badOption(key: "prompt_template", let problem) where template != nil {
      throw GenerationError.badTemplate(problem: problem)
    }
  }

  /// The language model of a run that is scored.
  init(_ scoring: ScoringRun) throws {
    let run = scoring.run, config = run.config
    guard case .language(let loaded) = try run.network().objectiveModel else {
      throw ModelError.notADecoder(run.model, among: config.catalog.architectures, path: config.model)
    }
    self.scoring = scoring
    notices = run.notices
    (cluster, threads) = (run.cluster, run.pool.threads)
    path = run.modelDirectory
    model = run.model
    let encoder = try run.encoder()
    prompts = try scoring.task.prompts.encoder(encoder)
    tokenizer = encoder.tokenizer
    defaults = try GenerationDefaults(modelDirectory: path)
    let ends = (defaults.ends ?? model.eosTokenIDs) + prompts.ends.map(Int.init)
    guard !ends.isEmpty else { throw TaskError.noEndOfText(directory: config.model) }
    generator = Generator(
      model: loaded, sites: run.geometry.sites, state: scoring.state, scale: scoring.scale, ends: ends,
      tokenizer: tokenizer, precision: config.training.precision, pool: run.pool)
  }

  /// The column of texts in tables: what the run was trained on, if it says so.
  public var textColumn: Column {
    let task = scoring.run.config.task
    return task.name == Task.causalLM.name ? task.textColumns?.first ?? .name("text") : .name("text")
  }

  /// The options for `request` over the model's defaults, and notes on where they come from.
  public func options(_ request: GenerationRequest) throws -> (options: GenerationOptions, notices: [String]) {
    var (options, taken) = try request.options(over: defaults), notices: [String] = []
    if let ends = defaults.ends, ends.sorted() != model.eosTokenIDs.sorted() { taken.append("eos_token_id \(ends)") }
    if !taken.isEmpty {
      notices.append("\(defaults.file) gives " + taken.joined(separator: ", "))
    }
    if defaults.isOwnFile, defaults.ends == nil, !model.eosTokenIDs.isEmpty {
      notices.append(
        "\(defaults.file) has no eos_token_id: texts end with that of config.json, where transformers' generate goes on"
      )
    }
    if !defaults.undone.isEmpty {
      let fields = defaults.undone.joined(separator: ", ")
      notices.append("\(defaults.file): not done here, so that transformers may write other texts: \(fields)")
    }
    return (options, notices)
  }

  /// The ids of a prompt, put into the run's template if it has one. Throws if it leaves no room for a continuation.
  public func ids(of prompt: String, _ options: GenerationOptions) throws -> [Int32] {
    var ids = try prompts.ids(prompt)
    if ids.isEmpty { ids = [Int32(defaults.begin ?? model.bosTokenID ?? model.eosTokenID ?? 0)] }
    try model.check(ids: ids, path: path)
    try requireRoom(ids, options)
    return ids
  }

  /// Whether prompts can be conversations.
  public var knowsTurns: Bool { prompts.conversation != nil }

  /// The ids of a conversation that the assistant is to go on with. Throws what the template says of it.
  public func ids(of conversation: Conversation) throws -> [Int32] {
    guard let ids = try prompts.conversation?(conversation) else {
      throw GenerationError.noTemplate(directory: path)
    }
    if ids.isEmpty { throw GenerationError.emptyPrompt }
    try model.check(ids: ids, path: path)
    return ids
  }

  /// Throws if a prompt leaves no room for a continuation.
  public func requireRoom(_ ids: [Int32], _ options: GenerationOptions) throws {
    guard ids.count < generator.longestText else {
      throw RunError.promptTooLong(tokens: ids.count, limit: generator.longestText)
    }
    if let limit = options.maxLength, ids.count >= limit {
      throw GenerationError.promptFillsMaxLength(tokens: ids.count, limit: limit, file: defaults.file)
    }
  }

  /// Throws on all ranks unless all have the same model, adapter and config. Returns notes on ranks that round otherwise.
  public func requireEqualRanks() throws -> [String] { try scoring.requireEqualRanks() }

  /// How many prompts to continue at once, with `each` for every thread: the same number on all ranks.
  public func portion(_ each: Int) -> Int { each * cluster.most(threads) * cluster.size }

  /// Continues the prompts of a portion, which the ranks divide among them; the first one's number is its index.
  public func continuations(of prompts: ArraySlice<[Int32]>, _ options: GenerationOptions) -> [Generation] {
    cluster.divide(prompts) { generator.continuations(of: Array($0), first: $0.startIndex, options) }
  }
}
