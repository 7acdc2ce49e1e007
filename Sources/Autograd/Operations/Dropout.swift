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
    guard let dropoutSource, probability > 0 else { return }
    let layout = shape.layout, columns = shape.columns
    let multipliers = workspace.allocate(columns)
    guard workspace.computes else { return }
    for sequence in 0..<layout.sequences {
      for (position, row) in layout.range(sequence).enumerated() {
        dropoutSource.row(site, layout.examples[sequence], position, probability, multipliers.base, columns)
        switch shape.precision {
        case .float32: ck_multiply(buffer.base + row * columns, multipliers.base, columns)
        case .bfloat16: ck_bf16_multiply(buffer.bf16 + row * columns, multipliers.base, columns)
        }
      }
    }
  }
}

extension DropoutSource {
  func row(
    _ site: Int, _ example: Int, _ row: Int, _ probability: Float, _ multipliers: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    let name = Philox.Row(site: site, step: step, example: example, row: row)
    philox.dropout(name, probability: probability, into: multipliers, count: count)
  }
}
