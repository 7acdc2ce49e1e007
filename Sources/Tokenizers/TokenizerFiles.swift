import Diagnostics
import Foundation
import StrictJSON

/// The tokenizer files of a model directory.
struct TokenizerFiles {
  let directory: String

  func path(_ name: String) -> String { directory.hasSuffix("/") ? directory + name : directory + "/" + name }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func bytes(_ name: String) throws -> [UInt8] {
    do {
      return try InputFile.read(path(name), limit: InputFile.textLimit)
    } catch {
      throw TokenizerError.unreadable(file: path(name), reason: error.description)
    }
  }

  /// A JSON file.
  func json(_ name: String) throws -> JSONField {
    try JSONField(parsing: try bytes(name), file: path(name))
  }

  /// The lines of a text file. Only LF ends a line; a CR before it is dropped.
  func lines(_ name: String) throws -> [String] {
    var lines = try bytes(name).split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return try lines.enumerated().map { index, line in
      guard let text = String(validating: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self) else {
        throw TokenizerError.notUTF8(file: path(name), line: index + 1)
      }
      return text
    }
  }
}

extension JSONField {
  /// The id of `token`, from 0 to `Int32.max`.
  func id(of token: String) throws -> Int32 {
    guard let id = Int32(exactly: try integer()), id >= 0 else {
      throw TokenizerError.idOutOfRange(place, token: token)
    }
    return id
  }

  /// The beginning or end of a word's pieces. It is short, since every scalar of a text may be looked up with it.
  func affix() throws -> [Unicode.Scalar] {
    let scalars = Array(try string().unicodeScalars), longest = 64
    guard scalars.count <= longest else { throw error("cannot be longer than \(longest) characters") }
    return scalars
  }

  /// The value that the string names.
  func choice<Value: RawRepresentable<String> & CaseIterable>() throws -> Value {
    guard let value = Value(rawValue: try string()) else {
      throw unsupported(try string(), Value.allCases.map(\.rawValue))
    }
    return value
  }

  /// The error that `value` is not among `supported`.
  func unsupported(_ value: String, _ supported: [String]) -> TokenizerError {
    .unsupported(place, value: value, supported: supported)
  }

  /// A string of one scalar.
  func scalar() throws -> Unicode.Scalar {
    let scalars = try string().unicodeScalars
    guard let scalar = scalars.first, scalars.count == 1 else { throw error("must be one character") }
    return scalar
  }
}
