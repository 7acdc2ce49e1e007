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

  /// The picture; nil without points. A series at 0 has no place on the axis: it is a dashed line across.
  var svg: String? {
    let points = series.flatMap(\.points).filter { $0.x > 0 }
    guard let smallest = points.map(\.x).min(), let largest = points.map(\.x).max() else { return nil }
    let ends = points.flatMap { [$0.y, $0.interval?.lowerBound ?? $0.y, $0.interval?.upperBound ?? $0.y] }
    let low = ends.min() ?? 0, high = ends.max() ?? 1, room = max(high - low, 0.01) * 0.08
    let (from, to) = (low - room, high + room)
    let margin = 0.06, first = log10(smallest) - margin, last = log10(largest) + margin
    let scale = Scale(
      x: { [self] in left + (log10($0) - first) / (last - first) * (width - left - right) },
      y: { [self] in top + (to - $0) / (to - from) * (height - top - bottom) })
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" font-family=\"sans-serif\" "
        + "font-size=\"12\">",
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
      text(left, 22, title, size: 14), text((left + width - right) / 2 - 60, height - 12, xLabel),
    ]
    for share in [0.0, 0.25, 0.5, 0.75, 1] {
      let value = from + (to - from) * share
      parts.append(line(left, scale.y(value), width - right, scale.y(value), "#ddd"))
      parts.append(text(left - 52, scale.y(value) + 4, fixed(value, 3)))
    }
    for tick in ticks where (pow(10, first)...pow(10, last)).contains(tick) {
      parts.append(line(scale.x(tick), top, scale.x(tick), height - bottom, "#eee"))
      parts.append(text(scale.x(tick) - 14, height - bottom + 18, String(Int(tick))))
    }
    for (index, one) in series.enumerated() { parts += drawn(one, index, scale, low: from) }
    return parts.joined(separator: "\n") + "\n</svg>\n"
  }

  /// Where values lie in the picture.
  private struct Scale {
    let x: (Double) -> Double
    let y: (Double) -> Double
  }

  /// 1, 2 and 5 times the powers of ten.
  private var ticks: [Double] { (0...8).flatMap { power in [1, 2, 5].map { $0 * pow(10, Double(power)) } } }

  private func drawn(_ one: Series, _ index: Int, _ scale: Scale, low: Double) -> [String] {
    let color = "hsl(\(index * 360 / max(1, series.count)),70%,40%)"
    var parts: [String] = []
    let placed = one.points.filter { $0.x > 0 }.map { point in
      (x: scale.x(point.x) + (joinsPoints ? 0 : shift(index, point.x)), y: scale.y(point.y), interval: point.interval)
    }
    for point in placed {
      if let interval = point.interval {
        parts.append(line(point.x, scale.y(interval.lowerBound), point.x, scale.y(interval.upperBound), color))
      }
      parts.append("<circle cx=\"\(fixed(point.x))\" cy=\"\(fixed(point.y))\" r=\"4\" fill=\"\(color)\"/>")
    }
    if joinsPoints {
      for (a, b) in zip(placed, placed.dropFirst()) { parts.append(line(a.x, a.y, b.x, b.y, color)) }
    }
    var name = one.name
    if let across = one.points.first(where: { $0.x <= 0 }) {
      name += " \(fixed(across.y, 3))"
      // Below the picture, its number must do.
      if across.y >= low {
        parts.append(line(left, scale.y(across.y), width - right, scale.y(across.y), color, dashes: true))
      }
    }
    let row = top + 8 + Double(index) * 16
    parts.append("<circle cx=\"\(fixed(width - right + 16))\" cy=\"\(fixed(row - 4))\" r=\"4\" fill=\"\(color)\"/>")
    return parts + [text(width - right + 26, row, name)]
  }

  /// How far a point is moved aside, so that those of series with the same x can be told apart.
  private func shift(_ index: Int, _ x: Double) -> Double {
    let same = series.indices.filter { series[$0].points.contains { $0.x == x } }
    guard let place = same.firstIndex(of: index) else { return 0 }
    return 9 * (Double(place) - Double(same.count - 1) / 2)
  }

  private func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String, dashes: Bool = false
  ) -> String {
    "<line x1=\"\(fixed(x1))\" y1=\"\(fixed(y1))\" x2=\"\(fixed(x2))\" y2=\"\(fixed(y2))\" stroke=\"\(color)\""
      + (dashes ? " stroke-dasharray=\"6 4\"/>" : "/>")
  }

  private func text(_ x: Double, _ y: Double, _ content: String, size: Int = 12) -> String {
    "<text x=\"\(fixed(x))\" y=\"\(fixed(y))\" font-size=\"\(size)\">\(content)</text>"
  }
}
