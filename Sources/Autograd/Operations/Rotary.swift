import CKernels
import Foundation
import Kernels

/// The cosines and sines of a shard's rotary embedding: D/2 angles per row, or fewer if only a part of a head turns.
public struct RotaryAngles {
  let cosines: Buffer
  let sines: Buffer
  /// The number of pairs that turn in a head.
  let half: Int
}

extension Tape {
  /// The angles position · frequency of rows at `positions`, in float32 like transformers.
  ///
  /// - Parameter amplitude: a factor on cosines and sines; 1 for the plain embedding.
  public func rotaryAngles(positions: [Int32], frequencies: [Float], amplitude: Float = 1) -> RotaryAngles {
    rotaryAngles([(positions, frequencies)], amplitude: amplitude)
  }

  /// The same for sequences end to end, each with its own frequencies, of which all have as many.
  public func rotaryAngles(
    _ sequences: [(positions: [Int32], frequencies: [Float])], amplitude: Float = 1
  ) -> RotaryAngles {
    let half = sequences.first?.frequencies.count ?? 0, rows = sequences.reduce(0) { $0 + $1.positions.count }
    let angles = RotaryAngles(
      cosines: workspace.allocate(rows * half), sines: workspace.allocate(rows * half), half: half)
    var row = 0
    for (positions, frequencies) in sequences {
      precondition(frequencies.count == half)
      for position in positions {
        for (index, frequency) in frequencies.enumerated() {
          let angle = Float(position) * frequency
          angles.cosines.base[row * half + index] = amplitude * cos(angle)
          angles.sines.base[row * half + index] = amplitude * sin(angle)
        }
        row += 1
      }
    }
    return angles
  }

  /// Rotates every head of x [N, H·D] by the angles of its row (Su et al., arXiv 2104.09864). As in transformers, number
  /// i of a head's first half pairs with number i of its second. If there are fewer angles than half of `headSize`, they
  /// turn the first numbers of each head, and the others stay.
  ///
  /// Overwrites x, which must not be used afterwards.
  public func rotary(_ x: Tensor, _ angles: RotaryAngles, headSize: Int? = nil) -> Tensor {
    let size = headSize ?? 2 * angles.half
    precondition(x.columns % size == 0 && 2 * angles.half <= size && angles.cosines.count == x.rows * angles.half)
    let y = noted(Tensor(x.shape, buffer: x.buffer, needsGradient: x.needsGradient))
    turn(y.buffer, y.shape, angles, size, direction: 1)
    if x.needsGradient {
      record { [unowned self, input = x.slot, output = y.slot] in
        guard let dy = output.take() else { return }
        turn(dy, output.shape, angles, size, direction: -1)
        input.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  private func turn(
    _ buffer: Buffer, _ shape: TensorShape, _ angles: RotaryAngles, _ size: Int, direction: Float
  ) {
    let columns = shape.columns, half = angles.half
    let scratch = workspace.allocate(columns)
    guard workspace.computes else { return }
    for row in 0..<shape.layout.rows {
      let cosines = angles.cosines.base + row * half, sines = angles.sines.base + row * half
      switch shape.precision {
      case .float32:
        ck_rotate(buffer.base + row * columns, cosines, sines, direction, columns / size, size, half)
      case .bfloat16:
        ck_widen_bfloat16(scratch.base, buffer.bf16 + row * columns, columns)
        ck_rotate(scratch.base, cosines, sines, direction, columns / size, size, half)
        ck_narrow_bfloat16(buffer.bf16 + row * columns, scratch.base, columns)
      }
    }
  }
}
