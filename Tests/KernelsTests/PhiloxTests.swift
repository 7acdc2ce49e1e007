import CKernels
import Foundation
import Kernels
import Testing

@Suite struct PhiloxTests {
  /// Known answers of Random123's `kat_vectors` for philox4x32 with ten rounds.
  @Test(
    arguments: [
      ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
      (
        [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ] as [([UInt32], [UInt32], [UInt32])])
  func givesThePublishedWords(counter: [UInt32], key: [UInt32], answer: [UInt32]) {
    var words = [UInt32](repeating: 0, count: 4)
    ck_philox(&words, 1, counter[0], counter[1], counter[2], counter[3], UInt64(key[1]) << 32 | UInt64(key[0]))
    #expect(words == answer)
  }

  @Test func laterBlocksAreThoseOfLaterCounters() {
    var together = [UInt32](repeating: 0, count: 4 * 37)
    ck_philox(&together, 37, 1000, 7, 8, 9, 42)
    for block in 0..<37 {
      var alone = [UInt32](repeating: 0, count: 4)
      ck_philox(&alone, 1, 1000 + UInt32(block), 7, 8, 9, 42)
      #expect(Array(together[4 * block..<4 * block + 4]) == alone)
    }
  }

  /// The numbers of blocks begin again after 2³² − 1.
  @Test func blocksAreCountedIn32Bits() {
    var together = [UInt32](repeating: 0, count: 4 * 37)
    ck_philox(&together, 37, .max - 10, 7, 8, 9, 42)
    for block in 0..<37 {
      var alone = [UInt32](repeating: 0, count: 4)
      ck_philox(&alone, 1, (.max - 10) &+ UInt32(block), 7, 8, 9, 42)
      #expect(Array(together[4 * block..<4 * block + 4]) == alone)
    }
  }

  /// Number n of a group is half (n / 16) % 2 of word n / 32 of block n % 16.
  @Test(arguments: [1, 77, 128, 300]) func multipliersComeFromHalvesOfWords(count: Int) {
    let threshold: UInt32 = 20_000, first: UInt32 = 5, groups = (count + 127) / 128
    var words = [UInt32](repeating: 0, count: 64 * groups), multipliers = [Float](repeating: -1, count: count + 1)
    ck_philox(&words, 16 * groups, first, 7, 8, 9, 42)
    ck_dropout_multipliers(&multipliers, count, threshold, 1.5, first, 7, 8, 9, 42)
    for n in 0..<count {
      let group = n / 128, place = n % 128
      let word = words[64 * group + 4 * (place % 16) + place / 32]
      let half = place / 16 % 2 == 0 ? word & 0xFFFF : word >> 16
      #expect(multipliers[n] == (half < threshold ? 0 : 1.5))
    }
    #expect(multipliers[count] == -1)
  }

  @Test(arguments: [0, 1, 2, 3, 5, 64, 67]) func aShorterRequestIsAPrefix(count: Int) {
    let philox = Philox(seed: 11)
    let words = philox.words(count, purpose: .initialization, stream: 1 << 40 | 3)
    #expect(words.count == count)
    #expect(words == Array(philox.words(100, purpose: .initialization, stream: 1 << 40 | 3).prefix(count)))
  }

  @Test func everyPartOfTheNameMatters() {
    let names: [(UInt64, RandomPurpose, UInt64)] = [
      (1, .initialization, 0), (1 << 32, .initialization, 0), (0, .initialization, 0), (0, .shuffle, 0),
      (0, .initialization, 1), (0, .initialization, 1 << 32), (0, .dropout(site: 0), 0), (0, .dropout(site: 1), 0),
    ]
    let all = names.map { Philox(seed: $0.0).words(8, purpose: $0.1, stream: $0.2) }
    #expect(Set(all).count == names.count)
  }

  @Test func uniformNumbersFillTheirRange() {
    let count = 200_000, bound: Float = 0.25
    let numbers = Philox(seed: 5).uniform(count, bound: bound, stream: 3).map(Double.init)
    #expect(numbers.allSatisfy { abs($0) < 0.25 })
    #expect((numbers.max() ?? 0) > 0.2499)
    #expect((numbers.min() ?? 0) < -0.2499)
    // Five standard errors of the mean and of the variance, which is bound² / 3.
    let deviation = 0.25 / 3.0.squareRoot()
    #expect(abs(mean(numbers)) < 5 * deviation / Double(count).squareRoot())
    #expect(
      abs(moment(numbers, 2) - deviation * deviation) < 5 * deviation * deviation * (0.8 / Double(count)).squareRoot())
    // Every tenth of the range gets its share.
    var bins = [Int](repeating: 0, count: 10)
    for number in numbers { bins[Int((number + 0.25) * 20)] += 1 }
    #expect(bins.allSatisfy { abs(Double($0) - 20_000) < 5 * 18_000.0.squareRoot() })
  }

  @Test func normalNumbersHaveTheirMoments() {
    let count = 200_001, deviation = 0.02
    let floats = Philox(seed: 6).normal(count, deviation: deviation, stream: 4)
    #expect(floats.count == count)
    let numbers = floats.map { Double($0) / deviation }
    let error = 1 / Double(count).squareRoot()
    #expect(abs(mean(numbers)) < 5 * error)
    #expect(abs(moment(numbers, 2) - 1) < 5 * 2.0.squareRoot() * error)
    #expect(abs(moment(numbers, 3)) < 5 * 15.0.squareRoot() * error)
    #expect(abs(moment(numbers, 4) - 3) < 5 * 96.0.squareRoot() * error)
    // 0.27 % lie beyond three deviations.
    let beyond = Double(numbers.count { abs($0) > 3 })
    #expect(abs(beyond - 540) < 5 * 540.0.squareRoot())
    // Neighbours, which come from one pair of words, are not correlated.
    let products = stride(from: 0, to: count - 1, by: 2).map { numbers[$0] * numbers[$0 + 1] }
    #expect(abs(mean(products)) < 5 * 2.0.squareRoot() * error)
  }

  @Test(arguments: [0, 1, 2, 3, 1000]) func permutationsHoldEveryPlaceOnce(count: Int) {
    #expect(Philox(seed: 1).permutation(count, epoch: 0).sorted() == Array(0..<count))
  }

  @Test func permutationsDependOnSeedAndEpochAlone() {
    let philox = Philox(seed: 1)
    #expect(philox.permutation(100, epoch: 2) == Philox(seed: 1).permutation(100, epoch: 2))
    #expect(philox.permutation(100, epoch: 2) != philox.permutation(100, epoch: 3))
    #expect(philox.permutation(100, epoch: 2) != Philox(seed: 2).permutation(100, epoch: 2))
  }

  @Test func permutationsOfThreeAreEquallyLikely() {
    var counts: [[Int]: Int] = [:]
    for seed in 0..<6000 { counts[Philox(seed: UInt64(seed)).permutation(3, epoch: 1), default: 0] += 1 }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 150 })
  }
}

private func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(numbers.count) }
private func moment(_ numbers: [Double], _ order: Int) -> Double {
  numbers.reduce(0) { $0 + pow($1, Double(order)) } / Double(numbers.count)
}
