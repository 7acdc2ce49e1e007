import Checkpoints
import Configuration
import Diagnostics
import Foundation
import RunStore
import Testing

@testable import Training

@Suite struct CheckpointFolderTests {
  let scratch: Scratch
  let folder: CheckpointFolder
  let trainer: Trainer

  init() throws {
    scratch = try Scratch()
    folder = CheckpointFolder(output: scratch.path)
    try folder.prepare()
    trainer = try Job("lora").trainer()
  }

  private func snapshot(_ step: Int) -> TrainingSnapshot {
    var state = trainer.state
    state.step = step
    return TrainingSnapshot(state: state, loop: LoopState(), totalSteps: 20, procedure: nil)
  }

  private func write(_ steps: Int...) throws {
    for step in steps { try Job.content(snapshot(step)).write(to: folder.path(step: step)) }
  }

  @Test func namesAreTheContracts() throws {
    #expect(CheckpointFolder.name(step: 560) == "step-00000560")
    #expect(CheckpointFolder.name(step: 123_456_789) == "step-123456789")
    try write(7)
    for name in ["step-7", "step-00000008x", "notes", "step-"] {
      try FileManager.default.createDirectory(atPath: folder.path + "/" + name, withIntermediateDirectories: false)
    }
    #expect(folder.steps == [7])
  }

  @Test func theNewestIsFound() throws {
    #expect(try folder.newest() == nil)
    try write(3, 12, 7)
    let newest = try #require(try folder.newest())
    #expect(newest.checkpoint.step == 12 && newest.notices.isEmpty)
  }

  static let files = [
    "adapter_model.safetensors", "adapter_config.json", "run_config.json", "optimizer.safetensors",
    "trainer_state.json", "history.jsonl", "manifest.json",
  ]

  /// Each file cut short, missing, empty, and with one bit another.
  @Test(arguments: files, ["cut", "missing", "empty", "bit"])
  func aDamagedNewestIsReportedAndTheOneBeforeUsed(file: String, damage: String) throws {
    var history = HistoryLog()
    history.add([MetricPoint(step: 1, epoch: 0.1, split: .train, name: "loss", value: 1)])
    for step in [3, 7] { try Job.content(snapshot(step), history).write(to: folder.path(step: step)) }
    let url = URL(fileURLWithPath: folder.path(step: 7) + "/" + file)
    var bytes = try Data(contentsOf: url)
    switch damage {
    case "cut": try bytes.prefix(bytes.count - 3).write(to: url)
    case "missing": try FileManager.default.removeItem(at: url)
    case "empty": try Data().write(to: url)
    default:
      // Of the manifest, a bit of a digest.
      let place = file == "manifest.json" ? bytes.count / 2 : bytes.count - 2
      bytes[place] ^= 1
      try bytes.write(to: url)
    }
    let newest = try #require(try folder.newest())
    #expect(newest.checkpoint.step == 3)
    #expect(newest.notices.count == 1)
    #expect(newest.notices[0].contains("step-00000007"))
    #expect(newest.notices[0].hasSuffix("this checkpoint is damaged; resuming from step-00000003, the one before"))
  }

  @Test func whereAllAreDamagedNothingStartsAfresh() throws {
    try write(3, 7)
    for step in [3, 7] {
      try Data([1]).write(to: URL(fileURLWithPath: folder.path(step: step) + "/trainer_state.json"))
    }
    let error = try #require(throws: RunError.self) { try folder.newest() }
    #expect(error.exitStatus == .badInput)
    #expect(error.description.contains("all checkpoints are damaged; --overwrite starts anew"))
    #expect(error.description.split(separator: "\n").count == 3)
  }

  @Test func aCheckpointOfAnotherStepIsDamage() throws {
    try write(3, 7)
    try FileManager.default.removeItem(atPath: folder.path(step: 7))
    try FileManager.default.copyItem(atPath: folder.path(step: 3), toPath: folder.path(step: 7))
    #expect(try folder.newest()?.checkpoint.path == folder.path(step: 3))
  }

