import Kernels

extension Tape {
  /// y = x ∘ m with m = 0 with probability p, else 1 / (1 − p). The mask is made again, not kept, for the backward
  /// pass. `site` numbers the place in the model. Without dropout this is x itself.
  public func dropout(_ x: Tensor, probability: Float, site: Int) -> Tensor {
    guard probability > 0, dropoutSource != nil else { return x }
    let y = make(x.layout, columns: x.columns, needsGradient: x.needsGradient)
    y.base.update(from: x.base, count: x.count)
    applyDropout(y.base, layout: y.layout, columns: y.columns, probability: probability, site: site)
    if x.needsGradient {
      let layout = x.layout, columns = x.columns
      record { [unowned self, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        applyDropout(dy.base, layout: layout, columns: columns, probability: probability, site: site)
        input.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  /// Multiplies rows by their dropout multipliers, in place.
  func applyDropout(
    _ base: UnsafeMutablePointer<Float>, layout: PackedLayout, columns: Int, probability: Float, site: Int
  ) {
    guard let dropoutSource, probability > 0 else { return }
    let multipliers = workspace.allocate(columns)
    for sequence in 0..<layout.sequences {
      for (position, row) in layout.range(sequence).enumerated() {
        dropoutSource.row(site, layout.examples[sequence], position, probability, multipliers.base, columns)
        multiplyFloats(base + row * columns, multipliers.base, columns)
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
