import Foundation

/// What a few runs with paired seeds say about two methods.
public enum PairedStatistics {
  /// The mean; nil of nothing.
  public static func mean(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// The percentile bootstrap interval of the mean of at most 7 values, from all samples with replacement that there are, so that
  /// nothing is drawn at random; nil for fewer than 2 values, or more than 7.
  ///
  /// Percentiles interpolate between neighbours, as numpy's do.
  public static func bootstrapInterval(_ values: [Double], level: Double = 0.95) -> ClosedRange<Double>? {
    let count = values.count
    guard (2...7).contains(count) else { return nil }
    var sums = [0.0]
    for _ in 0..<count { sums = sums.flatMap { sum in values.map { sum + $0 } } }
    let means = sums.map { $0 / Double(count) }.sorted()
    func percentile(_ share: Double) -> Double {
      let place = share * Double(means.count - 1), below = Int(place)
      let above = min(below + 1, means.count - 1)
      return means[below] + (means[above] - means[below]) * (place - Double(below))
    }
    return percentile((1 - level) / 2)...percentile((1 + level) / 2)
  }

  /// The two-sided p-value of Student's paired t-test for a mean difference of 0; nil for fewer than 2 differences, and
  /// for those that are all equal up to rounding, which say nothing about their spread.
  public static func tTest(_ differences: [Double]) -> Double? {
    guard let mean = mean(differences), let error = squaredErrorOfMean(differences) else { return nil }
    let deviation = error.squareRoot()
    return deviation > 1e-9 * abs(mean) ? twoSided(abs(mean) / deviation, freedom: differences.count - 1) : nil
  }

  /// The standard error of the difference of two unpaired means, √(s₁²/n₁ + s₂²/n₂); nil if either has fewer than 2 values.
  public static func standardErrorOfDifference(_ first: [Double], _ second: [Double]) -> Double? {
    guard let one = squaredErrorOfMean(first), let other = squaredErrorOfMean(second) else { return nil }
    return (one + other).squareRoot()
  }

  private static func squaredErrorOfMean(_ values: [Double]) -> Double? {
    guard values.count > 1, let mean = mean(values) else { return nil }
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double((values.count - 1) * values.count)
  }

  /// P(|T| ≥ t) for Student's T with whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
  static func twoSided(_ t: Double, freedom: Int) -> Double {
    let angle = atan(t / Double(freedom).squareRoot()), cosine = cos(angle), sine = sin(angle)
    // The sum 1 + c² · (1/2) + c⁴ · (1·3)/(2·4) + …, or for odd degrees c + c³ · 2/3 + c⁵ · (2·4)/(3·5) + …
    let isOdd = freedom % 2 == 1
    var term = isOdd ? cosine : 1, sum = freedom == 1 ? 0 : term
    for index in stride(from: isOdd ? 3 : 2, to: freedom, by: 2) {
      term *= cosine * cosine * Double(index - 1) / Double(index)
      sum += term
    }
    let inside = isOdd ? 2 / Double.pi * (angle + sine * sum) : sine * sum
    return max(0, 1 - inside)
  }

  /// Holm's correction of several p-values, each in its place.
  public static func holm(_ values: [Double]) -> [Double] {
    var corrected = values, largest = 0.0
    for (rank, index) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() {
      largest = max(largest, min(1, values[index] * Double(values.count - rank)))
      corrected[index] = largest
    }
    return corrected
  }
}
