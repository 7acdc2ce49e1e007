import Adapters
import Cluster
import Diagnostics

extension Cluster {
  /// The ranks of a run meet before the first step and after every one: they compare what they trained and what they
  /// decided, and stop together.
  ///
  /// Says whether any rank is to stop. Throws on all of them where one has other values than rank 0, or another opinion
  /// of its evaluations. A window of the values is compared, which moves on with the steps; with `comparesAll` all.
  func meet(_ state: TrainableState, _ loop: LoopState, stops: Bool, comparesAll: Bool) throws -> Bool {
    if isAlone { return stops }
    let window = 16 << 10, count = state.values.count, windows = max(1, (count + window - 1) / window)
    let start = comparesAll ? 0 : state.step % windows * window
    let range = start..<(comparesAll ? count : min(start + window, count))
    var record = ByteWriter()
    record.write(stops)
    for number in [state.step, state.skippedSteps, loop.evaluationsWithoutGain, loop.best?.state.step ?? -1] {
      record.write(number)
    }
    record.write(loop.stoppedEarly)
    record.write(state.values.hash(range))
    let ranks = gather(fixed: record.bytes).map { (stops: $0[0] != 0, rest: $0.dropFirst()) }
    if let other = ranks.firstIndex(where: { $0.rest != ranks[0].rest }) {
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
    let found = "\(member) has other adapter values or scores than rank 0, found "
    return found + (step == 0 ? "before the first step" : "after step \(step); --resume goes on from a checkpoint")
  }
  var exitStatus: ExitStatus { .internalError }
}
