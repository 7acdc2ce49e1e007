import Adapters
import Configuration
import Foundation
import Kernels
import Tasks
import Testing

@testable import Training

/// A way to adapt the tiny model: members of the config's section `adapter`.
struct MethodCase: Sendable, CustomTestStringConvertible {
  let name: String
  let adapter: String
  /// Whether it goes on from an adapter, for which a LoRA is trained first.
  var goesOn = false

  /// Every method of the command line, with sizes that fit a model of 32 hidden numbers, and some of their variants.
  static let all: [MethodCase] =
    AdapterMethod.all.filter(\.hasAdapters).map { method in
      MethodCase(
        method.name, #""strategy": "\#(method.name)", \#(sizes[method.name] ?? #""r": 4"#)"#,
        goesOn: method.design.adoption != nil)
    } + variants

  /// For methods whose defaults are too large for the tiny model, or that do nothing in a few steps.
  private static let sizes = [
    "aslora": #""r": 4, "aslora": {"start_step": 1, "merge_interval": 2, "num_merges": 1}"#,
    "vera": #""r": 6"#, "rasa": #""r": 4, "rasa": {"k": 1}"#,
    "msplora": #""r": 8, "msplora": {"blocks": 2}"#,
    "vb-lora": #""r": 2, "vb-lora": {"num_vectors": 6, "vector_length": 8}"#,
    "mos": #""r": 4, "mos": {"chunks": 4}"#, "uni-lora": #""r": 2, "uni-lora": {"theta_d_length": 200}"#,
    "rosa": #""r": 4, "rosa": {"d": 0.05, "warmup_steps": 2}"#,
  ]

