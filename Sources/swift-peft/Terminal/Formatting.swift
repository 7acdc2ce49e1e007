import Foundation

/// 294,912.
func grouped(_ number: Int) -> String {
  let digits = String(number.magnitude)
  let text = digits.enumerated().map { index, digit in
    (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digit)
  }.joined()
  return number < 0 ? "-" + text : text
}

/// `digits` places after the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// So many significant digits.
func significant(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)g", value) }

/// 1h02m, 1m20s, 45s.
func duration(_ length: Duration) -> String {
  let seconds = Int(length.components.seconds)
  if seconds >= 3600 { return "\(seconds / 3600)h" + String(format: "%02dm", seconds % 3600 / 60) }
  if seconds >= 60 { return "\(seconds / 60)m" + String(format: "%02ds", seconds % 60) }
  return "\(seconds)s"
}

/// 1.2 GB, in powers of 1000.
func byteSize(_ bytes: Int) -> String {
  let units = ["B", "kB", "MB", "GB", "TB"]
  var value = Double(bytes), unit = 0
  while value >= 999.5, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
  return (unit == 0 ? String(bytes) : fixed(value, value < 10 ? 1 : 0)) + " " + units[unit]
}

/// Rows as columns of equal width, the first flush left, the others flush right.
func columns(_ rows: [[String]]) -> String {
  let count = rows.map(\.count).max() ?? 0
  let widths = (0..<count).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
  return rows.map { row in
    row.enumerated().map { column, cell in
      let space = String(repeating: " ", count: widths[column] - cell.count)
      return column == 0 ? cell + space : space + cell
    }.joined(separator: "  ") + "\n"
  }.joined()
}

/// Names and values, the values aligned.
func listing(_ entries: [(String, String)]) -> String {
  let width = entries.map(\.0.count).max() ?? 0
  return entries.map { name, value in
    name + String(repeating: " ", count: width - name.count) + "  " + value + "\n"
  }.joined()
}
