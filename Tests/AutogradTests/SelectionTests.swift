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

  @Test(arguments: ElementType.allCases) func embeddingAddsRows(type: ElementType) throws {
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
