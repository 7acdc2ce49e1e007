/// Rows of cells, aligned for people.
public struct TextTable: Sendable {
  /// The side that a column's cells are flush with.
  public enum Alignment: Sendable {
    case left, right
  }

  /// All rows; the first holds the titles.
  public let rows: [[String]]
  private let alignment: [Alignment]

  /// A table; columns without an alignment have that of the last one given.
  public init(_ rows: [[String]], _ alignment: Alignment...) { self.init(rows, alignment: alignment) }

  /// A table whose columns are flush left, except those in `right`.
  public init(_ rows: [[String]], right: some Collection<Int>) {
    let count = rows.map(\.count).max() ?? 0
    self.init(rows, alignment: (0..<count).map { right.contains($0) ? .right : .left })
  }

  private init(_ rows: [[String]], alignment: [Alignment]) { (self.rows, self.alignment) = (rows, alignment) }

  private func alignment(_ column: Int) -> Alignment {
    column < alignment.count ? alignment[column] : alignment.last ?? .left
  }

  /// A line per row: columns of equal width, two spaces between them, none at the end of a line that ends flush left.
  public var plain: String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        if alignment(column) == .right { return space + cell }
        return column == row.count - 1 ? cell : cell + space
      }
      return cells.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// The same as a Markdown table.
  public var markdown: String {
    let lines = rows.map { "| " + $0.joined(separator: " | ") + " |\n" }
    let rules = rows.first?.indices.map { alignment($0) == .left ? "---" : "---:" } ?? []
    return lines.prefix(1).joined() + "| " + rules.joined(separator: " | ") + " |\n" + lines.dropFirst().joined()
  }
}

extension Int {
  /// `294,912`, in any locale.
  public var grouped: String {
    let digits = String(magnitude)
    let text = digits.enumerated().map { index, digit in
      (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digit)
    }.joined()
    return self < 0 ? "-" + text : text
  }
}
