import Diagnostics
import Foundation

/// Why a directory must not be written.
public enum ResultDirectoryError: UserFacingError, Equatable {
  /// It is not empty.
  case taken(path: String, file: String)
  /// It has a file that no earlier call wrote, so it is not even replaced on demand.
  case foreign(path: String, file: String)
  /// It is a file.
  case isFile(path: String)
  /// It is one of the inputs, or contains one.
  case isInput(path: String, input: String)

  /// What is in the way.
  public var description: String {
    switch self {
    case .taken(let path, let file):
      "\(path): already contains \(file); choose another directory, or pass --overwrite to replace it"
    case .foreign(let path, let file):
      "\(path): contains \(file), which export and merge do not write; choose another directory"
    case .isFile(let path): "\(path): cannot be created: a file is in the way"
    case .isInput(let path, let input): "\(path): cannot be replaced: the input \(input) is in it"
    }
  }

  /// An output cannot be created.
  public var exitStatus: ExitStatus { .cannotCreate }
}

/// Writes directories of results, complete or absent, that replace an earlier result only on demand.
public enum ResultDirectory {
  /// Creates the directory `path`. `body` is given a directory to write to.
  ///
  /// An existing directory is replaced if it is empty, or with `overwrite` if all of its files satisfy `isOwn`. `inputs`
  /// are directories that `body` reads; they must not be there.
  public static func write(
    to path: String, overwrite: Bool, inputs: [String] = [], isOwn: (String) -> Bool,
    _ body: (String) throws -> Void
  ) throws {
    let target = resolved(path)
    try check(path, target, overwrite: overwrite, inputs: inputs, isOwn: isOwn)
    do {
      try DurableDirectory.create(AtomicFile.directory(of: target))
    } catch {
      throw OutputError.cannotCreate(path: path, code: error.code)
    }
    // A killed process leaves a directory of this name. Nothing removes it: there is no lock that tells whether someone
    // writes there, and process ids mean little on a disk that machines or containers share.
    try AtomicDirectory.write(
      to: target, shownAs: path, temporaryName: { "\($0)/.swift-peft-result-\(UUID().uuidString)" }, body)
  }

  /// Throws if `write` would refuse the directory.
  public static func check(
    _ path: String, overwrite: Bool, inputs: [String] = [], isOwn: (String) -> Bool
  ) throws {
    try check(path, resolved(path), overwrite: overwrite, inputs: inputs, isOwn: isOwn)
  }

  private static func check(
    _ path: String, _ target: String, overwrite: Bool, inputs: [String], isOwn: (String) -> Bool
  ) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: target, isDirectory: &isDirectory) else { return }
    guard isDirectory.boolValue else { throw ResultDirectoryError.isFile(path: path) }
    for input in inputs {
      let real = resolved(input)
      if real == target || real.hasPrefix(target + "/") {
        throw ResultDirectoryError.isInput(path: path, input: input)
      }
    }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: target).sorted() else {
      throw OutputError.cannotCreate(path: path, code: EACCES)
    }
    if names.isEmpty { return }
    guard overwrite else { throw ResultDirectoryError.taken(path: path, file: names[0]) }
    if let other = names.first(where: { !isOwn($0) }) { throw ResultDirectoryError.foreign(path: path, file: other) }
  }

  private static func resolved(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
  }
}
