import Kernels

/// Finds the first operation on a tape that gives NaN or infinity. It keeps every tensor alive, so use it only to repeat
/// a step that went wrong.
public final class NumberTrace {
  /// A NaN or an infinity.
  public struct Finding: Sendable, Equatable {
    /// The operation, named like its method of `Tape`.
    public let operation: String
    /// Its number in the forward pass, from 1; nil for a derivative.
    public let number: Int?
    /// Whether it was in the derivative.
    public let isBackward: Bool
    /// The examples with such numbers in their rows; empty if they are in the gradient of a parameter.
    public let examples: [Int]
  }

  private var made: [(operation: String, tensor: Tensor)] = []
  /// How many of these have been searched.
  private var searched = 0
  /// The first finding, forward before backward.
  public private(set) var finding: Finding?

  /// An empty trace.
  public init() {}

  func note(_ operation: StaticString, _ tensor: Tensor) {
    made.append((Self.name(operation), tensor))
  }

  /// Searches the tensors after the forward pass.
  public func forwardIsDone() { search(made.count) }

  /// Searches the tensors up to one that is about to be overwritten.
  func check(before tensor: Tensor) {
    if let last = made.lastIndex(where: { $0.tensor === tensor }) { search(last + 1) }
  }

  /// Searches the first `count` tensors.
  private func search(_ count: Int) {
    for (index, entry) in made.prefix(count).enumerated() where index >= searched && finding == nil {
      let examples = Self.examples(of: entry.tensor, entry.tensor.values)
      if !examples.isEmpty {
        finding = Finding(operation: entry.operation, number: index + 1, isBackward: false, examples: examples)
      }
    }
    searched = max(searched, count)
  }

  /// Searches all gradients after the derivative of `operation`.
  func derivativeIsDone(_ operation: StaticString, gradients: FloatStorage?) {
    guard finding == nil else { return }
    let name = Self.name(operation)
    for entry in made {
      guard let numbers = entry.tensor.gradient else { continue }
      let examples = Self.examples(of: entry.tensor, numbers)
      guard !examples.isEmpty else { continue }
      finding = Finding(operation: name, number: nil, isBackward: true, examples: examples)
      return
    }
    if let gradients, !UnsafeBufferPointer(start: gradients.base, count: gradients.count).allSatisfy(\.isFinite) {
      finding = Finding(operation: name, number: nil, isBackward: true, examples: [])
    }
  }

  /// The examples with numbers that are not finite.
  private static func examples(of tensor: Tensor, _ numbers: [Float]) -> [Int] {
    let layout = tensor.layout, columns = tensor.columns
    return (0..<layout.sequences).filter { sequence in
      let rows = layout.range(sequence)
      return !numbers[(rows.lowerBound * columns)..<(rows.upperBound * columns)].allSatisfy(\.isFinite)
    }.map { layout.examples[$0] }
  }

  /// `linear` of `linear(_:_:)`.
  private static func name(_ operation: StaticString) -> String {
    String(String(describing: operation).prefix { $0 != "(" })
  }
}
