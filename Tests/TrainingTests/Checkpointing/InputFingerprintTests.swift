import Configuration
import Diagnostics
import Foundation
import Metrics
import StrictJSON
import Tasks
import Testing

@testable import Training

@Suite struct InputFingerprintTests {
  private let model = GoldenRun.directory.appendingPathComponent("bert-tiny").path
  private let config = RunConfig(name: "n", model: "m", task: TaskConfig(name: "sst2"))

  private func fingerprint(_ prompt: [Int32], _ answer: [Int32]) throws -> InputFingerprint {
    let data = EncodedDataset(items: [EncodedDataset.Item(prompt: prompt, answer: answer)])
    return try InputFingerprint(train: data, evaluationSets: [(.validation, data)], model: model)
  }

  private func read(_ json: JSONValue) throws -> InputFingerprint {
    try InputFingerprint(JSONField(parsing: Array(JSONWriter.text(json, pretty: false).utf8), file: "f"))
  }

  /// The same tokens, of which others are to be learnt.
  @Test func whereAnAnswerBeginsCounts() throws {
    let one = try fingerprint([1, 2], [3, 4]), other = try fingerprint([1], [2, 3, 4])
    #expect(one.splits == other.splits && one.targets != other.targets)
    #expect(
      other.differences(from: one, config: config) == [
        "task: the answers in the split train now begin or end at other tokens",
        "task: the answers in the split validation now begin or end at other tokens",
      ])
    #expect(one.differences(from: one, config: config).isEmpty)
    #expect(try read(one.json) == one)
  }

  /// Checkpoints of earlier versions have no digest of the targets.
  @Test func oldCheckpointsStillResume() throws {
    let one = try fingerprint([1, 2], [3, 4])
    let old = try read([
      "splits": .members(one.splits.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }),
      "model": .string(one.model),
    ])
    #expect(old.targets.isEmpty && one.differences(from: old, config: config).isEmpty)
    // The digest of ids, types and labels is what it was.
    #expect(one.splits["train"] == one.splits["validation"])
  }

  @Test func otherExamplesAreOneDifference() throws {
    let one = try fingerprint([1, 2], [3, 4]), other = try fingerprint([1, 2], [3, 5, 6])
    #expect(
      other.differences(from: one, config: config) == [
        "task: the examples of the split train have changed",
        "task: the examples of the split validation have changed",
      ])
  }
}
