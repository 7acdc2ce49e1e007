import Checkpoints
import Foundation

/// Where a model's tokenizer is: in the files of a directory, or in the metadata of a GGUF file.
struct GGUFPlace {
  /// The directory of the model, or of its GGUF file.
  let directory: String
  /// The GGUF file whose metadata count; nil where files of the directory do.
  let metadata: String?

  /// Looks at the model in `model`, a directory or a GGUF file.
  init(_ model: String) throws {
    guard let path = try GGUFFile.path(of: model) else {
      (directory, metadata) = (model, nil)
      return
    }
    directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
    metadata = FileManager.default.fileExists(atPath: "\(directory)/tokenizer.json") ? nil : path
  }
}
