import Testing

@testable import Tokenizers

@Suite struct MergeTableTests {
  /// The same rule, without any cleverness: the lowest rank first, among equal ones the leftmost.
  private func merged(_ word: [Int32], _ merges: [[Int32]: (rank: Int32, result: Int32)]) -> [Int32] {
    var word = word
    while true {
      let found = word.indices.dropLast().compactMap { index in
        merges[[word[index], word[index + 1]]].map { ($0, index) }
      }
      guard let (merge, index) = found.min(by: { ($0.0.rank, $0.1) < ($1.0.rank, $1.1) }) else { return word }
      word.replaceSubrange(index...(index + 1), with: [merge.result])
    }
  }

  @Test(arguments: [2, 24, 25, 60, 300]) func mergesWordsOfAnyLengthAlike(length: Int) {
    var random = Congruential(seed: UInt64(length))
    for _ in 0..<50 {
      var table = MergeTable(capacity: 4), merges: [[Int32]: (rank: Int32, result: Int32)] = [:]
      for result in Int32(3)..<40 {
        // Ranks repeat, as SentencePiece's scores do.
        let pair = [Int32.random(in: 0..<result, using: &random), Int32.random(in: 0..<result, using: &random)]
        let rank = Int32.random(in: 0..<8, using: &random)
        table.add(left: pair[0], right: pair[1], rank: rank, result: result)
        merges[pair] = (rank, result)
      }
      let word = (0..<length).map { _ in Int32.random(in: 0..<3, using: &random) }
      #expect(table.apply(to: word) == merged(word, merges))
    }
  }
}

/// A small generator that gives the same numbers everywhere.
private struct Congruential: RandomNumberGenerator {
  var seed: UInt64

  mutating func next() -> UInt64 {
    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return seed ^ seed >> 29
  }
}
