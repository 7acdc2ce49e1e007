import Adapters
import Checkpoints
import Diagnostics
import Foundation
import StrictJSON
import Testing
import Training

@testable import Models

/// Output directories that came from elsewhere.
@Suite(.noHang)
struct HostileCheckpointTests {
  private let scratch: Scratch
  private let checkpoint: String

  init() throws {
    scratch = try Scratch()
    checkpoint = CheckpointRehearsal.path(scratch.path, step: 3)
    try FileManager.default.createDirectory(atPath: checkpoint, withIntermediateDirectories: true)
  }

  private func write(_ text: String, _ name: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(checkpoint)/\(name)"))
  }

  private func manifest(_ files: [(String, JSONValue)]) throws {
    let value: JSONValue = [
      "format": "swift-peft checkpoint", "format_version": 1, "step": 3, "files": .members(files),
    ]
    try write(JSONWriter.text(value, pretty: false), "manifest.json")
  }

  /// The error of resuming, which must say `problem`.
  private func expectRefusal(_ problem: String) throws {
    let table = try manyMaps(0)
    let error = #expect(throws: RunError.self) {
      _ = try CheckpointRehearsal.resume(scratch.path, table: table, head: [])
    }
    #expect(error?.description.contains(problem) == true, "\(String(describing: error))")
    #expect(error?.exitStatus == .badInput)
  }

  @Test(arguments: ["../a", "x/../../a", "/etc/passwd", "../\u{301}", "/\u{301}", "a\0", "", "x//a"])
  func aManifestCannotNameAFileOutside(name: String) throws {
    try manifest([(name, ["bytes": 1, "sha256": ""])])
    try expectRefusal("leads out of the checkpoint")
  }

  /// What is read must be what was written: a manifest that leaves a file out vouches for nothing.
  @Test func aManifestListsEveryFile() throws {
    try manifest([])
    try expectRefusal("does not list trainer_state.json")
  }

  /// A terabyte that takes no room on the disk, by itself and behind a link whose own size is that of its text.
  @Test(arguments: [false, true])
  func aSparseFileIsNotReadForItsChecksum(isLink: Bool) throws {
    let path = "\(checkpoint)/large"
    try write("", "large")
    try #require(truncate(path, 1 << 40) == 0)
    if isLink { #expect(symlink(path, "\(checkpoint)/link") == 0) }
    try manifest([(isLink ? "link" : "large", ["bytes": .integer(1 << 40), "sha256": ""])])
    try expectRefusal("holds more than")
    try manifest([(isLink ? "link" : "large", ["bytes": .integer(path.utf8.count), "sha256": ""])])
    try expectRefusal("has 1099511627776 bytes instead of")
  }

  /// One file by many names.
  @Test func aFileIsNotReadAgainAndAgain() throws {
    let bytes = InputFile.dataLimit / 2 + 1
    try write("", "a")
    try #require(truncate("\(checkpoint)/a", off_t(bytes)) == 0)
    try manifest(["a", "./a"].map { ($0, ["bytes": .integer(bytes), "sha256": ""]) })
    try expectRefusal("holds more than")
  }

  /// Training empties the lock's file.
  @Test func aLinkInPlaceOfTheLockIsNotFollowed() throws {
    let other = "\(scratch.path)/other"
    try Data("kept".utf8).write(to: URL(fileURLWithPath: other))
    #expect(symlink(other, "\(scratch.path)/.lock") == 0)
    let error = #expect(throws: RunError.self) { try CheckpointRehearsal.lock(scratch.path) }
    #expect(error?.exitStatus == .cannotCreate)
    #expect(FileManager.default.contents(atPath: other) == Data("kept".utf8))
    #expect(unlink("\(scratch.path)/.lock") == 0 && mkfifo("\(scratch.path)/.lock", 0o600) == 0)
    _ = try? CheckpointRehearsal.lock(scratch.path)
  }

  @Test func manyMapsAreReadInNoTime() throws {
    let count = 20_000
    var sites: [(String, JSONValue)] = [], tensors: [SafetensorsTensor] = []
    for layer in 0..<count {
      let a = "shared.m.lora_A.weight"
      // All in one group, which every merge would have to be looked up in.
      let b = "l.\(count - 1).m.lora_B.weight"
      sites.append(("l.\(layer).m", ["layer": .integer(layer), "module": "m", "A": .string(a), "B": .string(b)]))
    }
    for name in ["shared.m.lora_A.weight", "l.\(count - 1).m.lora_B.weight"] {
      tensors.append(SafetensorsTensor(name: name, shape: [1, 1], [1]))
    }
    try SafetensorsWriter.write(tensors, to: "\(checkpoint)/\(AdapterFile.tensorsName)")
    let config: JSONValue = [
      "format": "swift-peft", "format_version": 1, "strategy": "aslora", "r": 1, "lora_alpha": 1, "lora_dropout": 0,
      "use_rslora": false, "target_modules": [], "base_model_name_or_path": "m", "model_type": "bert",
      "task_type": "SEQ_CLS", "labels": [], "step": 1, "sites": .members(sites),
    ]
    try write(JSONWriter.text(config, pretty: false), AdapterFile.configName)
    let adapter = try AdapterFile.read(checkpoint, sites: manyMaps(count).sites)
    #expect(adapter.table.tensors.count == 2)
    let model = (0..<200).map { Site(layer: $0, module: "m", path: "k.\($0).m", inFeatures: 1, outFeatures: 1) }
    #expect(throws: (any Error).self) { try AdapterFile.read(checkpoint, sites: model) }
  }
}
