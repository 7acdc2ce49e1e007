import Kernels

/// Watches a tape for the first operation that gives NaN or infinity. It keeps every tensor alive, so it is for
/// searching after the fact only.
public final class NumberTrace {
  /// What was found first.
  public struct Finding: Sendable, Equatable {
    /// The operation, by the name of its function on the tape.
    public let operation: String
    /// Its number in the forward pass, from 1; nil for a derivative.
    public let number: Int?
    /// Whether the number came up in the derivative.
    public let isBackward: Bool
    /// The examples whose rows hold such numbers; empty where the gradient of a parameter does.
    public let examples: [Int]
  }

  private struct Entry {
    let operation: String
    let tensor: Tensor
  }

  private var made: [Entry] = []
  /// What was found first, forward before backward.
  public private(set) var finding: Finding?

  /// Nothing watched yet.
  public init() {}

  func note(_ operation: StaticString, _ tensor: Tensor) {
    made.append(Entry(operation: Self.name(operation), tensor: tensor))
  }

  /// Looks through the tensors once the forward pass is complete.
  public func forwardIsDone() {
    for (index, entry) in made.enumerated() where finding == nil {
      let examples = Self.examples(of: entry.tensor, entry.tensor.values)
      if !examples.isEmpty {
        finding = Finding(operation: entry.operation, number: index + 1, isBackward: false, examples: examples)
      }
    }
  }

  /// Looks through all gradients after the derivative of `operation` has run.
  func derivativeIsDone(_ operation: StaticString, gradients: FloatStorage?) {
    guard finding == nil else { return }
    let name = Self.name(operation)
    for entry in made {
      guard let gradient = entry.tensor.gradient else { continue }
      let examples = Self.examples(of: entry.tensor, gradient)
      guard !examples.isEmpty else { continue }
      finding = Finding(operation: name, number: nil, isBackward: true, examples: examples)
      return
    }
    if let gradients, !UnsafeBufferPointer(start: gradients.base, count: gradients.count).allSatisfy(\.isFinite) {
      finding = Finding(operation: name, number: nil, isBackward: true, examples: [])
    }
  }

  /// The examples in whose rows there is a number that is not finite.
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
