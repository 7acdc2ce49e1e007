import Autograd
import Kernels
import Testing

@Suite struct SelectionTests {
  @Test(arguments: [true, false]) func selectFirst(needsGradient: Bool) {
    let layout = PackedLayout([3, 1, 5])
    checkGradients(
      [Leaf(layout, columns: 4, stream: 1, needsGradient: needsGradient)],
      operation: { tape, x in
        let y = tape.selectFirst(x[0])
        #expect(y.layout.offsets == [0, 1, 2, 3])
        #expect(y.layout.examples == layout.examples)
        return [y]
      },
      reference: { x, _ in [Matrix(x[0].row(0) + x[0].row(3) + x[0].row(4), columns: 4)] })
  }

  @Test(arguments: testedPrecisions) func meanOfRows(precision: Precision) {
    checkGradients(
      [Leaf(PackedLayout([3, 1, 5]), columns: 4, stream: 1, precision: precision)], precision: precision,
      tolerance: precision.tolerance(),
      operation: { tape, x in [tape.meanOfRows(x[0])] },
      reference: { x, _ in
        let means = [0..<3, 3..<4, 4..<9].flatMap { rows in
          (0..<4).map { column in rows.reduce(0) { $0 + x[0][$1, column] } / Double(rows.count) }
        }
        return [Matrix(means, columns: 4)]
      })
  }

  @Test(arguments: testedPrecisions) func neighbours(precision: Precision) {
    let layout = PackedLayout([3, 1, 5])
    checkGradients(
      [Leaf(layout, columns: 2, stream: 1, precision: precision)], precision: precision,
      tolerance: precision.tolerance(),
      operation: { tape, x in [tape.neighbours(x[0], distance: 1)] },
      reference: { x, _ in
        let rows = (0..<3).flatMap { sequence in
          layout.range(sequence).flatMap { row in
            (row - 1...row + 1).flatMap { layout.range(sequence).contains($0) ? x[0].row($0) : [0, 0] }
          }
        }
        return [Matrix(rows, columns: 6)]
      })
  }

  @Test(arguments: [true, false]) func trainableLayerNorm(hasBias: Bool) {
    let gamma = ParameterReference(offset: 2, rows: 5, columns: 1)
    let beta = hasBias ? ParameterReference(offset: 7, rows: 5, columns: 1) : nil
    checkGradients(
      [Leaf(PackedLayout([1, 1, 1]), columns: 5, stream: 1)], parameters: normal(12, stream: 2),
      operation: { tape, x in [tape.trainableLayerNorm(x[0], weight: gamma, bias: beta, epsilon: 0.01)] },
      reference: { x, parameters in
        let rows = (0..<3).flatMap { row in
          let values = (0..<5).map { x[0][row, $0] }, mean = values.reduce(0, +) / 5
          let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 5
          return values.enumerated().map { column, value in
            (value - mean) / (variance + 0.01).squareRoot() * parameters[2 + column]
              + (hasBias ? parameters[7 + column] : 0)
          }
        }
        return [Matrix(rows, columns: 5)]
      })
  }

  @Test(arguments: ElementType.allCases.filter { !$0.isQuantised }) func embeddingAddsRows(type: ElementType) throws {
    let words = try stored(normal(15, stream: 1), shape: [5, 3], as: type)
    let positions = FrozenTensor(normal(12, stream: 2), shape: [4, 3])
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage)
    let wordIDs: [Int32] = [4, 0, 4], positionIDs: [Int32] = [0, 1, 0]
    let y = tape.embedding(PackedLayout([2, 1]), [(words, wordIDs), (positions, positionIDs), (words, positionIDs)])
    let word = Matrix(words), position = Matrix(positions)
    let expected = (0..<3).flatMap { token in
      (0..<3).map { c in
        word[Int(wordIDs[token]), c] + position[Int(positionIDs[token]), c] + word[Int(positionIDs[token]), c]
      }
    }
    expectClose(y.values, expected, tolerance: 2e-7)
    #expect(!y.needsGradient)
  }
}
