import Diagnostics
import Foundation
import Testing

/// A directory that disappears with its test.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "swift-peft-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of a file `name`, which then holds `bytes`.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  func file(_ name: String, _ text: String) throws -> String { try file(name, Array(text.utf8)) }

  /// The names in the directory, hidden ones included.
  var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
}

/// Passes where `body` throws an error that reads `message` once `prefix` is dropped, with `status`.
func expectError(
  _ message: String, dropping prefix: String = "", status: Diagnostics.ExitStatus = .badInput,
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was thrown, expected: \(message)", sourceLocation: sourceLocation)
  } catch let error as any UserFacingError {
    let text = prefix.isEmpty ? error.description : error.description.replacingOccurrences(of: prefix + "/", with: "")
    #expect(text == message, sourceLocation: sourceLocation)
    #expect(error.exitStatus == status, sourceLocation: sourceLocation)
  } catch {
    Issue.record("an error without an exit status: \(error)", sourceLocation: sourceLocation)
  }
}

/// A safetensors file of `header` and `dataCount` bytes 0, 1, 2, …
func safetensors(_ header: String, dataCount: Int = 0) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8)
    + (0..<dataCount).map { UInt8(truncatingIfNeeded: $0) }
}
