import CKernels
import Foundation
import Kernels

/// Cosines and sines of a shard's rotary embedding: D/2 angles for every row.
public struct RotaryAngles {
  let cosines: Buffer
  let sines: Buffer
  /// Half of a head.
  let half: Int
}

extension Tape {
  /// The angles position · frequency of rows at `positions`, in float32 as transformers computes them.
  ///
  /// - Parameter amplitude: a factor on cosines and sines, 1 for the plain embedding.
  public func rotaryAngles(positions: [Int32], frequencies: [Float], amplitude: Float = 1) -> RotaryAngles {
    let half = frequencies.count
    let angles = RotaryAngles(
      cosines: workspace.allocate(positions.count * half), sines: workspace.allocate(positions.count * half),
      half: half)
    for (row, position) in positions.enumerated() {
      for (index, frequency) in frequencies.enumerated() {
        let angle = Float(position) * frequency
        angles.cosines.base[row * half + index] = amplitude * cos(angle)
        angles.sines.base[row * half + index] = amplitude * sin(angle)
      }
    }
    return angles
  }

  /// Turns every head of x [N, H·D] by its row's angles (Su et al., arXiv 2104.09864), in the half-split layout of
  /// transformers: number i of a head's first half pairs with number i of its second.
  ///
  /// Happens in x's memory: x may not be used afterwards.
  public func rotary(_ x: Tensor, _ angles: RotaryAngles) -> Tensor {
    precondition(x.columns % (2 * angles.half) == 0 && angles.cosines.count == x.rows * angles.half)
    let y = Tensor(layout: x.layout, columns: x.columns, buffer: x.buffer, needsGradient: x.needsGradient)
    angles.turn(y.base, rows: y.rows, columns: y.columns, direction: 1)
    if x.needsGradient {
      let rows = x.rows, columns = x.columns
      record { [unowned self, input = x.slot, output = y.slot] in
        guard let dy = output.take() else { return }
        angles.turn(dy.base, rows: rows, columns: columns, direction: -1)
        input.add(moving: dy, in: workspace)
      }
    }
    return y
  }
}

extension RotaryAngles {
  fileprivate func turn(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, direction: Float) {
    for row in 0..<rows {
      ck_rotate(
        base + row * columns, cosines.base + row * half, sines.base + row * half, direction, columns / (2 * half), half)
    }
  }
}
