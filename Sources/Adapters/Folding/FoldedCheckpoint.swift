import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON

/// A base model with an adapter folded into its weights, as a directory that transformers' Auto classes load.
///
///     let folded = try FoldedCheckpoint(directory, geometry: geometry, adapter: adapter, task: .classifier(labels))
///     try folded.write(to: "merged")
///
/// Every weight comes from the memory map, is folded block by block and written at once: memory stays small whatever the
/// model's size. Each keeps the type it has; the head takes that of the embeddings. Shards stay shards.
public struct FoldedCheckpoint: Sendable {
  /// What the folded model is for.
  public enum Purpose: Sendable, Equatable {
    /// Classification with the adapter's head.
    case classifier(HeadLabels)
    /// The next token, with the base model's own output layer.
    case languageModel
    /// What the base model is for, with all that it has: for an adapter without a head.
    case asStored
  }

  /// Tensors of the checkpoint that the model has no use for: other heads, and constants of old versions.
  public let leftOut: [String]
  private let geometry: ModelGeometry
  private let task: Purpose
  private let files: [[SafetensorsTensor]]
  private let source: String
  private let outputLayer: OutputLayer?
  /// Notes for the user: that the checkpoint's output layer is not the one that its config says.
  public var notices: [String] { outputLayer?.notices ?? [] }

  /// Plans every tensor and checks it. `adapter` may have slices; `pooler` are the tensors of a pooler that the
  /// checkpoint lacks, by their paths. With `inFloat32` folded weights are not rounded to the type that they have.
  public init(
    _ directory: WeightFiles, geometry: ModelGeometry, adapter: ExpandedAdapter, task: Purpose,
    pooler: [String: HeadTensor] = [:], inFloat32: Bool = false
  ) throws {
    self.geometry = geometry
    self.task = task
    source = directory.path
    if case .classifier = task, geometry.classifierClass == nil {
      throw FoldError.noClassifier(modelType: geometry.config.modelType)
    }
    var plan = try FoldPlan(directory, geometry: geometry, adapter: adapter.fused(geometry), task: task)
    plan.staysFloat32 = inFloat32
    try plan.addStored()
    try plan.addPooler(pooler)
    try plan.requireWhole()
    try plan.addHead(adapter.head)
    (files, leftOut) = (plan.files, plan.leftOut)
    outputLayer = plan.outputLayer
  }

  /// How many tensors there are.
  public var tensorCount: Int { files.reduce(0) { $0 + $1.count } }

  /// Writes the weights and `config.json` into `directory`, which exists. `onTensor` may throw to stop.
  public func write(to directory: String, onTensor: () throws -> Void = {}) throws {
    let metadata = ["format": "pt"]
    var map: [(String, JSONValue)] = []
    for (number, tensors) in files.enumerated() {
      let name =
        files.count == 1
        ? "model.safetensors" : String(format: "model-%05d-of-%05d.safetensors", number + 1, files.count)
      try SafetensorsWriter.write(tensors, metadata: metadata, to: "\(directory)/\(name)", onTensor: onTensor)
      map += tensors.map { ($0.name, .string(name)) }
    }
    if files.count > 1 {
      let size = files.joined().reduce(0) { $0 + $1.byteCount }
      let index: JSONValue = [
        "metadata": ["total_size": .integer(size)],
        "weight_map": .members(map.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }),
      ]
      try AtomicFile.write(JSONWriter.text(index, pretty: true), to: "\(directory)/model.safetensors.index.json")
    }
    let config = try FoldedConfig(
      source: source, geometry: geometry, task: task, isUntied: outputLayer.map { !$0.isTied } ?? false)
    try AtomicFile.write(config.text, to: "\(directory)/config.json")
  }
}

extension ModelGeometry {
  /// transformers' class with the head.
  fileprivate var classifierClass: String? {
    head == .tokens ? config.architecture.tokenHead?.className : config.architecture.classifierClass
  }
}

/// The outputs of a classification head.
public enum HeadLabels: Sendable, Equatable {
  /// Classes by their numbers.
  case classes([String])
  /// Any number of labels, by their numbers.
  case labelSets([String])
  /// One number.
  case regression
  /// This many outputs, without names: they keep the base config's names if those are as many.
  case unnamed(Int)
}

/// The base model's `config.json` with what transformers must know of the folded model.
private struct FoldedConfig {
  /// The file.
  let text: String

  /// `isUntied`: the output layer is a tensor of its own, whatever the config says.
  init(source: String, geometry: ModelGeometry, task: FoldedCheckpoint.Purpose, isUntied: Bool) throws {
    let file = try MappedFile(path: "\(source)/config.json")
    let node = try JSONParser.parse(file.copy(0..<file.count), file: file.path)
    guard task != .asStored, var object = node.object else {
      text = String(decoding: file.copy(0..<file.count), as: UTF8.self)
      return
    }
    let architecture = geometry.config.architecture
    switch task {
    case .classifier(let labels):
      object["architectures"] = JSONNode(.strings([geometry.classifierClass].compactMap { $0 }))
      Self.set(labels, in: &object, base: geometry.config, hasProblemType: geometry.head == .sequence)
    case .languageModel:
      object["architectures"] = JSONNode(.strings([architecture.languageModelClass].compactMap { $0 }))
      if isUntied, geometry.config.tieWordEmbeddings { object["tie_word_embeddings"] = JSONNode(false) }
    case .asStored: break
    }
    text = JSONWriter.text(.object(object), pretty: true)
  }

  private static func set(
    _ labels: HeadLabels, in object: inout JSONObject, base: ModelConfig, hasProblemType: Bool
  ) {
    let classes: [String]
    switch labels {
    case .classes(let names), .labelSets(let names): classes = names
    case .regression: classes = ["LABEL_0"]
    case .unnamed(let count):
      classes = base.labels?.count == count ? base.labels ?? [] : (0..<count).map { "LABEL_\($0)" }
    }
    object["num_labels"] = nil
    object["id2label"] = JSONNode(.members(classes.enumerated().map { (String($0), .string($1)) }))
    object["label2id"] = JSONNode(.members(classes.enumerated().map { ($1, .integer($0)) }))
    // It says how sequences are classified; transformers' models of tokens never look for it.
    if !hasProblemType { object["problem_type"] = nil }
    if case .unnamed = labels { return }
    guard hasProblemType else { return }
    let problem =
      switch labels {
      case .regression: "regression"
      case .labelSets: "multi_label_classification"
      default: "single_label_classification"
      }
    object["problem_type"] = JSONNode(.string(problem))
  }
}
