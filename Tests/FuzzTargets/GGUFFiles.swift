import Checkpoints
import Diagnostics
import Kernels
import Models
import Tokenizers

extension FuzzTarget {
  /// A GGUF file: every value of its metadata in every way that it can be asked for, all of its tensors, and the model and
  /// the tokenizer that they make.
  static let gguf = FuzzTarget(name: "gguf") { input, directory in
    try directory.fill(["model.gguf": input])
    let path = directory.path + "/model.gguf", metadata = try GGUFMetadata(path: path)
    for key in metadata.keys {
      let reads: [() throws -> Int?] = [
        { try metadata.text(key)?.utf8.count }, { try metadata.texts(key)?.reduce(0) { $0 + $1.utf8.count } },
        { try metadata.integer(key).map { _ in 0 } }, { try metadata.integers(key)?.count },
        { try metadata.number(key).map { _ in 0 } }, { try metadata.numbers(key)?.count },
        { try metadata.bool(key).map { _ in 0 } },
      ]
      var answers = 0
      for read in reads {
        do {
          guard let size = try read() else { throw FuzzFinding(problem: "a key that is there and is not") }
          answers += 1
          if size > input.count { throw FuzzFinding(problem: "more than the file holds") }
        } catch is GGUFError {}
      }
      let isBadText = (try? metadata.text(key)) == nil && (try? metadata.texts(key)) == nil
      if answers == 0, !isBadText { throw FuzzFinding(problem: "a value that has no type") }
    }
    do {
      let tokenizer = try Tokenizer(modelDirectory: path)
      for text in ["a b é 12\n", "<s> ▁\u{301}"] { _ = tokenizer.decode(tokenizer.encode(text).ids) }
    } catch is any UserFacingError {}
    let file = try GGUFFile(path: path)
    do {
      let geometry = ModelGeometry(try ModelConfig(directory: path)), weights = try geometry.checkpoint(path)
      for (name, shape) in geometry.parts.flatMap(\.namedTensors).prefix(64) {
        _ = try weights.tensor(name, shape: shape).firstNonFinite()
      }
    } catch is any UserFacingError {}
    for name in file.names.prefix(64) {
      guard let info = file.info(name), let tensor = file.tensor(name), tensor.shape == info.shape else {
        throw FuzzFinding(problem: "a tensor of another shape than its entry says")
      }
      guard tensor.count <= 1 << 20 else { continue }
      if tensor.floats().firstIndex(where: { !$0.isFinite }) != tensor.firstNonFinite() {
        throw FuzzFinding(problem: "firstNonFinite is not the first")
      }
      if let half = info.shape.first, half > 1, info.shape.count == 2, half % 2 == 0 {
        let turned = file.tensor(name, rowOrder: RowOrder(headSize: half))
        guard turned?.count == tensor.count, turned?.floats().count == tensor.count else {
          throw FuzzFinding(problem: "other rows than the tensor has")
        }
      }
    }
  }
}
