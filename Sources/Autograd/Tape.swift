import CKernels
import Kernels

/// The place of a trainable tensor in the flat storages of values, gradients and moments.
public struct ParameterReference: Sendable, Equatable {
  /// The first element.
  public let offset: Int
  /// The length of the first dimension.
  public let rows: Int
  /// The length of the second dimension; 1 for vectors.
  public let columns: Int

  /// A reference to `rows` × `columns` numbers at `offset`.
  public init(offset: Int, rows: Int, columns: Int) {
    self.offset = offset
    self.rows = rows
    self.columns = columns
  }

  /// The count of numbers.
  public var count: Int { rows * columns }
  /// The range of elements.
  public var range: Range<Int> { offset..<(offset + count) }
}

/// Records the operations of a forward pass and runs their derivatives in reverse order.
///
/// The operations are extensions in `Operations/`, each with its derivative beside it. A tape is for one shard on one
/// thread. Memory that no derivative needs is free again as soon as the forward code drops it.
public final class Tape {
  /// Memory for activations and their gradients.
  public let workspace: Workspace
  /// Values of all trainable tensors.
  public let parameters: FloatStorage
  /// Their gradients, to be added to; nil for a forward pass alone.
  public let gradients: FloatStorage?
  /// Nil switches dropout off, as in evaluation.
  public let dropoutSource: DropoutSource?
  /// The precision of products and of the outputs of linear maps.
  public let precision: Precision
  /// Set before the forward pass to find the origin of a number that is not finite.
  public var trace: NumberTrace?
  /// Set before a forward pass to learn how large the inputs of linear maps are.
  public var inputRanges: InputRanges?
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

  /// Runs the recorded derivatives, last operation first. Each is released with its memory once it has run.
  public func backward() {
    while let step = steps.popLast() {
      step.run()
      trace?.derivativeIsDone(step.operation, gradients: gradients)
    }
  }

  /// Records the derivative of an operation. It must not retain the tape.
  func record(operation: StaticString = #function, _ step: @escaping () -> Void) {
    if isRecording { steps.append((operation, step)) }
  }

  /// A tensor with undefined contents, by default float32.
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

  /// `tensor`, added to the trace.
  func noted(_ tensor: Tensor, _ operation: StaticString = #function) -> Tensor {
    trace?.note(operation, tensor)
    return tensor
  }

  /// A tensor with the given values, for tests and for a model's inputs.
  public func constant(
    _ values: [Float], layout: PackedLayout, columns: Int, needsGradient: Bool = false, precision: Precision = .float32
  ) -> Tensor {
    precondition(values.count == layout.rows * columns)
    let tensor = make(layout, columns: columns, needsGradient: needsGradient, precision: precision)
    tensor.buffer.store(values, at: 0, values.count, precision)
    return tensor
  }

  /// Runs `body` with the numbers of `tensor` as float32, in place if possible, otherwise widened into scratch memory.
  func withFloats<Result>(_ tensor: FrozenTensor, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
    if tensor.isStored(in: .float32) {
      // The kernels take mutable pointers for inputs too, but never write to a weight.
      let floats = UnsafeMutableRawPointer(mutating: tensor.bytes).assumingMemoryBound(to: Float.self)
      return withExtendedLifetime(tensor) { body(floats) }
    }
    let scratch = workspace.allocate(tensor.count)
    if workspace.computes { tensor.widen(range: 0..<tensor.count, into: scratch.base) }
    return body(scratch.base)
  }

  /// Like `withFloats`; passes nil on.
  func withOptionalFloats(_ tensor: FrozenTensor?, _ body: (UnsafeMutablePointer<Float>?) -> Void) {
    if let tensor { withFloats(tensor) { body($0) } } else { body(nil) }
  }

  /// Runs `body` with a frozen matrix in the precision of this tape, in place if it is stored so.
  func withOperand<Result>(_ weight: FrozenTensor, _ body: (Operand) -> Result) -> Result {
    switch precision {
    case .float32:
      return withFloats(weight) { body(Operand($0, stride: weight.columns)) }
    case .bfloat16:
      let rounded = workspace.computes ? weight.inBFloat16() : weight
      return withExtendedLifetime(rounded) {
        body(Operand(UnsafeMutableRawPointer(mutating: rounded.bytes), .bfloat16, stride: weight.columns))
      }
    }
  }

  /// Trained numbers [rows, columns] times `scale`, in the precision of this tape. `owner` keeps their memory.
  func operand(
    _ offset: Int, rows: Int, columns: Int, scale: Float = 1
  ) -> (operand: Operand, owner: Buffer?) {
    let source = parameters.base + offset, count = rows * columns
    if precision == .float32, scale == 1 { return (Operand(source, stride: columns), nil) }
    let copy = workspace.allocate(count, precision)
    switch precision {
    case .float32:
      copy.base.update(from: source, count: count)
      ck_scale(copy.base, scale, count)
    case .bfloat16: ck_narrow_scaled(copy.bf16, source, scale, count)
    }
    return (Operand(UnsafeMutableRawPointer(copy.base), precision, stride: columns), copy)
  }

  /// A matrix in the precision of this tape.
  func operand(_ buffer: Buffer, stride: Int) -> Operand {
    Operand(UnsafeMutableRawPointer(buffer.base), precision, stride: stride)
  }
}

extension Tape {
  /// Runs `body` without keeping its activations, which the backward pass computes again (gradient checkpointing; Chen
  /// et al., arXiv 1604.06174). Dropout masks are the same, since random numbers are a function of their place.
  ///
  /// `body` must record on the tape it is given, not on this one, and must not write to its inputs, as `activation` and
  /// `residualLayerNorm` do. `trains` tells whether anything inside is trained.
  public func recomputing(
    _ inputs: [Tensor], trains: Bool, _ body: @escaping (Tape, [Tensor]) -> [Tensor]
  ) -> [Tensor] {
    guard isRecording else { return body(self, inputs) }
    let needsGradient = trains || inputs.contains(where: \.needsGradient)
    let outputs = body(copy(gradients: nil), inputs).map {
      Tensor($0.shape, buffer: $0.buffer, image: $0.image, needsGradient: needsGradient)
    }
    guard needsGradient else { return outputs }
    record { [unowned self, slots = outputs.map(\.slot)] in
      let inner = copy(gradients: gradients)
      let again = inputs.map {
        Tensor($0.shape, buffer: $0.buffer, image: $0.image, needsGradient: $0.needsGradient)
      }
      for (output, slot) in zip(body(inner, again), slots) {
        if let dy = slot.take() { output.slot.add(moving: dy, in: workspace) }
      }
      inner.backward()
      for (input, copy) in zip(inputs, again) {
        if let dx = copy.slot.take() { input.slot.add(moving: dx, in: workspace) }
      }
    }
    return outputs
  }

  private func copy(gradients: FloatStorage?) -> Tape {
    Tape(
      workspace: workspace, parameters: parameters, gradients: gradients, dropout: dropoutSource, precision: precision)
  }
}
