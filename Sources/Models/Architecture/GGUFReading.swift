import Checkpoints
import Diagnostics
import StrictJSON

extension ModelConfig {
  /// Reads the metadata of the GGUF file at `path`. Throws `GGUFError`, `CheckpointError`, `FileError` or a list of them.
  init(gguf path: String, architectures: [Architecture]) throws {
    let file = try GGUFFile(path: path), metadata = file.metadata
    if let type = try metadata.text("general.type"), type != "model" {
      throw GGUFError(path: path, .notAModel(type: type))
    }
    guard let name = try metadata.text("general.architecture") else { throw metadata.missing("general.architecture") }
    let readable = architectures.filter { $0.gguf?.read != nil }
    guard let architecture = readable.first(where: { $0.ggufName == name }), let read = architecture.gguf?.read else {
      var names: [String] = []
      for case let name? in readable.map(\.ggufName) where !names.contains(name) { names.append(name) }
      throw metadata.wrong(
        "general.architecture", "one of \(names.joined(separator: ", "))", JSONWriter.quoted(name.clipped))
    }
    var config = try GGUFConfig(file, architecture: name, modelType: architecture.modelType)
    try read(&config)
    do {
      try self.init(JSONField(JSONNode(.object(config.members)), file: path), architectures)
    } catch let error as any UserFacingError {
      // What is wrong is said of the file's own keys.
      let errors = (error as? ErrorList)?.errors ?? [error]
      try ErrorList.throwIfAny(
        errors.map { error -> any UserFacingError in
          guard let error = error as? JSONFieldError else { return error }
          let member = String(error.place.field.prefix { $0 != "." && $0 != "[" })
          let problem = String(error.description.dropFirst(error.place.description.count + 2))
          return GGUFError(path: path, .other("\"\(config.keys[member] ?? error.place.field)\": \(problem)"))
        })
      throw error
    }
  }
}

extension ModelGeometry {
  /// Where a GGUF file has the model's tensors.
  public var ggufTensors: [GGUFTensor] {
    let own = parts.flatMap { part -> [GGUFTensor] in
      guard let name = part.ggufName else { return [] }
      let stem = part.layer.map { "blk.\($0).\(name)" } ?? name
      let headSize = part.map.flatMap { map in map.rotatedHeads.map { map.outFeatures / max(1, $0) } }
      return part.tensors.map { tensor in
        GGUFTensor(
          name: "\(part.path).\(tensor.name)", stored: "\(stem).\(tensor.name)", headSize: headSize,
          shift: part.ggufShift)
      }
    }
    let head = GGUFTensor(name: Architecture.languageModelHead, stored: "output.weight")
    return config.tieWordEmbeddings ? own : own + [head]
  }
}
