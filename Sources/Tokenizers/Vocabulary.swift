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

  /// Calls `found` for every token that `text` begins with, shortest first, with its id and its end.
  func findBeginnings(of text: ArraySlice<Unicode.Scalar>, _ found: (_ id: Int32, _ end: Int) -> Void) {
    table.findBeginnings(of: text) { found(ids[$0], $1) }
  }

  /// The ids of the tokens `<0x00>` to `<0xFF>`; -1 for those that are missing.
  var byteIDs: [Int32] {
    (0...UInt8.max).map { id("<0x\($0 < 16 ? "0" : "")\(String($0, radix: 16, uppercase: true))>") ?? -1 }
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

/// A set of scalar strings, numbered from 0 in the order of insertion. Lookups take a slice and allocate nothing.
///
/// An open-addressing hash table over one flat array, since the inner loop of encoding looks up tokens. `String` keys
/// would compare by canonical equivalence, which is wrong for a vocabulary.
struct ScalarTable: Sendable {
  private var scalars: [Unicode.Scalar] = []
  /// String i of `scalars` ends at `ends[i]` and starts where the one before ends.
  private var ends: [Int] = []
  private var hashes: [UInt64] = []
  private var longest = 0
  /// Numbers of strings, or -1. The size is a power of two.
  private var slots: [Int32]

  init(capacity: Int = 16) {
    var size = 32
    while size < capacity * 2 { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    ends.reserveCapacity(capacity)
    hashes.reserveCapacity(capacity)
  }

  var count: Int { ends.count }

  subscript(index: Int) -> ArraySlice<Unicode.Scalar> { scalars[start(index)..<ends[index]] }

  func find(_ key: ArraySlice<Unicode.Scalar>) -> Int? { find(key, hash: Self.hash(key)) }

  func find(_ key: ArraySlice<Unicode.Scalar>, hash: UInt64) -> Int? {
    let found = slots[slot(hash) { $0.elementsEqual(key) }]
    return found < 0 ? nil : Int(found)
  }

  /// Calls `found` for every string that is `prefix` plus a beginning of `text`, shortest first, with its number and the
  /// end of that beginning. Takes as long as looking up the longest one.
  func findBeginnings(
    of text: ArraySlice<Unicode.Scalar>, after prefix: [Unicode.Scalar] = [],
    _ found: (_ index: Int, _ end: Int) -> Void
  ) {
    var hash = Self.start
    for scalar in prefix { hash = Self.extended(hash, scalar) }
    for end in text.startIndex..<min(text.endIndex, text.startIndex + max(0, longest - prefix.count)) {
      hash = Self.extended(hash, text[end])
      let index = slots[
        slot(Self.finished(hash)) {
          $0.starts(with: prefix) && $0.dropFirst(prefix.count).elementsEqual(text[...end])
        }]
      if index >= 0 { found(Int(index), end + 1) }
    }
  }

  /// Adds `key` if it is new. Returns its number and whether it was.
  @discardableResult
  mutating func insert(_ key: ArraySlice<Unicode.Scalar>) -> (index: Int, isNew: Bool) {
    insert(key, hash: Self.hash(key))
  }

  /// - Parameter hash: of `key`.
  @discardableResult
  mutating func insert(_ key: ArraySlice<Unicode.Scalar>, hash: UInt64) -> (index: Int, isNew: Bool) {
    let place = slot(hash) { $0.elementsEqual(key) }
    if slots[place] >= 0 { return (Int(slots[place]), false) }
    let index = ends.count
    longest = max(longest, key.count)
    scalars.append(contentsOf: key)
    ends.append(scalars.count)
    hashes.append(hash)
    slots[place] = Int32(index)
    if ends.count * 2 > slots.count { grow() }
    return (index, true)
  }

  private func start(_ index: Int) -> Int { index == 0 ? 0 : ends[index - 1] }

  /// The slot of the string with this hash that `matches`, or the free slot to put it in.
  @inline(__always)
  private func slot(_ hash: UInt64, where matches: (ArraySlice<Unicode.Scalar>) -> Bool) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      if hashes[index] == hash, matches(self[index]) { return slot }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    for index in ends.indices { slots[slot(hashes[index]) { _ in false }] = Int32(index) }
  }

  static func hash(_ key: ArraySlice<Unicode.Scalar>) -> UInt64 {
    var hash = start
    for scalar in key { hash = extended(hash, scalar) }
    return finished(hash)
  }

  private static let start: UInt64 = 0xCBF2_9CE4_8422_2325

  @inline(__always)
  private static func extended(_ hash: UInt64, _ scalar: Unicode.Scalar) -> UInt64 {
    (hash ^ UInt64(scalar.value)) &* 0x9E37_79B9_7F4A_7C15 &+ (hash >> 29)
  }

  @inline(__always)
  private static func finished(_ hash: UInt64) -> UInt64 { hash ^ (hash >> 32) }
}
