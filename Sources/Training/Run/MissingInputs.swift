import Checkpoints
import Diagnostics
import Kernels
import Tasks
import Tokenizers

/// Distinguishes missing inputs, which a dry run lists, from wrong ones.
struct MissingInputs {
  let areListed: Bool
  private(set) var list: [String] = []

  init(areListed: Bool) { self.areListed = areListed }

  /// The value of `body`, or why it is missing.
  mutating func find<Value>(_ body: () throws -> Value) throws -> Result<Value, any Error> {
    do {
      return .success(try body())
    } catch let error as any UserFacingError where areListed {
      let errors = (error as? ErrorList)?.errors ?? [error]
      try ErrorList.throwIfAny(errors.filter { !Self.isAbsence($0) })
      list += errors.map(\.description).filter { !list.contains($0) }
      return .failure(error)
    }
  }

  /// Lists what `other` lists, too.
  mutating func add(_ other: MissingInputs) { list += other.list.filter { !list.contains($0) } }

  /// A file that exists but cannot be opened is an error in a dry run, too.
  private static func isAbsence(_ error: any UserFacingError) -> Bool {
    switch error {
    case TaskError.missingFile, TaskError.noMatch, TokenizerError.noTokenizer, TokenizerError.noVocabulary,
      CheckpointError.noWeights,
      CheckpointError.missingShard:
      true
    case let error as FileError: error == FileError(path: error.path, code: noSuchFile)
    default: false
    }
  }

  private static let noSuchFile: Int32 = 2
}

extension Result {
  var value: Success? { try? get() }
}
