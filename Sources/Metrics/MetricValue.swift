/// A metric's name and what it came to.
public struct MetricValue: Sendable, Equatable {
  /// The metric's name in results.
  public let name: String
  /// Always finite.
  public let value: Double

  /// A value under its name.
  public init(name: String, value: Double) { (self.name, self.value) = (name, value) }
}
