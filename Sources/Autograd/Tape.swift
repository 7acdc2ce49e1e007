import Kernels

/// Where a trainable tensor lies in the flat storages of values, gradients and moments.
public struct ParameterReference: Sendable, Equatable {
  /// First element.
  public let offset: Int
  /// Length of the first dimension.
  public let rows: Int
  /// Length of the second dimension; 1 for vectors.
  public let columns: Int

  /// A reference to `rows` × `columns` numbers at `offset`.
  public init(offset: Int, rows: Int, columns: Int) {
    self.offset = offset
    self.rows = rows
    self.columns = columns
  }

  /// How many numbers.
  public var count: Int { rows * columns }
  /// Their places.
  public var range: Range<Int> { offset..<(offset + count) }
}

/// Dropout's randomness for one optimiser step.
public struct DropoutSource: Sendable {
  /// The run's counted randomness.
  public let philox: Philox
  /// Optimiser step, from 0.
  public let step: Int

  /// Randomness of step `step`.
  public init(philox: Philox, step: Int) {
    self.philox = philox
    self.step = step
  }
}

/// Records operations while a shard goes forward and runs their derivatives backwards.
///
/// The operations are extensions in `Operations/`, each with its forward and its backward side by side. A tape serves
/// one shard on one thread. What an operation's backward pass does not need is free again as soon as the forward code
/// lets go of it.
public final class Tape {
  /// Memory for activations and their gradients.
  public let workspace: Workspace
  /// Values of all trainable tensors.
  public let parameters: FloatStorage
  /// Where their gradients are added; nil for forward only.
  public let gradients: FloatStorage?
  /// Nil switches every dropout off, as in evaluation.
  public let dropoutSource: DropoutSource?
  /// Set before the forward pass to find where a number that is not finite comes from.
  public var trace: NumberTrace?
  private var steps: [(operation: StaticString, run: () -> Void)] = []

  /// A tape over `parameters`.
  public init(
    workspace: Workspace, parameters: FloatStorage, gradients: FloatStorage? = nil, dropout: DropoutSource? = nil
  ) {
    self.workspace = workspace
    self.parameters = parameters
    self.gradients = gradients
    self.dropoutSource = dropout
  }

  /// Whether a backward pass will follow.
  public var isRecording: Bool { gradients != nil }

  /// Runs the recorded derivatives, last operation first; each is dropped, with what it kept, once it has run.
  public func backward() {
    while let step = steps.popLast() {
      step.run()
      trace?.derivativeIsDone(step.operation, gradients: gradients)
    }
  }

  /// Adds the derivative of an operation. It must not hold the tape, which holds it.
  func record(operation: StaticString = #function, _ step: @escaping () -> Void) {
    if isRecording { steps.append((operation, step)) }
  }

  /// A tensor with undefined contents.
  func make(
    _ layout: PackedLayout, columns: Int, needsGradient: Bool, operation: StaticString = #function
  ) -> Tensor {
    let tensor = Tensor(
      layout: layout, columns: columns, buffer: workspace.allocate(layout.rows * columns),
      needsGradient: needsGradient && isRecording)
    trace?.note(operation, tensor)
    return tensor
  }

  /// A tensor with the given contents, for tests and for the edges of a model.
  public func constant(_ values: [Float], layout: PackedLayout, columns: Int, needsGradient: Bool = false) -> Tensor {
    precondition(values.count == layout.rows * columns)
    let tensor = make(layout, columns: columns, needsGradient: needsGradient)
    values.withUnsafeBufferPointer {
      if let source = $0.baseAddress { tensor.base.update(from: source, count: $0.count) }
    }
    return tensor
  }

  /// Runs `body` with the numbers of `tensor` as float32: in place where they are, else widened into scratch memory.
  func withFloats<Result>(_ tensor: FrozenTensor, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
    let bytes = tensor.bytes
    if tensor.elementType == .float32, Int(bitPattern: bytes) % 4 == 0 {
      // The kernels take mutable pointers for inputs too; none writes to a weight.
      let floats = UnsafeMutableRawPointer(mutating: bytes).assumingMemoryBound(to: Float.self)
      return withExtendedLifetime(tensor) { body(floats) }
    }
    let scratch = workspace.allocate(tensor.count)
    tensor.widen(range: 0..<tensor.count, into: scratch.base)
    return body(scratch.base)
  }
}
