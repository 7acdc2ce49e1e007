import Diagnostics
import StrictJSON

/// Tokens by id and ids by token.
struct Vocabulary: Sendable {
  private var table: ScalarTable
  private var ids: [Int32] = []
  private var indices: [Int32: Int32]

  init(capacity: Int = 0) {
    table = ScalarTable(capacity: capacity)
    ids.reserveCapacity(capacity)
    indices = Dictionary(minimumCapacity: capacity)
  }

  /// Reads an object of ids by token.
  init(_ field: JSONField) throws {
    let members = try field.members(named: false)
    self.init(capacity: members.count)
    for (token, field) in members { try add(token, id: field.id(of: token), place: field.place) }
  }

  /// Adds a token; both it and its id must be new.
  mutating func add(_ token: String, id: Int32, place: @autoclosure () -> FilePlace) throws {
    let (index, isNew) = table.insert(Array(token.unicodeScalars)[...])
    guard isNew else { throw TokenizerError.duplicateToken(place(), token: token) }
    ids.append(id)
    if let other = indices.updateValue(Int32(index), forKey: id) {
      throw TokenizerError.duplicateID(place(), id: id, tokens: [String(scalars: table[Int(other)]), token])
    }
  }

  var count: Int { ids.count }

  /// The highest id; -1 if there are no tokens.
  var highestID: Int32 { ids.max() ?? -1 }

  func id(_ token: ArraySlice<Unicode.Scalar>) -> Int32? { table.find(token).map { ids[$0] } }

  /// The longest token that is `prefix` plus a beginning of `text`: its id and the end of that beginning.
  func longestBeginning(
    of text: ArraySlice<Unicode.Scalar>, after prefix: [Unicode.Scalar]
  ) -> (id: Int32, end: Int)? {
    var longest: (id: Int32, end: Int)?
    table.findBeginnings(of: text, after: prefix) { longest = (ids[$0], $1) }
    return longest
  }

  func id(_ token: String) -> Int32? { id(Array(token.unicodeScalars)[...]) }

  func token(_ id: Int32) -> String? { indices[id].map { String(scalars: table[Int($0)]) } }

  /// The scalars of the token with an id; empty if there is none.
  func scalars(_ id: Int32) -> ArraySlice<Unicode.Scalar> { indices[id].map { table[Int($0)] } ?? [] }
}

extension String {
  init(scalars: some Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }
}
