import Diagnostics
import Foundation
import Metrics
import Tasks

/// The files of a data set of one's own, as a config names them.
struct DataFiles {
  /// Paths or patterns.
  var train: [String]
  var validation: [String]?
  var test: [String]?

  /// Files, or patterns of files, to train on. Throws where one is missing or matches nothing.
  init(train: [String], validation: [String]) throws {
    for path in train + validation { _ = try Self.files(path) }
    (self.train, self.validation) = (train, validation.isEmpty ? nil : validation)
  }

  /// The files in `directory` that are named as splits are: `train.jsonl`, `dev.csv`, `test-00000-of-00002.json`. Nil
  /// where none is to be trained on.
  init?(directory: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    let folder = directory.hasSuffix("/") ? directory : directory + "/"
    func files(_ stems: [String]) -> [String]? {
      let found = names.filter { name in
        !name.hasPrefix(".") && stems.contains { Self.isNamed(name, $0) } && !(folder + name).isDirectory
      }
      // Of several formats, as data sets are often shipped, one is enough.
      let endings = found.map { URL(fileURLWithPath: $0).pathExtension.lowercased() }
      guard let ending = Self.endings.first(where: endings.contains) ?? endings.sorted().first else { return nil }
      return zip(found, endings).filter { $0.1 == ending }.map { folder + $0.0 }
        .sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    }
    guard let train = files(["train", "training"]) else { return nil }
    (self.train, validation) = (train, files(["validation", "valid", "val", "dev", "eval"]))
    test = files(["test"])
  }

  /// The endings of data files, those that say the most first.
  static let endings = [
    "jsonl", "ndjson", "json", "csv", "tsv", "conllu", "conll", "bio", "iob", "iob2", "txt",
  ]

  /// Whether the name is `stem`, or begins with it and a separator, before its ending.
  private static func isNamed(_ name: String, _ stem: String) -> Bool {
    let name = name.lowercased()
    return name == stem || [".", "-", "_"].contains { name.hasPrefix(stem + $0) }
  }

  /// What a path or pattern stands for. Throws where there is nothing.
  static func files(_ path: String) throws -> [String] {
    if FileManager.default.fileExists(atPath: path) { return [path] }
    let files = Glob.isPattern(path) ? Glob.files(matching: path) : []
    if files.isEmpty { throw FileMissing(path: path) }
    return files
  }
}

/// A missing input.
struct FileMissing: UserFacingError {
  let path: String
  var description: String {
    Glob.isPattern(path) ? "\(path): matches no file" : "\(path): no such file or directory"
  }
  var exitStatus: ExitStatus { .missingInput }
}
