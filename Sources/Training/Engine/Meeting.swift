import Adapters
import Cluster
import Diagnostics

extension Cluster {
  /// The ranks of a run meet after every step: they compare what they trained, and stop together.
  ///
  /// Says whether any rank is to stop. Throws on all of them where one has other values than rank 0. A window of the
  /// values is compared, which moves on with the steps; all of them where a checkpoint is due.
  func meet(_ state: TrainableState, stops: Bool, isCheckpointDue: Bool) throws -> Bool {
    if isAlone { return stops }
    let window = 16 << 10, count = state.values.count, windows = max(1, (count + window - 1) / window)
    let start = isCheckpointDue ? 0 : state.step % windows * window
    let range = start..<(isCheckpointDue ? count : min(start + window, count))
    var record = ByteWriter()
    record.write(stops)
    record.write(state.values.hash(range))
    let ranks = gather(fixed: record.bytes).map { bytes -> (stops: Bool, hash: UInt64) in
      var reader = ByteReader(bytes)
      return (reader.read(), reader.read())
    }
    if let other = ranks.firstIndex(where: { $0.hash != ranks[0].hash }) {
      throw RanksDiverged(member: members[other].name, step: state.step)
    }
    return ranks.contains { $0.stops }
  }
}

/// A rank has other numbers than the first, which only a fault of the machine or of the program explains.
struct RanksDiverged: CommonError, Equatable {
  let member: String
  let step: Int

  var description: String {
    "\(member) has other adapter values since step \(step); --resume goes on from a checkpoint"
  }
  var exitStatus: ExitStatus { .internalError }
}
