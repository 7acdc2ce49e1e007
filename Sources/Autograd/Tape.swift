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
  /// What products multiply and linear maps give.
  public let precision: Precision
  /// Set before the forward pass to find where a number that is not finite comes from.
  public var trace: NumberTrace?
  private var steps: [(operation: StaticString, run: () -> Void)] = []

  /// A tape over `parameters`.
  public init(
    workspace: Workspace, parameters: FloatStorage, gradients: FloatStorage? = nil, dropout: DropoutSource? = nil,
    precision: Precision = .float32
  ) {
    self.workspace = workspace
    self.parameters = parameters
    self.gradients = gradients
    self.dropoutSource = dropout
    self.precision = precision
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

  /// A tensor with undefined contents; float32 unless said otherwise.
  func make(
    _ layout: PackedLayout, columns: Int, needsGradient: Bool, precision: Precision = .float32,
    operation: StaticString = #function
  ) -> Tensor {
    let shape = TensorShape(layout: layout, columns: columns, precision: precision)
    return noted(
      Tensor(shape, buffer: shape.allocate(in: workspace), needsGradient: needsGradient && isRecording), operation)
  }

  /// A tensor with undefined contents like `x`.
  func make(like x: Tensor, operation: StaticString = #function) -> Tensor {
    make(
      x.layout, columns: x.columns, needsGradient: x.needsGradient, precision: x.precision, operation: operation)
  }

  /// `tensor`, shown to the trace.
  func noted(_ tensor: Tensor, _ operation: StaticString = #function) -> Tensor {
    trace?.note(operation, tensor)
    return tensor
  }

  /// A tensor with the given contents, for tests and for the edges of a model.
  public func constant(
    _ values: [Float], layout: PackedLayout, columns: Int, needsGradient: Bool = false, precision: Precision = .float32
  ) -> Tensor {
    precondition(values.count == layout.rows * columns)
    let tensor = make(layout, columns: columns, needsGradient: needsGradient, precision: precision)
    values.withUnsafeBufferPointer {
      guard let source = $0.baseAddress else { return }
      switch precision {
      case .float32: tensor.base.update(from: source, count: $0.count)
      case .bfloat16: narrowFloats(tensor.bf16, source, 1, $0.count)
      }
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

  /// Runs `body` with a frozen matrix as products of this tape take it: in place where it is stored so.
  func withOperand<Result>(_ weight: FrozenTensor, _ body: (Operand) -> Result) -> Result {
    switch precision {
    case .float32:
      return withFloats(weight) { body(Operand($0, stride: weight.columns)) }
    case .bfloat16:
      let rounded = weight.inBFloat16()
      return withExtendedLifetime(rounded) {
        body(Operand(UnsafeMutableRawPointer(mutating: rounded.bytes), .bfloat16, stride: weight.columns))
      }
    }
  }

  /// Trained numbers [rows, columns] times `scale`, as products of this tape take them. The buffer keeps them.
  func operand(
    _ offset: Int, rows: Int, columns: Int, scale: Float = 1
  ) -> (operand: Operand, owner: Buffer?) {
    let source = parameters.base + offset, count = rows * columns
    if precision == .float32, scale == 1 { return (Operand(source, stride: columns), nil) }
    let copy = workspace.allocate(count, precision)
    switch precision {
    case .float32:
      copy.base.update(from: source, count: count)
      scaleFloats(copy.base, scale, count)
    case .bfloat16: narrowFloats(copy.bf16, source, scale, count)
    }
    return (Operand(UnsafeMutableRawPointer(copy.base), precision, stride: columns), copy)
  }

  /// `base` + matrices of this tape's precision.
  func operand(_ buffer: Buffer, stride: Int) -> Operand {
    Operand(UnsafeMutableRawPointer(buffer.base), precision, stride: stride)
  }
}
