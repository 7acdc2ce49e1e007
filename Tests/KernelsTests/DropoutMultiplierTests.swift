import Kernels
import Testing

@Suite struct DropoutMultiplierTests {
  @Test(arguments: [0.1, 0.5, 0.9, 1 / 3] as [Float])
  func zerosAreAsManyAsAskedAndTheRestMakesUpForThem(probability: Float) {
    let count = 768
    var all: [Float] = []
    for row in 0..<400 { all += multipliers(row: row, count: count, probability: probability) }
    let threshold = (probability * 65536).rounded(), kept = 65536 / (65536 - threshold)
    #expect(Set(all) == [0, kept])
    // What is kept is scaled by exactly the inverse of its probability.
    #expect(
      Double(kept) * Double(65536 - threshold) == 65536
        || abs(Double(kept) * Double(65536 - threshold) / 65536 - 1) < 6e-8)
    let rate = Double(all.count { $0 == 0 }) / Double(all.count), p = Double(threshold) / 65536
    #expect(abs(rate - p) < 5 * (p * (1 - p) / Double(all.count)).squareRoot())
    // Neither a column nor a row is favoured.
    for column in 0..<count {
      let dropped = Double(stride(from: column, to: all.count, by: count).count { all[$0] == 0 })
      #expect(abs(dropped / 400 - p) < 6 * (p * (1 - p) / 400).squareRoot())
    }
  }

  @Test(arguments: [1, 15, 16, 127, 128, 129, 300]) func writesNoMoreThanAskedFor(count: Int) {
    var memory = [Float](repeating: -7, count: count + 20)
    Philox(seed: 3).dropout(
      site: 1, step: 2, example: 3, row: 4, probability: 0.5, into: &memory, count: count)
    #expect(memory.prefix(count).allSatisfy { $0 == 0 || $0 == 2 })
    #expect(memory.suffix(20).allSatisfy { $0 == -7 })
  }

  @Test func everyPartOfTheNameMatters() {
    let names: [(seed: UInt64, site: Int, step: Int, example: Int, row: Int)] = [
      (9, 1, 2, 3, 4), (10, 1, 2, 3, 4), (9, 2, 2, 3, 4), (9, 1, 3, 3, 4), (9, 1, 2, 4, 4), (9, 1, 2, 3, 5),
    ]
    let masks = names.map { name in
      var mask = [Float](repeating: 0, count: 200)
      Philox(seed: name.seed).dropout(
        site: name.site, step: name.step, example: name.example, row: name.row, probability: 0.5, into: &mask,
        count: 200)
      return mask
    }
    #expect(Set(masks).count == names.count)
    // Not merely different: about half of the places agree, as for independent masks.
    for mask in masks.dropFirst() {
      let agreeing = zip(mask, masks[0]).count { $0 == $1 }
      #expect(abs(agreeing - 100) < 40)
    }
  }

  @Test(arguments: [5, 128, 129, 768]) func rowsOfAnExampleNeverRepeat(count: Int) {
    let rows = (0..<64).map { multipliers(row: $0, count: count, probability: 0.5) }
    // Windows of 32 numbers at any offset would show an overlap of the counters.
    let width = min(32, count)
    var seen = Set<[Float]>()
    if width == 32 {
      for row in rows {
        for start in 0...(count - width) { #expect(seen.insert(Array(row[start..<start + width])).inserted) }
      }
    }
    #expect(Set(rows).count > (count == 5 ? 20 : 63))
  }

  @Test func probabilityZeroKeepsEverythingAsItIs() {
    #expect(multipliers(row: 0, count: 130, probability: 0).allSatisfy { $0 == 1 })
  }

  private func multipliers(row: Int, count: Int, probability: Float) -> [Float] {
    var mask = [Float](repeating: 0, count: count)
    Philox(seed: 1).dropout(
      site: 5, step: 6, example: 7, row: row, probability: probability, into: &mask, count: count)
    return mask
  }

  @Test func aPartOfARowHasItsNumbers() {
    let philox = Philox(seed: 5), count = 1000
    func row(_ part: Range<Int>?) -> [Float] {
      var multipliers = [Float](repeating: -1, count: part?.count ?? count)
      philox.dropout(
        site: 3, step: 2, example: 1, row: 7, probability: 0.3, into: &multipliers, count: count, part: part)
      return multipliers
    }
    let whole = row(nil)
    for part in [0..<1000, 0..<3, 128..<300, 384..<1000, 896..<901] { #expect(row(part) == Array(whole[part])) }
  }
}
