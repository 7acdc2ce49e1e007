import Cluster
import Tasks

extension Cluster {
  /// The results of every rank's shards, in the order of the ranks.
  func gather(_ shards: [[UnitResult]]) -> [[UnitResult]] {
    if isAlone { return shards }
    var writer = ByteWriter()
    for units in shards {
      writer.write(units.count)
      for unit in units {
        writer.write(unit.loss == nil ? [] : [unit.loss ?? 0])
        writer.write(unit.scores)
      }
    }
    return gather(writer.bytes).flatMap { bytes in
      var reader = ByteReader(bytes), shards: [[UnitResult]] = []
      while !reader.isAtEnd {
        shards.append(
          (0..<reader.read(Int.self)).map { _ in
            UnitResult(loss: reader.readAll(Double.self).first, scores: reader.readAll())
          })
      }
      return shards
    }
  }

  /// The results of every rank's batches, by rank; nil if any rank was told to stop, and so has none.
  func gather(_ batches: [BatchResult]?) -> [[BatchResult]]? {
    if isAlone { return batches.map { [$0] } }
    var writer = ByteWriter()
    writer.write(batches == nil)
    for batch in batches ?? [] {
      writer.write(batch.losses)
      writer.write(batch.counts)
      writer.write(batch.logits.count)
      for row in batch.logits { writer.write(row) }
    }
    var ranks: [[BatchResult]] = [], isStopped = false
    for bytes in gather(writer.bytes) {
      var reader = ByteReader(bytes), batches: [BatchResult] = []
      isStopped = reader.read(Bool.self) || isStopped
      while !reader.isAtEnd {
        let losses = reader.readAll(Double.self), counts = reader.readAll(Int.self)
        batches.append(
          BatchResult(
            losses: losses, counts: counts, logits: (0..<reader.read(Int.self)).map { _ in reader.readAll() }))
      }
      ranks.append(batches)
    }
    return isStopped ? nil : ranks
  }
}
