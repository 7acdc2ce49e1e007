import Diagnostics
import StrictJSON

/// A value inside a JSON file, with its path, that turns wrong kinds into errors naming file, line and field.
struct Field {
  let file: String
  let path: String
  let node: JSONNode

  var place: TokenizerPlace { TokenizerPlace(file: file, line: node.line, field: path) }

  /// The member `key`, which must be there (it may be null).
  func member(_ key: String) throws -> Field {
    guard let object = node.object else { throw wrongKind("an object") }
    guard let member = object[key] else {
      throw TokenizerError.missingField(TokenizerPlace(file: file, line: node.line, field: inside(key)))
    }
    return Field(file: file, path: inside(key), node: member)
  }

  /// The member `key`; nil where it is absent or null.
  func optional(_ key: String) throws -> Field? {
    guard let object = node.object else { throw wrongKind("an object") }
    guard let member = object[key], !member.isNull else { return nil }
    return Field(file: file, path: inside(key), node: member)
  }

  /// The members of an object in file order. A large object's members may go without their own names in `path`.
  func members(named: Bool = true) throws -> [(key: String, field: Field)] {
    guard let object = node.object else { throw wrongKind("an object") }
    return object.keys.compactMap { key in
      object[key].map { (key, Field(file: file, path: named ? inside(key) : path, node: $0)) }
    }
  }

  /// The elements of a list.
  func elements() throws -> [Field] {
    guard let array = node.array else { throw wrongKind("a list") }
    return array.enumerated().map { Field(file: file, path: "\(path)[\($0)]", node: $1) }
  }

  func string() throws -> String {
    guard let string = node.string else { throw wrongKind("a string") }
    return string
  }

  func bool() throws -> Bool {
    guard let bool = node.bool else { throw wrongKind("true or false") }
    return bool
  }

  func integer() throws -> Int {
    guard let integer = node.integer else { throw wrongKind("a whole number") }
    return integer
  }

  /// The id of `token`, within 0 … Int32.max.
  func id(of token: String) throws -> Int32 {
    guard let id = Int32(exactly: try integer()), id >= 0 else {
      throw TokenizerError.idOutOfRange(place, token: token)
    }
    return id
  }

  /// What pieces of a word begin or end with. Every scalar of a text may be looked up with it, so it must be short.
  func affix() throws -> String {
    let text = try string(), longest = 64
    guard text.unicodeScalars.count <= longest else {
      throw TokenizerError.malformed(place, problem: "cannot be longer than \(longest) characters")
    }
    return text
  }

  /// Refuses members other than `known`.
  func refuseOtherMembers(than known: [String]) throws {
    for (key, field) in try members() where !known.contains(key) {
      throw TokenizerError.unknownField(field.place, nearest: nearestName(to: key, among: known))
    }
  }

  /// Clipped: a long name would be repeated in the path of everything below it.
  private func inside(_ key: String) -> String { path.isEmpty ? key.clipped : "\(path).\(key.clipped)" }

  private func wrongKind(_ expected: String) -> TokenizerError {
    .wrongKind(place, expected: expected, found: node.kind)
  }
}
