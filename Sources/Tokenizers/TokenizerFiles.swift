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

/// The tokens and options of tokenizer_config.json and special_tokens_map.json, which may both be absent.
struct SpecialTokens {
  private let config: JSONField?
  private let map: JSONField?

  init(_ files: TokenizerFiles) throws {
    config = try files.jsonIfThere("tokenizer_config.json")
    map = try files.jsonIfThere("special_tokens_map.json")
  }

  /// The first file that names a token decides.
  private func field(_ key: String) throws -> JSONField? { try config?.optional(key) ?? map?.optional(key) }

  /// The token under `key` (such as `pad_token`), without its id, or nil if none is named.
  func token(_ key: String) throws -> (token: AddedToken, place: FilePlace)? {
    try field(key).map { (try AddedToken(config: $0), $0.place) }
  }

  func additional() throws -> [(token: AddedToken, place: FilePlace)] {
    try field("additional_special_tokens")?.elements().map { (try AddedToken(config: $0), $0.place) } ?? []
  }

  /// The tokens listed with their ids, by ascending id.
  func listed() throws -> [(token: AddedToken, place: FilePlace)] {
    let members = try config?.optional("added_tokens_decoder")?.members() ?? []
    let tokens: [(token: AddedToken, place: FilePlace)] = try members.map { key, field in
      var token = try AddedToken(config: field)
      guard let id = Int32(key), id >= 0 else {
        throw TokenizerError.idOutOfRange(field.place, token: token.content)
      }
      token.id = id
      return (token, field.place)
    }
    return tokens.sorted { $0.token.id < $1.token.id }
  }

  func flag(_ key: String) throws -> Bool? { try config?.optional(key)?.bool() }

  func tokenizerClass() throws -> String? { try config?.optional("tokenizer_class")?.string() }
}

extension AddedToken {
  /// Reads a token of the configuration: its text, or an object with text and flags.
  fileprivate init(config field: JSONField) throws {
    if let text = field.node.string {
      self.init(content: text, id: -1)
      return
    }
    try field.requireOnly(["__type", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
    self.init(content: try field.member("content").string(), id: -1)
    isSpecial = try field.flag("special", or: true)
    isNormalized = try field.flag("normalized", or: !isSpecial)
    isSingleWord = try field.flag("single_word", or: false)
    stripsLeft = try field.flag("lstrip", or: false)
    stripsRight = try field.flag("rstrip", or: false)
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
