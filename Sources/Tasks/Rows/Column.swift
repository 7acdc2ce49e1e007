/// A column of a table, by name or by number.
public enum Column: Sendable, Hashable, CustomStringConvertible {
  /// By its name in the header, or its key in a JSON record.
  case name(String)
  /// By its 0-based number.
  case index(Int)

  /// `"label"` or `number 3`.
  public var description: String {
    switch self {
    case .name(let name): "\"\(name)\""
    case .index(let index): "number \(index)"
    }
  }
}
