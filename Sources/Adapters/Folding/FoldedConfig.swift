import Checkpoints
import Kernels
import Models
import StrictJSON

/// The base model's `config.json` with what transformers must know of the folded model.
struct FoldedConfig {
  /// The file.
  let text: String

  init(source: String, geometry: ModelGeometry, task: FoldedCheckpoint.Task) throws {
    let file = try MappedFile(path: "\(source)/config.json")
    let node = try JSONParser.parse(file.copy(0..<file.count), file: file.path)
    guard task != .asStored, var object = node.object else {
      text = String(decoding: file.copy(0..<file.count), as: UTF8.self)
      return
    }
    let architecture = geometry.config.architecture
    switch task {
    case .classifier(let labels):
      object["architectures"] = JSONNode(.strings([architecture.classifierClass]))
      Self.set(labels, in: &object, base: geometry.config)
    case .languageModel:
      object["architectures"] = JSONNode(.strings([architecture.languageModelClass].compactMap { $0 }))
    case .asStored: break
    }
    text = JSONWriter.text(.object(object), pretty: true)
  }

  private static func set(_ labels: HeadLabels, in object: inout JSONObject, base: ModelConfig) {
    let classes: [String]
    switch labels {
    case .classes(let names): classes = names
    case .regression: classes = ["LABEL_0"]
    case .unnamed(let count):
      classes = base.labels?.count == count ? base.labels ?? [] : (0..<count).map { "LABEL_\($0)" }
    }
    object["num_labels"] = nil
    object["id2label"] = JSONNode(.members(classes.enumerated().map { (String($0), .string($1)) }))
    object["label2id"] = JSONNode(.members(classes.enumerated().map { ($1, .integer($0)) }))
    if case .unnamed = labels { return }
    let problem = labels == .regression ? "regression" : "single_label_classification"
    object["problem_type"] = JSONNode(.string(problem))
  }
}