  private static let variants = [
    MethodCase(
      "aslora with random merging",
      #""strategy": "aslora", "r": 4, "#
        + #""aslora": {"start_step": 1, "merge_interval": 2, "num_merges": 1, "metric": "random"}"#),
    MethodCase(
      "aslora merged at_start",
      #""strategy": "aslora", "r": 4, "aslora": {"merging": "at_start", "num_merges": 1}"#),
    MethodCase("lora with lora_plus_ratio", #""strategy": "lora", "r": 4, "lora_plus_ratio": 4"#),
    MethodCase("share-a with clora", #""strategy": "share-a", "r": 4, "clora": {"lambda": 0.1, "k": 8}"#),
    MethodCase("lora-fa with share_a", #""strategy": "lora-fa", "r": 4, "lora-fa": {"share_a": true}"#),
    MethodCase(
      "vera without its projection", #""strategy": "vera", "r": 6, "vera": {"save_projection": false}"#),
    MethodCase(
      "gralora with hybrid_r", #""strategy": "gralora", "r": 4, "gralora": {"k": 4, "hybrid_r": 2}"#),
    MethodCase(
      "multi-level with every scope",
      #""strategy": "multi-level", "r": 4, "multi-level": {"levels": [{"scope": "model"}, {"scope": "type", "rank": 3}, "#
        + #"{"scope": "blocks", "k": 2, "rank": 2, "alpha": 6}, {"scope": "groups", "k": 2, "rank": 1}, "#
        + #"{"scope": "layer", "rank": 2}, {"scope": "map", "rank": 1}]}"#),
    MethodCase("bslora with use_dora", #""strategy": "bslora", "r": 4, "use_dora": true"#),
    MethodCase("residual with diagonal", #""strategy": "residual", "r": 4, "residual": {"diagonal": true}"#),
    MethodCase("lora with use_dora", #""strategy": "lora", "r": 4, "use_dora": true"#),
    MethodCase(
      "aslora with use_dora", #""strategy": "aslora", "use_dora": true, \#(sizes["aslora"] ?? "")"#),
    MethodCase(
      "lora-xs without projections",
      #""strategy": "lora-xs", "r": 4, "lora-xs": {"save_projection": false}"#),
    MethodCase("lora-xs with use_dora", #""strategy": "lora-xs", "r": 4, "use_dora": true"#),
    MethodCase("lora with pissa", #""strategy": "lora", "r": 4, "init_lora_weights": "pissa""#),
    MethodCase(
      "share-a with pissa and use_dora",
      #""strategy": "share-a", "r": 4, "init_lora_weights": "pissa_niter_4", "init_from_mean": true, "use_dora": true"#),
    MethodCase(
      "aslora with olora",
      #""strategy": "aslora", "init_lora_weights": "olora", "init_from_mean": true, "#
        + (sizes["aslora"] ?? "")),
    MethodCase("lora with gaussian", #""strategy": "lora", "r": 4, "init_lora_weights": "gaussian""#),
    MethodCase("vera with use_dora", #""strategy": "vera", "r": 6, "use_dora": true"#),
    MethodCase("mos with use_dora", #""strategy": "mos", \#(sizes["mos"] ?? ""), "use_dora": true"#),
    MethodCase("lora with orthogonal", #""strategy": "lora", "r": 4, "init_lora_weights": "orthogonal""#),
    MethodCase("lora with mica", #""strategy": "lora", "r": 4, "init_lora_weights": "mica""#),
    MethodCase("gralora with use_rslora", #""strategy": "gralora", "r": 4, "use_rslora": true"#),
    MethodCase("gralora with alpha_pattern", #""strategy": "gralora", "r": 4, "alpha_pattern": {"value": 3}"#),
    MethodCase("gralora with rank_pattern", #""strategy": "gralora", "r": 4, "rank_pattern": {"value": 2}"#),
    MethodCase("miss with rank_pattern", #""strategy": "miss", "r": 4, "rank_pattern": {"value": 2}"#),
    MethodCase(
      "vb-lora with rank_pattern", #"\#(sizes["vb-lora"] ?? ""), "strategy": "vb-lora", "rank_pattern": {"value": 4}"#),
    MethodCase("rank_pattern", #""strategy": "lora", "r": 4, "rank_pattern": {"value": 2}"#),
  ]

  init(_ name: String, _ adapter: String, goesOn: Bool = false) {
    (self.name, self.adapter, self.goesOn) = (name, adapter, goesOn)
  }

  var testDescription: String { name }
}

/// A directory with rows to train on, and runs of one case.
final class MethodScratch {
  let path: String
  let subject: MethodCase

  init(_ subject: MethodCase) throws {
    self.subject = subject
    path = NSTemporaryDirectory() + "swift-peft-method-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let words = ["film", "story", "plot", "actor", "scene", "song"]
    var rows = "text\tlabel\n"
    for index in 0..<18 {
      rows += "a \(index % 2 == 0 ? "fine" : "dull") \(words[index % 6]) of the \(words[index / 3])\t\(index % 2)\n"
    }
    for name in ["train.tsv", "dev.tsv"] { try Data(rows.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)")) }
    guard subject.goesOn else { return }
    var first = try TrainingRun(config("first", adapter: Self.first), threads: 1, start: .fresh)
    _ = try first.execute { _ in }
  }

  /// What a case goes on from.
  private static let first = #""strategy": "lora", "r": 4"#

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func config(_ output: String = "run") throws -> RunConfig {
    try config(output, adapter: subject.adapter + (subject.goesOn ? #", "init_from": "\#(path)/first""# : ""))
  }

  private func config(_ output: String, adapter: String) throws -> RunConfig {
    let model = GoldenRun.directory.appendingPathComponent("bert-tiny").path
    return try RunConfig.load(
      text: """
        {"model": "\(model)",
         "task": {"name": "text-classification", "train_file": "\(path)/train.tsv",
           "validation_file": "\(path)/dev.tsv", "text_columns": ["text"], "label_column": "label", "max_seq_length": 32},
         "adapter": {\(adapter), "lora_alpha": 8, "target_modules": ["query", "value", "output.dense"]},
         "training": {"max_steps": 6, "train_batch_size": 6, "learning_rate": 1e-2, "save_steps": 0,
           "eval_strategy": "no", "logging_steps": 1},
         "output_dir": "\(path)/\(output)", "database": "\(path)/runs.sqlite"}
        """)
  }

  /// Trains to the end, or until after step `stop`; returns the run.
  @discardableResult func train(
    _ output: String = "run", threads: Int = 1, start: RunStart = .fresh, stop: Int = .max
  ) throws -> TrainingRun {
    var run = try TrainingRun(config(output), threads: threads, start: start)
    var steps = run.firstStep
    _ = try run.execute(shouldStop: { steps >= stop }) { if case .step = $0 { steps += 1 } }
    return run
  }

  /// The bytes of the adapter in `output`.
  func adapter(_ output: String = "run") -> Data? {
    FileManager.default.contents(atPath: "\(path)/\(output)/adapter_model.safetensors")
  }
}

extension TrainableState {
  /// A copy whose trained tensors are `size` away from what they were, so that none is zero.
  func moved(by size: Double, seed: UInt64) -> TrainableState {
    var state = self
    let philox = Philox(seed: seed)
    for key in table.tensors where table.tensor(key).trains {
      let noise = philox.normal(
        table.tensor(key).count, deviation: size, stream: Philox.stream(named: table.name(of: key)))
      state[key] = zip(self[key], noise).map { $0 + $1 }
    }
    return state
  }
}

extension TrainableState {
  /// Gives DoRA's magnitudes the numbers with which the products are scaled as in `other`: the norms, which moved with A and
  /// B, count as constants in gradients.
  mutating func holdRowScales(of other: TrainableState) {
    let sites = table.sites
    func scales(_ state: TrainableState) -> [[Float]] {
      state.adapters(sites: sites, scale: 1, dropout: 0).map { $0?.rowScale.map { state.values[$0.range] } ?? [] }
    }
    guard let role = table.roles.first(where: { $0.name == "M" }) else { return }
    let (held, own) = (scales(other), scales(self))
    for position in sites.indices {
      guard let key = table.key(role, ofSiteAt: position) else { continue }
      self[key] = zip(self[key], zip(held[position], own[position])).map { $0 * $1.0 / $1.1 }
    }
  }
}
