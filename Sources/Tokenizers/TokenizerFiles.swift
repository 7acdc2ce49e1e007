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

  func json(_ name: String) throws -> JSONField { try JSONField(parsing: bytes(name), file: path(name)) }

  func jsonIfThere(_ name: String) throws -> JSONField? { exists(name) ? try json(name) : nil }

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
  /// The `type` of a component. `types` has all supported ones with the members that they may have.
  func type(among types: KeyValuePairs<String, [String]>) throws -> String {
    let type = try member("type")
    let name = try type.string()
    guard let members = types.first(where: { $0.key == name })?.value else {
      throw type.unsupported(name, types.map(\.key))
    }
    try requireOnly(["type"] + members)
    return name
  }

  /// The member `key`, true or false, or `standard`.
  func flag(_ key: String, or standard: Bool) throws -> Bool { try optional(key)?.bool() ?? standard }

  func scalars() throws -> [Unicode.Scalar] { Array(try string().unicodeScalars) }

  /// A string of one scalar.
  func scalar() throws -> Unicode.Scalar {
    let scalars = try scalars()
    guard scalars.count == 1 else { throw error("must be one character") }
    return scalars[0]
  }

  /// The id of `token`, from 0 to `Int32.max`.
  func id(of token: String) throws -> Int32 {
    guard let id = Int32(exactly: try integer()), id >= 0 else {
      throw TokenizerError.idOutOfRange(place, token: token)
    }
    return id
  }

  /// A token of `vocabulary`.
  func token(in vocabulary: Vocabulary) throws -> Int32 {
    let token = try string()
    guard let id = vocabulary.id(token) else { throw TokenizerError.unknownToken(place, token: token) }
    return id
  }

  /// The beginning or end of a word's pieces. It is short, since every scalar of a text may be looked up with it.
  func affix() throws -> [Unicode.Scalar] {
    let scalars = try scalars(), longest = 64
    guard scalars.count <= longest else { throw error("cannot be longer than \(longest) characters") }
    return scalars
  }

  /// The value that the string names.
  func choice<Value: RawRepresentable<String> & CaseIterable>() throws -> Value {
    let name = try string()
    guard let value = Value(rawValue: name) else { throw unsupported(name, Value.allCases.map(\.rawValue)) }
    return value
  }

  /// The error that `value` is not among `supported`.
  func unsupported(_ value: String, _ supported: [String]) -> TokenizerError {
    .unsupported(place, value: value, supported: supported)
  }
}
