import Diagnostics

/// The members of an object (Python's dict), in their order. It never changes. Keys are compared by code points.
public final class JinjaObject: Sendable {
  let keys: [JinjaValue]
  let values: [JinjaValue]
  /// Where a key stands, in an object that is too large for a search from the start.
  private let index: [HashKey: Int]?
  let depth: Int

  /// The most members that are searched from the start.
  private static let smallCount = 8

  fileprivate init(keys: [JinjaValue], values: [JinjaValue], index: [HashKey: Int]?) {
    self.keys = keys
    self.values = values
    self.index = index
    depth = 1 + max(values.lazy.map(\.depth).max() ?? 0, keys.lazy.map(\.depth).max() ?? 0)
  }

  /// The number of members.
  public var count: Int { keys.count }

  /// The member `key`, or nil.
  public subscript(key: String) -> JinjaValue? {
    if let index { return index[.text(ExactText(key))].map { values[$0] } }
    for position in keys.indices {
      if let other = keys[position].text, other.isSame(as: key) { return values[position] }
    }
    return nil
  }

  subscript(key: HashKey) -> JinjaValue? {
    if let index { return index[key].map { values[$0] } }
    return keys.firstIndex { HashKey($0) == key }.map { values[$0] }
  }

  /// Makes an object member by member.
  struct Builder {
    private var keys: [JinjaValue] = []
    private var values: [JinjaValue] = []
    private var index: [HashKey: Int] = [:]

    mutating func set(_ hash: HashKey, key: JinjaValue, value: JinjaValue) {
      let known = index.isEmpty ? keys.firstIndex { HashKey($0) == hash } : index[hash]
      if let known {
        values[known] = value
        return
      }
      keys.append(key)
      values.append(value)
      if !index.isEmpty {
        index[hash] = keys.count - 1
      } else if keys.count > JinjaObject.smallCount {
        for position in keys.indices { if let hash = HashKey(keys[position]) { index[hash] = position } }
      }
    }

    var object: JinjaObject { JinjaObject(keys: keys, values: values, index: index.isEmpty ? nil : index) }
  }
}

/// A value as a key, equal where Python's values are: 1, 1.0 and True are one key.
enum HashKey: Hashable {
  case none
  case undefined
  case integer(Int)
  case float(Double)
  case text(ExactText)
  case tuple([HashKey])
  case identity(ObjectIdentifier)

  /// Nil for a list or an object, which cannot be a key.
  init?(_ value: JinjaValue) {
    switch value {
    case .undefined: self = .undefined
    case .none: self = .none
    case .bool(let bool): self = .integer(bool ? 1 : 0)
    case .integer(let integer): self = .integer(integer)
    case .float(let float): self = Int(exactly: float).map { .integer($0) } ?? .float(float)
    case .string(let text), .markup(let text): self = .text(ExactText(text))
    case .list, .object: return nil
    case .reference(let reference): self = .identity(ObjectIdentifier(reference))
    case .tuple(let list):
      var keys: [HashKey] = []
      for element in list.elements {
        guard let key = HashKey(element) else { return nil }
        keys.append(key)
      }
      self = .tuple(keys)
    }
  }
}
