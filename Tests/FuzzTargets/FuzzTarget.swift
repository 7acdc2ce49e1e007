import Diagnostics

/// A reader that is fed hostile input, by the fuzzer (scripts/fuzz.sh) and by the tests (its corpus).
///
/// What must hold for every input: no crash, no hang, and only errors that a person can read.
public struct FuzzTarget: Sendable {
  /// As scripts/fuzz.sh and the folders of the corpus name it.
  public let name: String
  let read: @Sendable (_ input: [UInt8], _ directory: FuzzDirectory) throws -> Void

  /// Every target.
  public static let all = [
    safetensors, shardIndex, tokenizerJSON, tokenizerFiles, tokenizerModel, taskData, labelledTable, taggedData,
    languageData, runConfig, adapter, modelConfig, checkpoint, checkpointManifest, jinja, gguf,
  ]

  /// Feeds `input` to the reader. Throws what no person could mend.
  public func run(_ input: [UInt8], in directory: FuzzDirectory) throws {
    do {
      try read(input, directory)
    } catch let error as any UserFacingError {
      let length = error.description.utf8.count
      if length == 0 || length > 100_000 + 32 * input.count {
        throw FuzzFinding(problem: "a message of \(length) bytes")
      }
    }
  }
}

/// What a target did that it must not.
public struct FuzzFinding: Error, CustomStringConvertible {
  let problem: String
  /// The problem.
  public var description: String { problem }
}
