import Configuration
import Diagnostics
import Training

/// Picks the runs of a worker: the next one that is neither complete nor being trained by another process.
///
/// A claim is the lock of a run's directory, which the run's own process takes; a dead process holds none. Between the
/// look and the lock another worker may be faster: then the process ends, and the worker takes another run.
struct SweepWorker {
  private let sweep: SweepConfig
  /// The order in which this worker looks. Workers that start together begin at different runs.
  private let order: [Int]
  /// Runs that this worker does not look at again.
  private var closed: Set<Int> = []
  /// Runs that are complete, as far as this worker has looked: at the end, at all of them.
  private(set) var complete = 0
  /// The runs that other processes were training at the last look, with their holders.
  private(set) var others: [(member: SweepConfig.Member, holder: String)] = []
  /// Runs that could not be looked at.
  private(set) var failures: [SweepRunner.Ending] = []
  /// Runs that others took since this worker last trained one: not tried again at once.
  private var lost: Set<String> = []

  /// A worker that begins at the run `first`.
  init(_ sweep: SweepConfig, first: Int) {
    self.sweep = sweep
    order = sweep.members.indices.map { (first + $0) % sweep.members.count }
  }

  /// The next run; nil if none is left.
  mutating func next() throws -> SweepConfig.Member? {
    others = []
    let records = try SweepRecords(sweep, readsOwn: true)
    for index in order where !closed.contains(index) {
      let member = sweep.members[index]
      let holder = OutputDirectory(member.config.outputDir).holder
      if holder != nil || lost.contains(member.label) {
        others.append((member, holder ?? "another process"))
        continue
      }
      do {
        guard try records.completed(member) != nil else { return member }
        complete += 1
      } catch let error as any UserFacingError {
        let message = "swift-peft: error: \(error.description)"
        failures.append(
          SweepRunner.Ending(member: member, status: error.exitStatus.rawValue, message: message, seconds: 0))
      }
      closed.insert(index)
    }
    return nil
  }

  /// Notes how a run of this worker ended. A failed run is not tried again: another worker would fail too.
  mutating func ended(_ ending: SweepRunner.Ending) {
    if ending.wasTaken {
      lost.insert(ending.member.label)
      return
    }
    lost = []
    if let index = sweep.members.firstIndex(where: { $0.label == ending.member.label }) { closed.insert(index) }
    if ending.status == 0 { complete += 1 }
  }

  /// Which runs are left to other processes; nil if none are.
  var othersNotice: String? {
    guard !others.isEmpty else { return nil }
    return "\(others.count == 1 ? "1 run is" : "\(others.count) runs are") left to other processes: "
      + others.map { "\($0.member.label) (\($0.holder))" }.firstThree
  }
}
