import Foundation
import Metrics

/// A plot of scores as SVG: points with intervals over a logarithmic axis, or lines over learning rates.
struct EvidencePlot {
  /// A named series.
  struct Series {
    let name: String
    let points: [(x: Double, y: Double, interval: ClosedRange<Double>?)]
  }

  let title: String
  let xLabel: String
  let series: [Series]
  var joinsPoints = false

  private let width = 760.0
  private let height = 420.0
  private let left = 70.0
  private let right = 190.0
  private let top = 40.0
  private let bottom = 50.0

  /// The picture; nil without points.
  var svg: String? {
    let points = series.flatMap(\.points)
    guard let smallest = points.map(\.x).min(), let largest = points.map(\.x).max() else { return nil }
    let ends = points.flatMap { [$0.y, $0.interval?.lowerBound ?? $0.y, $0.interval?.upperBound ?? $0.y] }
    let low = ends.min() ?? 0, high = ends.max() ?? 1, room = max(high - low, 0.01) * 0.08
    let (from, to) = (low - room, high + room)
    // One arm may train nothing.
    let first = log10(max(1, smallest)), last = max(log10(max(1, largest)), first + 0.1)
    func x(_ value: Double) -> Double {
      left + (log10(max(1, value)) - first) / (last - first) * (width - left - right)
    }
    func y(_ value: Double) -> Double { top + (to - value) / (to - from) * (height - top - bottom) }
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" font-family=\"sans-serif\" "
        + "font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      text(left, 22, title, size: 14), text((left + width - right) / 2 - 60, height - 12, xLabel),
    ]
    for share in [0.0, 0.25, 0.5, 0.75, 1] {
      let value = from + (to - from) * share
      parts.append(line(left, y(value), width - right, y(value), "#ddd"))
      parts.append(text(left - 52, y(value) + 4, fixed(value, 3)))
    }
    for exponent in Int(first.rounded(.up))...max(Int(first.rounded(.up)), Int(last.rounded(.down))) {
      let place = x(pow(10, Double(exponent)))
      guard (left...(width - right)).contains(place) else { continue }
      parts.append(line(place, top, place, height - bottom, "#eee"))
      parts.append(
        text(place - 12, height - bottom + 18, exponent < 4 ? String(Int(pow(10, Double(exponent)))) : "1e\(exponent)"))
    }
    for (index, one) in series.enumerated() { parts += drawn(one, index, x, y) }
    return parts.joined(separator: "\n") + "\n</svg>\n"
  }

  private func drawn(
    _ one: Series, _ index: Int, _ x: (Double) -> Double, _ y: (Double) -> Double
  ) -> [String] {
    let color = "hsl(\(index * 360 / max(1, series.count)),70%,40%)"
    var parts: [String] = []
    for point in one.points {
      if let interval = point.interval {
        parts.append(line(x(point.x), y(interval.lowerBound), x(point.x), y(interval.upperBound), color))
      }
      parts.append("<circle cx=\"\(fixed(x(point.x)))\" cy=\"\(fixed(y(point.y)))\" r=\"4\" fill=\"\(color)\"/>")
    }
    if joinsPoints {
      for (a, b) in zip(one.points, one.points.dropFirst()) {
        parts.append(line(x(a.x), y(a.y), x(b.x), y(b.y), color))
      }
    }
    let row = top + 8 + Double(index) * 16
    parts.append("<circle cx=\"\(fixed(width - right + 16))\" cy=\"\(fixed(row - 4))\" r=\"4\" fill=\"\(color)\"/>")
    return parts + [text(width - right + 26, row, one.name)]
  }

  private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String) -> String {
    "<line x1=\"\(fixed(x1))\" y1=\"\(fixed(y1))\" x2=\"\(fixed(x2))\" y2=\"\(fixed(y2))\" stroke=\"\(color)\"/>"
  }

  private func text(_ x: Double, _ y: Double, _ content: String, size: Int = 12) -> String {
    "<text x=\"\(fixed(x))\" y=\"\(fixed(y))\" font-size=\"\(size)\">\(content)</text>"
  }
}
