import Adapters
import Checkpoints
import Kernels
import Metrics
import RunStore
import StrictJSON
import Tasks

/// Everything a run has measured so far, one JSON line per event (`history.jsonl`). Each checkpoint holds it, so that a
/// resumed run can restore its rows in the database, whatever happened to that.
///
/// The lines are kept as bytes: saving them in a checkpoint costs one copy, however long the run.
struct HistoryLog: Sendable {
  private(set) var bytes: [UInt8] = []

  /// Values of one step and split.
  mutating func add(_ points: [MetricPoint]) {
    guard let first = points.first else { return }
    add([
      "step": .integer(first.step), "epoch": .exact(first.epoch), "split": .string(first.split.rawValue),
      "metrics": .members(points.map { ($0.name, .exact($0.value)) }),
    ])
  }

  /// A merge.
  mutating func add(_ merge: MergeRecord) {
    add([
      "step": .integer(merge.step),
      "merge": [
        "module": .string(merge.module), "lower_layer": .integer(merge.lowerLayer),
        "upper_layer": .integer(merge.upperLayer), "distance": .exact(merge.distance),
        "groups_left": .integer(merge.groupsLeft),
      ],
    ])
  }

  private mutating func add(_ line: JSONValue) {
    bytes += Array(JSONWriter.text(line, pretty: false).utf8)
    bytes.append(UInt8(ascii: "\n"))
  }

  /// An empty log.
  init() {}

  /// The lines of a file.
  init(file: String) throws {
    bytes = try MappedFile(path: file).text()
    _ = try records(file: file)
  }

  /// The lines, decoded.
  func records(file: String = "history") throws -> RunHistory {
    var history = RunHistory()
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      let entry = JSONFile(path: file, node: try JSONParser.parse(Array(line), file: file))
      let step = try entry.require("step", \.integer)
      if entry.node["merge"] != nil, let merge = try entry.section("merge") {
        history.merges.append(
          MergeRecord(
            step: step, module: try merge.require("module", \.string),
            lowerLayer: try merge.require("lower_layer", \.integer),
            upperLayer: try merge.require("upper_layer", \.integer),
            distance: try merge.require("distance", \.exactNumber),
            groupsLeft: try merge.require("groups_left", \.integer)))
        continue
      }
      let epoch = try entry.require("epoch", \.exactNumber)
      let split = try entry.require("split") { $0.string.flatMap(Split.init(rawValue:)) }
      let metrics = try entry.require("metrics", \.object)
      for name in metrics.keys {
        guard let value = metrics[name]?.exactNumber else {
          throw CheckpointDamage(path: file, problem: "\(name) of step \(step) is not a number")
        }
        history.metrics.append(MetricPoint(step: step, epoch: epoch, split: split, name: name, value: value))
      }
    }
    return history
  }
}
