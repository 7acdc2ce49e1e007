import Diagnostics
import Foundation

/// `294,912`.
func grouped(_ number: Int) -> String { number.grouped }

/// `digits` places after the point.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// `digits` significant digits.
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

/// Names and values, the values aligned.
func listing(_ entries: [(String, String)]) -> String { TextTable(entries.map { [$0.0, $0.1] }).plain }
