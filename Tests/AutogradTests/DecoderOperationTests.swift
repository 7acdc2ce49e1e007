import Autograd
import Foundation
import Kernels
import Testing

/// Rotary embedding, gated activation, and the choice of last rows.
@Suite struct DecoderOperationTests {
  @Test(arguments: [1, 3], [1, 1.5] as [Float]) func rotary(heads: Int, amplitude: Float) {
    let layout = PackedLayout([3, 1, 4]), half = 3, size = 6
    let positions: [Int32] = [0, 1, 2, 0, 0, 1, 700, 3], frequencies: [Float] = [1, 0.1, 0.01]
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(layout, columns: heads * size, stream: 1, precision: precision)], precision: precision,
        tolerance: precision.tolerance(),
        operation: { tape, x in
          [tape.rotary(x[0], tape.rotaryAngles(positions: positions, frequencies: frequencies, amplitude: amplitude))]
        },
        reference: { x, _ in
          [
            Matrix(rows: layout.rows, columns: heads * size) { row, column in
              let place = column % size, angle = Double(Float(positions[row]) * frequencies[place % half])
              let other = place < half ? -x[0][row, column + half] : x[0][row, column - half]
              return Double(amplitude) * (x[0][row, column] * cos(angle) + other * sin(angle))
            }
          ]
        })
    }
  }

  /// Only the first six of a head's ten numbers turn (Phi 3).
  @Test func partialRotary() {
    let layout = PackedLayout([3, 1]), half = 3, size = 10, heads = 2
    let positions: [Int32] = [0, 1, 700, 3], frequencies: [Float] = [1, 0.1, 0.01]
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(layout, columns: heads * size, stream: 1, precision: precision)], precision: precision,
        tolerance: precision.tolerance(),
        operation: { tape, x in
          [tape.rotary(x[0], tape.rotaryAngles(positions: positions, frequencies: frequencies), headSize: size)]
        },
        reference: { x, _ in
          [
            Matrix(rows: layout.rows, columns: heads * size) { row, column in
              let place = column % size
              guard place < 2 * half else { return x[0][row, column] }
              let angle = Double(Float(positions[row]) * frequencies[place % half])
              let other = place < half ? -x[0][row, column + half] : x[0][row, column - half]
              return x[0][row, column] * cos(angle) + other * sin(angle)
            }
          ]
        })
    }
  }

  /// Phi 3's qkv_proj: three maps of different sizes in one stored matrix [out, in], each with its rows of one adapter.
  @Test(arguments: ElementType.allCases.filter { !$0.isQuantised }) func slicesOfAWeight(type: ElementType) throws {
    let layout = PackedLayout([4, 2]), inputs = 5, ranges = [0..<6, 6..<9, 9..<12]
    let weight = try stored(normal(12 * inputs, stream: 1), shape: [12, inputs], as: type)
    let bias = FrozenTensor(normal(12, stream: 2), shape: [12])
    let whole = LowRankAdapter(
      a: ParameterReference(offset: 0, rows: 2, columns: inputs),
      b: ParameterReference(offset: 10, rows: 12, columns: 2), scale: 1.5, dropout: 0, dropoutSite: 0)
    let maps = ranges.map {
      AdaptedLinear(FrozenLinear(weight: weight.rows($0), bias: bias.rows($0)), adapter: whole.outputs($0))
    }
    let fused = AdaptedLinear(FrozenLinear(weight: weight, bias: bias), adapter: whole)
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(layout, columns: inputs, stream: 4)], parameters: normal(34, stream: 5), precision: precision,
        tolerance: precision.tolerance(),
        operation: { tape, x in tape.linear(x[0], maps) },
        reference: { x, parameters in
          let update = x[0].timesTransposed(Matrix(parameters, whole.a)).timesTransposed(Matrix(parameters, whole.b))
          let y = (x[0].timesTransposed(Matrix(weight)) + 1.5 * update).plus(row: bias.floats().map(Double.init))
          return ranges.map { range in
            Matrix(rows: y.rows, columns: range.count) { y[$0, range.lowerBound + $1] }
          }
        })
    }
    let parameters = FloatStorage(zeros: 34)
    parameters[0..<34] = normal(34, stream: 5)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: parameters)
    let x = tape.constant(normal(6 * inputs, stream: 4), layout: layout, columns: inputs)
    let y = Matrix(tape.linearOfFew(x, [fused])[0].values.map(Double.init), columns: 12)
    for (range, part) in zip(ranges, tape.linearOfFew(x, maps)) {
      let expected = Matrix(rows: 6, columns: range.count) { y[$0, range.lowerBound + $1] }
      expectClose(part.values, expected.values, tolerance: 1e-6)
    }
  }

  @Test(arguments: [Activation.silu, .geluTanh], 0..<4) func gatedActivation(kind: Activation, wanted: Int) {
    let layout = PackedLayout([2, 3])
    func f(_ x: Double) -> Double {
      kind == .silu
        ? x / (1 + exp(-x)) : 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
    for precision in testedPrecisions {
      checkGradients(
        [
          Leaf(layout, columns: 19, stream: 1, deviation: 2, needsGradient: wanted & 1 != 0, precision: precision),
          Leaf(layout, columns: 19, stream: 2, needsGradient: wanted & 2 != 0, precision: precision),
        ], precision: precision, tolerance: precision.tolerance(),
        operation: { tape, x in [tape.gatedActivation(x[0], x[1], kind)] },
        reference: { x, _ in [x[0].map(f) * x[1]] })
    }
  }

  @Test(arguments: [true, false]) func selectLast(needsGradient: Bool) {
    let layout = PackedLayout([3, 1, 5])
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(layout, columns: 4, stream: 1, needsGradient: needsGradient, precision: precision)],
        tolerance: precision.tolerance(),
        operation: { tape, x in
          let y = tape.selectLast(x[0])
          #expect(y.layout.offsets == [0, 1, 2, 3])
          #expect(y.layout.examples == layout.examples)
          return [y]
        },
        reference: { x, _ in [Matrix(x[0].row(2) + x[0].row(3) + x[0].row(8), columns: 4)] })
    }
  }

  /// GPT-2's fused c_attn: three maps in one stored matrix, each with an adapter; then one adapter of all three.
  @Test(arguments: [true, false], ElementType.allCases.filter { !$0.isQuantised })
  func slicesOfATransposedWeight(isWhole: Bool, type: ElementType) throws {
    let layout = PackedLayout([4, 2]), inputs = 5, out = 3
    let weight = try stored(normal(inputs * 3 * out, stream: 1), shape: [inputs, 3 * out], as: type)
    let bias = normal(3 * out, stream: 2)
    let a = (0..<3).map { ParameterReference(offset: isWhole ? 0 : 10 * $0, rows: 2, columns: inputs) }
    let whole = LowRankAdapter(
      a: a[0], b: ParameterReference(offset: 30, rows: 3 * out, columns: 2), scale: 1.5, dropout: 0, dropoutSite: 0)
    let maps = (0..<3).map { part in
      let range = (part * out)..<((part + 1) * out)
      let own = LowRankAdapter(
        a: a[part], b: ParameterReference(offset: 30 + 2 * out * part, rows: out, columns: 2), scale: 1.5, dropout: 0,
        dropoutSite: 0)
      return AdaptedLinear(
        FrozenLinear(
          weight: weight, bias: FrozenTensor(Array(bias[range]), shape: [out]), layout: .columns(range)),
        adapter: isWhole ? whole.outputs(range) : own)
    }
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(layout, columns: inputs, stream: 4)], parameters: normal(48, stream: 5), precision: precision,
        tolerance: precision.tolerance(),
        operation: { tape, x in tape.linear(x[0], maps) },
        reference: { x, parameters in
          let stored = Matrix(weight)
          return (0..<3).map { part in
            let w = Matrix(rows: out, columns: inputs) { stored[$1, part * out + $0] }
            let b = Matrix(Array(parameters[(30 + 2 * out * part)..<(30 + 2 * out * (part + 1))]), columns: 2)
            let update = x[0].timesTransposed(Matrix(parameters, a[part])).timesTransposed(b)
            return (x[0].timesTransposed(w) + 1.5 * update)
              .plus(row: bias[(part * out)..<((part + 1) * out)].map(Double.init))
          }
        })
    }
  }
}
