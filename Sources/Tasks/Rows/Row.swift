import StrictJSON

/// One row of a `Table`.
public struct Row: Sendable {
  enum Content: Sendable {
    /// A line of TSV, valid UTF-8. Fields are cut out as they are asked for, so that wide files cost no more than narrow
    /// ones.
    case line(ArraySlice<UInt8>)
    case fields([String])
    case object(JSONNode)
  }

  /// The 1-based line on which it begins.
  public let line: Int
  private let content: Content

  init(line: Int, _ content: Content) { (self.line, self.content) = (line, content) }

  private static let tab = UInt8(ascii: "\t")

  /// The row's object in a JSON file; nil in TSV and CSV.
  public var object: JSONNode? { if case .object(let node) = content { node } else { nil } }

  /// Whether nothing stands on the line.
  var isBlank: Bool { if case .line(let bytes) = content { bytes.isEmpty } else { false } }

  /// How many fields the row has.
  public var fieldCount: Int {
    switch content {
    case .line(let bytes): bytes.count { $0 == Self.tab } + 1
    case .fields(let fields): fields.count
    case .object(let node): node.object?.count ?? 0
    }
  }

  /// The field at 0-based `index`; nil where the row is too short, and in JSON.
  public func field(_ index: Int) -> String? {
    switch content {
    case .line(let bytes):
      var start = bytes.startIndex
      for _ in 0..<index {
        guard let tab = bytes[start...].firstIndex(of: Self.tab) else { return nil }
        start = tab + 1
      }
      return String(
        decoding: bytes[start..<(bytes[start...].firstIndex(of: Self.tab) ?? bytes.endIndex)], as: UTF8.self)
    case .fields(let fields): return fields.indices.contains(index) ? fields[index] : nil
    case .object: return nil
    }
  }

  /// All fields; none in JSON.
  public var fields: [String] {
    switch content {
    case .line(let bytes):
      bytes.split(separator: Self.tab, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    case .fields(let fields): fields
    case .object: []
    }
  }
}
