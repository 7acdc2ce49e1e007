import Foundation

/// A line chart made of text.
public struct Chart: Sendable {
  /// The characters that lines are drawn with.
  public enum Marks: Sendable {
    /// Eight dots per character, for terminals.
    case braille
    /// One `*` per character, for files and pipes.
    case ascii
  }

  /// Characters per line, axis included.
  public var width: Int
  /// Lines of the plot, axis excluded.
  public var height: Int
  /// The characters that lines are drawn with.
  public var marks: Marks

  /// A chart of this size, or larger if its axes need it.
  public init(width: Int, height: Int = 12, marks: Marks) {
    self.width = max(24, width)
    self.height = max(3, height)
    self.marks = marks
  }

  /// The points, joined by lines; points that are not finite are left out. Empty if none are left.
  public func text(_ points: [(x: Double, y: Double)], title: String, xLabel: String) -> String {
    let points = points.filter { $0.x.isFinite && $0.y.isFinite }
    guard let first = points.first, let last = points.last else { return "" }
    var low = points.map(\.y).min() ?? 0, high = points.map(\.y).max() ?? 0
    if low == high { (low, high) = (low - max(abs(low), 1) * 0.05, high + max(abs(high), 1) * 0.05) }
    let labels = [high, (low + high) / 2, low].map { Self.number($0, span: high - low) }
    let margin = (labels.map(\.count).max() ?? 0) + 2
    var canvas = Canvas(columns: width - margin, rows: height, marks: marks)
    let span = last.x - first.x
    let scaled = points.map { point in
      (
        x: span > 0 ? Int(((point.x - first.x) / span * Double(canvas.pixelWidth - 1)).rounded()) : 0,
        y: Int(((high - point.y) / (high - low) * Double(canvas.pixelHeight - 1)).rounded())
      )
    }
    for (start, end) in zip(scaled, scaled.dropFirst()) { canvas.line(from: start, to: end) }
    if scaled.count == 1 { canvas.line(from: scaled[0], to: scaled[0]) }

    let axis = marks == .braille ? "┤" : "|"
    var lines = [title]
    for (row, line) in canvas.lines.enumerated() {
      let label = row == 0 ? labels[0] : row == height / 2 ? labels[1] : row == height - 1 ? labels[2] : ""
      lines.append(String(repeating: " ", count: margin - 2 - label.count) + label + " " + axis + line)
    }
    let from = Self.number(first.x, span: span), to = Self.number(last.x, span: span)
    let gap = max(1, width - margin - from.count - to.count - xLabel.count - 2)
    let left = gap / 2
    lines.append(
      String(repeating: " ", count: margin) + from + String(repeating: " ", count: max(1, left)) + " " + xLabel + " "
        + String(repeating: " ", count: max(1, gap - left)) + to)
    return lines.map(Self.withoutTrailingSpace).joined(separator: "\n") + "\n"
  }

  /// Enough digits to distinguish neighbouring labels of the axis.
  static func number(_ value: Double, span: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15, span >= 2 || span == 0 { return String(Int(value)) }
    let size = max(abs(value), span)
    if size >= 1e6 || size < 1e-3 { return String(format: "%.2e", value) }
    let places = max(0, min(6, 2 - Int(log10(max(span, 1e-9)).rounded(.down))))
    return String(format: "%.\(places)f", value)
  }

  private static func withoutTrailingSpace(_ line: String) -> String {
    var line = line[...]
    while line.last == " " || line.last == "\u{2800}" { line = line.dropLast() }
    return String(line)
  }
}

/// A grid of pixels, rendered as lines of characters.
private struct Canvas {
  private let columns: Int
  private let rows: Int
  private let marks: Chart.Marks
  private var cells: [UInt8]

  init(columns: Int, rows: Int, marks: Chart.Marks) {
    (self.columns, self.rows, self.marks) = (columns, rows, marks)
    cells = [UInt8](repeating: 0, count: columns * rows)
  }

  var pixelWidth: Int { marks == .braille ? columns * 2 : columns }
  var pixelHeight: Int { marks == .braille ? rows * 4 : rows }

  /// Bresenham's algorithm.
  mutating func line(from start: (x: Int, y: Int), to end: (x: Int, y: Int)) {
    var (x, y) = start
    let width = abs(end.x - x), height = -abs(end.y - y)
    let right = x < end.x ? 1 : -1, down = y < end.y ? 1 : -1
    var error = width + height
    while true {
      set(x, y)
      if x == end.x, y == end.y { return }
      let doubled = 2 * error
      if doubled >= height { (error, x) = (error + height, x + right) }
      if doubled <= width { (error, y) = (error + width, y + down) }
    }
  }

  private mutating func set(_ x: Int, _ y: Int) {
    switch marks {
    case .ascii: cells[y * columns + x] = 1
    case .braille:
      // Unicode numbers the dots down the left column, down the right one, then the two below.
      let bits: [[UInt8]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]
      cells[y / 4 * columns + x / 2] |= bits[x % 2][y % 4]
    }
  }

  var lines: [String] {
    (0..<rows).map { row in
      String(
        String.UnicodeScalarView(
          cells[(row * columns)..<((row + 1) * columns)].map { cell in
            marks == .ascii ? (cell > 0 ? "*" : " ") : Unicode.Scalar(0x2800 + UInt32(cell)) ?? " "
          }))
    }
  }
}
