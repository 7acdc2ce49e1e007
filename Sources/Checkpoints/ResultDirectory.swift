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
    let target = URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
    try check(path, target, overwrite: overwrite, inputs: inputs, isOwn: isOwn)
    let parent = (target as NSString).deletingLastPathComponent
    let temporary = temporaryName(in: parent)
    do {
      try DurableDirectory.create(temporary)
    } catch {
      throw OutputError.cannotCreate(path: path, code: error.code)
    }
    do {
      try body(temporary)
      try AtomicFile.synchronize(directory: temporary)
      try AtomicDirectory.replace(target, by: temporary, aside: temporaryName(in: parent), shownAs: path)
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
    try AtomicFile.synchronize(directory: parent)
  }

  /// Throws if `write` would refuse the directory.
  public static func check(
    _ path: String, overwrite: Bool, inputs: [String] = [], isOwn: (String) -> Bool
  ) throws {
    let target = URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
    try check(path, target, overwrite: overwrite, inputs: inputs, isOwn: isOwn)
  }

  private static func check(
    _ path: String, _ target: String, overwrite: Bool, inputs: [String], isOwn: (String) -> Bool
  ) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: target, isDirectory: &isDirectory) else { return }
    guard isDirectory.boolValue else { throw ResultDirectoryError.isFile(path: path) }
    for input in inputs {
      let real = URL(fileURLWithPath: input).standardizedFileURL.resolvingSymlinksInPath().path
      if real == target || real.hasPrefix(target + "/") {
        throw ResultDirectoryError.isInput(path: path, input: input)
      }
    }
    let names = try contents(of: target, shownAs: path)
    if names.isEmpty { return }
    guard overwrite else { throw ResultDirectoryError.taken(path: path, file: names[0]) }
    if let other = names.first(where: { !isOwn($0) }) { throw ResultDirectoryError.foreign(path: path, file: other) }
  }

  private static func contents(of target: String, shownAs path: String) throws -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: target) else {
      throw OutputError.cannotCreate(path: path, code: EACCES)
    }
    return names.sorted()
  }

  /// A killed process leaves a directory of this name. Nothing removes it: there is no lock that tells whether someone
  /// writes there, and process ids mean little on a disk that machines or containers share.
  private static func temporaryName(in parent: String) -> String {
    "\(parent)/.swift-peft-result-\(UUID().uuidString)"
  }
}
