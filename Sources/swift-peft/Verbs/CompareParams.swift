import Adapters
import ArgumentParser
import Checkpoints
import Configuration
import Diagnostics
import Foundation
import Hub
import Models
import Tasks
import Training

/// `swift-peft compare-params CONFIG_OR_MODEL_DIR`.
struct CompareParams: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare-params",
    abstract: "Compare the number of parameters that each sharing strategy trains.",
    discussion: """
      EXAMPLE: swift-peft compare-params models/all-MiniLM-L6-v2 --r 8 \\
        --target-modules query,value --format markdown

      Needs only the model's config.json, no weights.
      """)

  @Argument(
    help: ArgumentHelp(
      "A run config, or a model: its directory, its config.json or its Hub name.", valueName: "config-or-model-dir"))
  var source: String

  @OptionGroup var override: OverrideOptions

  @Option(help: ArgumentHelp("Strategies to compare, separated by commas (default: all).", valueName: "a,b"))
  var strategies: NameList?

  @Option(
    name: .customLong("r"), help: ArgumentHelp("Rank of the adapters (default: the config's, or 8).", valueName: "n"))
  var rank: Int?

  @Option(help: ArgumentHelp("Modules to adapt, separated by commas, or all-linear.", valueName: "a,b"))
  var targetModules: NameList?

  @Option(
    help: ArgumentHelp("ASLoRA: merges per module type (default: the config's, or 58 % of the layers).", valueName: "n")
  )
  var numMerges: Int?

  @Option(help: ArgumentHelp("Output format.", valueName: "format"))
  var format: ParameterComparison.Format = .table

  func validate() throws {
    try check("--r", rank, atLeast: 1)
    try check("--num-merges", numMerges, atLeast: 0)
    for name in strategies?.names ?? [] where !AdapterMethod.all.contains(where: { $0.name == name }) {
      let names = AdapterMethod.all.map(\.name)
      let meant = nearestName(to: name, among: names).map { ", did you mean \"\($0)\"?" } ?? ""
      let list = names.joined(separator: ", ")
      throw ValidationError("--strategies: unknown strategy \"\(name)\"\(meant) (one of \(list))")
    }
  }

  func run() throws {
    let subject = try ComparisonSubject(source, overrides: override.overrides)
    var placement = subject.placement
    if let names = targetModules?.names { placement.selection.targets = TargetSelection(names).targets }
    if let rank { placement.r = rank }
    let named = try strategies?.names.map { try AdapterMethod.named($0, among: subject.methods) }
    let comparison = try ParameterComparison(
      model: subject.name, geometry: ModelGeometry(subject.model, head: subject.head), placement: placement,
      labels: subject.labels, numMerges: numMerges ?? subject.numMerges, merging: subject.merging, methods: named,
      known: subject.methods, ranksAreLoRAs: named == nil && subject.ranksAreLoRAs)
    try Console.print(comparison.text(format))
  }
}

/// The subject of the comparison: a model and the values that flags may override.
private struct ComparisonSubject {
  let name: String
  let model: ModelConfig
  let placement: AdapterPlacement
  let labels: Int?
  let head: HeadKind
  let numMerges: Int?
  /// Every method, that of the config with its options and its start, and each with DoRA if the config has it and the method
  /// takes it.
  let methods: [AdapterMethod]
  let merging: ASLoRAOptions.Merging?
  /// Whether its r must be one that LoRA can have: that of a config whose method takes larger ones need not.
  let ranksAreLoRAs: Bool

  /// `source` is a run config, a run's directory, a model's directory or its config.json.
  init(_ source: String, overrides: [String]) throws {
    if Hub.id(source) != nil, !source.hasSuffix(".json") {
      try self.init(model: Self.model(source), named: source, overrides: overrides)
      return
    }
    let isDirectory = source.isDirectory
    let ofRun = "\(source)/run_config.json"
    if isDirectory && !FileManager.default.fileExists(atPath: ofRun) || source.lowercased().hasSuffix(".gguf") {
      try self.init(model: ModelConfig(directory: source), named: source, overrides: overrides)
    } else if !isDirectory, URL(fileURLWithPath: source).lastPathComponent == "config.json" {
      try self.init(model: ModelConfig(file: source), named: source, overrides: overrides)
    } else {
      try self.init(RunConfig.load(path: isDirectory ? ofRun : source, overrides: overrides))
    }
  }

  private init(model: ModelConfig, named name: String, overrides: [String]) throws {
    guard overrides.isEmpty else { throw ValidationError("--set needs a run config; \(name) is a model") }
    self.name = name
    self.model = model
    placement = AdapterPlacement(TargetSelection(model.architecture.defaultTargets), r: 8, loraAlpha: 16)
    labels = nil
    head = .sequence
    numMerges = nil
    methods = AdapterMethod.all
    merging = nil
    ranksAreLoRAs = true
  }

  private init(_ config: RunConfig) throws {
    name = config.model
    model = try Self.model(config.model)
    placement = config.adapter.placement
    numMerges = config.adapter.aslora.numMerges
    let own = try config.adapter.method(among: config.catalog.methods)
    methods = config.catalog.methods.map { method in
      if method.name == own.name { return own }
      var additions = MethodAdditions()
      additions.usesDoRA = own.additions.usesDoRA && method.takesDoRA
      return method.with(additions)
    }
    merging = config.adapter.aslora.merging
    ranksAreLoRAs = own.design.ranksAreBounded
    labels = try Self.labels(config)
    head = try config.knownTask().headKind
    if head == .tokens, model.architecture.tokenHead == nil {
      throw ModelError.noTokenClassifier(model, path: config.model)
    }
  }

  private static func model(_ name: String) throws -> ModelConfig {
    try ModelDownload(isQuiet: true).fetch(name, .config)
    return try ModelConfig(directory: Hub().directory(of: name, files: .config))
  }

  /// The outputs that a classification task needs; nil for language modelling, and for a table that is not there.
  private static func labels(_ config: RunConfig) throws -> Int? {
    let task = try config.knownTask()
    switch task.labels {
    case .none: return nil
    case .fixed(let labels): return labels.outputs
    case .inTrainingFile:
      guard let files = config.task.trainFile,
        files.allSatisfy({ FileManager.default.fileExists(atPath: $0) || !Glob.files(matching: $0).isEmpty })
      else { return nil }
      return try TaskData(task, config.task).labels?.outputs
    }
  }
}

/// Names separated by commas.
struct NameList: ExpressibleByArgument {
  let names: [String]

  /// Nil if a name is empty.
  init?(argument: String) {
    names = argument.split(separator: ",", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces) }
    if names.contains(where: \.isEmpty) { return nil }
  }
}

extension ParameterComparison.Format: ExpressibleByArgument {}