  @Test func newerFormatsAreNotGuessed() throws {
    try write(3)
    let path = folder.path(step: 3) + "/manifest.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacingOccurrences(of: "\"format_version\": 1", with: "\"format_version\": 2")
      .write(toFile: path, atomically: true, encoding: .utf8)
    let error = try #require(throws: CheckpointDamage.self) { try Checkpoint(path: folder.path(step: 3)) }
    #expect(error.description == "\(path): written by a newer program (format_version 2)")
  }

  @Test func pathsOfAManifestStayInside() throws {
    try write(3)
    try Data("x".utf8).write(to: URL(fileURLWithPath: folder.path + "/x"))
    let path = folder.path(step: 3) + "/manifest.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacingOccurrences(of: "\"history.jsonl\"", with: "\"../x\"")
      .write(toFile: path, atomically: true, encoding: .utf8)
    let error = try #require(throws: CheckpointDamage.self) { try Checkpoint(path: folder.path(step: 3)) }
    #expect(error.problem == "../x leads out of the checkpoint")
  }

  // MARK: - Saving

  private func saver(limit: Int?, newest: Int? = nil) -> CheckpointSaver {
    CheckpointSaver(folder: folder, limit: limit, newest: newest) { _, _, _ in }
  }

  @Test(arguments: [(1, [5]), (2, [4, 5]), (0, [1, 2, 3, 4, 5]), (nil, [1, 2, 3, 4, 5])] as [(Int?, [Int])])
  func onlySoManyAreKept(limit: Int?, kept: [Int]) throws {
    let saver = saver(limit: limit)
    for step in 1...5 { try saver.save(Job.content(snapshot(step))) }
    try saver.wait()
    #expect(folder.steps == kept)
    #expect(try folder.newest()?.checkpoint.step == 5)
  }

  @Test func whatAKilledRunDidNotComeToRemoveGoesAtTheEnd() throws {
    try write(3, 7, 9)
    let saver = saver(limit: 2, newest: 9)
    try saver.save(Job.content(snapshot(9)))
    try saver.finish()
    #expect(folder.steps == [7, 9])
  }

  @Test func damagedOnesBeyondDoNotCount() throws {
    try write(3, 7, 20)
    let saver = saver(limit: 2, newest: 7)
    try saver.save(Job.content(snapshot(9)))
    try saver.wait()
    #expect(folder.steps == [7, 9])
  }

  @Test func aFailureIsReportedAndTheLastCheckpointWhole() throws {
    let saver = saver(limit: 1)
    try saver.save(Job.content(snapshot(3)))
    try saver.wait()
    let hidden = scratch.place("hidden")
    try FileManager.default.moveItem(atPath: folder.path, toPath: hidden)
    try saver.save(Job.content(snapshot(4)))
    let failure = try #require(throws: CheckpointFailure.self) { try saver.wait() }
    #expect(failure.exitStatus == .ioError)
    #expect(
      failure.description.hasPrefix("checkpoint step-00000004 could not be written: ")
        && failure.description.hasSuffix("--resume continues from step-00000003"))
    #expect(throws: CheckpointFailure.self) { try saver.save(Job.content(snapshot(5))) }
    try FileManager.default.moveItem(atPath: hidden, toPath: folder.path)
    #expect(folder.steps == [3])
    #expect(try folder.newest()?.checkpoint.step == 3)
  }

  @Test func numbersThatAreNoneAreNotSavedOverGoodOnes() throws {
    let saver = saver(limit: 1)
    try saver.save(Job.content(snapshot(3)))
    var bad = snapshot(4).state
    bad[head: 1] = [.infinity, 0]
    try saver.save(Job.content(TrainingSnapshot(state: bad, loop: LoopState(), totalSteps: 20, procedure: nil)))
    try saver.wait()
    #expect(folder.steps == [3])
    #expect(
      saver.takeNotices() == ["checkpoint step-00000004 was not written: the trained numbers are no longer finite"])
    #expect(saver.takeNotices().isEmpty)
  }
}
