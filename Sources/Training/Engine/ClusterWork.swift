import Cluster
import Tasks

extension Cluster {
  /// What `work` gives for the elements of a portion, which the ranks divide among them: each takes a span, on all of
  /// them the result is the same.
  func divide<Element>(_ portion: ArraySlice<Element>, _ work: (ArraySlice<Element>) -> [Generation]) -> [Generation] {
    if isAlone { return work(portion) }
    func border(_ rank: Int) -> Int { portion.startIndex + portion.count * rank / size }
    var writer = ByteWriter()
    for generation in work(portion[border(rank)..<border(rank + 1)]) {
      writer.write(generation.tokens)
      writer.write(generation.end.rawValue)
      writer.write([Int32(generation.shown)])
      writer.write(generation.rest)
    }
    return gather(writer.bytes).flatMap { bytes in
      var reader = ByteReader(bytes), generations: [Generation] = []
      while !reader.isAtEnd {
        let tokens = reader.readAll(Int32.self)
        guard let end = Generation.End(rawValue: reader.readText()) else { preconditionFailure("another program's") }
        let shown = reader.readAll(Int32.self)[0]
        generations.append(Generation(tokens: tokens, end: end, shown: Int(shown), rest: reader.readText()))
      }
      return generations
    }
  }

  /// The most threads that a rank has.
  func most(_ threads: Int) -> Int {
    gather(fixed: withUnsafeBytes(of: threads) { Array($0) }).map { bytes in
      var reader = ByteReader(bytes)
      return reader.read(Int.self)
    }.max() ?? threads
  }
}
