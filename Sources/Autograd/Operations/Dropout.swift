import CKernels
import Kernels

extension Tape {
  /// y = x ∘ m, where m is 0 with probability p, otherwise 1 / (1 − p). The backward pass makes the mask again. `site` is
  /// the number of this dropout in the model. Returns x itself if dropout is off.
  public func dropout(_ x: Tensor, probability: Float, site: Int) -> Tensor {
    guard probability > 0, dropoutSource != nil else { return x }
    let y = make(like: x)
    if workspace.computes { y.buffer.base.update(from: x.buffer.base, count: x.buffer.count) }
    applyDropout(y.buffer, y.shape, probability: probability, site: site)
    if x.needsGradient {
      let shape = x.shape
      record { [unowned self, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        applyDropout(dy, shape, probability: probability, site: site)
        input.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  /// Multiplies rows by their dropout multipliers and `scale`, in place.
  func applyDropout(_ buffer: Buffer, _ shape: TensorShape, probability: Float, site: Int, scale: Float = 1) {
    guard dropoutSource != nil && probability > 0 || scale != 1 else { return }
    let columns = shape.columns
    forEachRow(shape.layout, columns: columns, dropout: probability, site: site, scale: scale) { row, multipliers in
      switch shape.precision {
      case .float32: ck_multiply(buffer.base + row * columns, multipliers, columns)
      case .bfloat16: ck_bf16_multiply(buffer.bf16 + row * columns, multipliers, columns)
      }
    }
  }

  /// Calls `body` for every row with its dropout multipliers times `scale`, or nil if these are all one.
  func forEachRow(
    _ layout: PackedLayout, columns: Int, dropout: Float, site: Int, scale: Float = 1,
    _ body: (_ row: Int, _ multipliers: UnsafePointer<Float>?) -> Void
  ) {
    let source = dropout > 0 ? dropoutSource : nil
    let multipliers = source != nil || scale != 1 ? workspace.allocate(columns) : nil
    guard workspace.computes else { return }
    if source == nil { multipliers?.base.update(repeating: scale, count: columns) }
    for sequence in 0..<layout.sequences {
      for (position, row) in layout.range(sequence).enumerated() {
        if let source, let multipliers {
          source.row(site, layout.examples[sequence], position, dropout, multipliers.base, columns)
          if scale != 1 { ck_scale(multipliers.base, scale, columns) }
        }
        body(row, multipliers.map { UnsafePointer($0.base) })
      }
    }
  }
}

/// The random numbers of dropout in one optimiser step.
public struct DropoutSource: Sendable {
  /// The run's random numbers.
  public let philox: Philox
  /// The optimiser step, from 0.
  public let step: Int

  /// The random numbers of step `step`.
  public init(philox: Philox, step: Int) {
    self.philox = philox
    self.step = step
  }

  func row(
    _ site: Int, _ example: Int, _ row: Int, _ probability: Float, _ multipliers: UnsafeMutablePointer<Float>,
    _ count: Int, part: Range<Int>? = nil
  ) {
    philox.dropout(
      site: site, step: step, example: example, row: row, probability: probability, into: multipliers, count: count,
      part: part)
  }
}
