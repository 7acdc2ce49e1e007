import Checkpoints

extension FuzzTarget {
  /// The texts in the metadata of a GGUF file.
  static let ggufTexts = FuzzTarget(name: "gguf-texts") { input, directory in
    try directory.fill(["model.gguf": input])
    let texts = try GGUFTexts(path: directory.path + "/model.gguf")
    guard texts.members.reduce(0, { $0 + $1.key.utf8.count + $1.text.utf8.count }) <= input.count else {
      throw FuzzFinding(problem: "more text than the file holds")
    }
  }
}
