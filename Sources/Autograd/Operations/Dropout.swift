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

  /// Multiplies rows by their dropout multipliers, in place.
  func applyDropout(_ buffer: Buffer, _ shape: TensorShape, probability: Float, site: Int) {
    guard dropoutSource != nil, probability > 0 else { return }
    let columns = shape.columns
    forEachRow(shape.layout, columns: columns, dropout: probability, site: site) { row, multipliers in
      switch shape.precision {
      case .float32: ck_multiply(buffer.base + row * columns, multipliers, columns)
      case .bfloat16: ck_bf16_multiply(buffer.bf16 + row * columns, multipliers, columns)
      }
    }
  }

  /// Calls `body` for every row with its dropout multipliers, or nil if dropout is off.
  func forEachRow(
    _ layout: PackedLayout, columns: Int, dropout: Float, site: Int,
    _ body: (_ row: Int, _ multipliers: UnsafePointer<Float>?) -> Void
  ) {
    let source = dropout > 0 ? dropoutSource : nil
    let multipliers = source.map { _ in workspace.allocate(columns) }
    guard workspace.computes else { return }
    for sequence in 0..<layout.sequences {
      for (position, row) in layout.range(sequence).enumerated() {
        if let source, let multipliers {
          source.row(site, layout.examples[sequence], position, dropout, multipliers.base, columns)
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
    _ count: Int
  ) {
    philox.dropout(
      site: site, step: step, example: example, row: row, probability: probability, into: multipliers, count: count)
  }
}
