import Adapters
import Checkpoints
import Diagnostics
import Foundation
import Kernels

/// `swift-peft merge`: writes a model with its adapter folded in, as a directory of its own.
public struct FoldRun: Sendable {
  /// The model and its adapter.
  public let model: AdaptedModel
  /// Tensors that will be written.
  public var tensorCount: Int { folded.tensorCount }
  /// Notes for the user.
  public let notices: [String]
  private let folded: FoldedCheckpoint

  /// Files that go along as they are: the tokenizer's, and those that say how texts are made.
  static let companions = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    "vocab.json", "merges.txt", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "spm.model",
    "chat_template.jinja", "chat_template.json", "generation_config.json",
  ]

  /// Checks every tensor. With `inFloat32` folded weights are not rounded to the type that they have in the base model.
  public init(_ model: AdaptedModel, inFloat32: Bool = false) throws {
    self.model = model
    if let path = try GGUFFile.path(of: model.directory) { throw GGUFExportError.quantisedBase(model: path) }
    let weights = try model.geometry.checkpoint(model.directory)
    let pooler = model.drawnParts(for: weights)
    folded = try FoldedCheckpoint(
      weights, geometry: model.geometry, adapter: model.adapter, task: model.task, pooler: pooler, inFloat32: inFloat32)
    var notices = folded.notices
    if !pooler.isEmpty {
      notices.append("\(model.directory) has no pooler; the one that the run drew from its seed is written")
    }
    if !folded.leftOut.isEmpty {
      let what = folded.leftOut.count == 1 ? "1 tensor" : "\(folded.leftOut.count) tensors"
      notices.append("left out, since the merged model does not use it: \(what) (\(folded.leftOut.firstThree))")
    }
    self.notices = notices
  }

  /// Throws if the directory `path` must not be replaced.
  public func check(_ path: String, overwrite: Bool) throws {
    try ResultDirectory.check(path, overwrite: overwrite, inputs: inputs, isOwn: Self.isOwn)
  }

  /// Makes the directory `path`. `onTensor` is called before each tensor and may throw to stop.
  public func write(to path: String, overwrite: Bool, onTensor: () throws -> Void = {}) throws {
    try ResultDirectory.write(to: path, overwrite: overwrite, inputs: inputs, isOwn: Self.isOwn) { directory in
      try folded.write(to: directory, onTensor: onTensor)
      for name in Self.companions where FileManager.default.fileExists(atPath: "\(model.directory)/\(name)") {
        // Read rather than copied as a directory entry: in the Hub's cache it is a link.
        let file = try MappedFile(path: "\(model.directory)/\(name)")
        try AtomicFile.write(to: "\(directory)/\(name)") { try $0.write(file.bytes) }
      }
    }
  }

  private var inputs: [String] { [model.directory, model.adapterDirectory] }

  /// Whether `write` makes files of this name.
  static func isOwn(_ name: String) -> Bool {
    (companions + ["config.json", "model.safetensors", "model.safetensors.index.json"]).contains(name)
      || name.hasPrefix("model-") && name.hasSuffix(".safetensors")
  }
}
