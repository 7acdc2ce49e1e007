import Foundation
import RunStore
import Testing

/// Lets the disk fail at single calls that change a file, and compares what `--resume` makes of what is left.
///
/// An ordinary test run tries some calls, this one all of them:
///
///     DISK_FAULT_EVERY=1 DISK_FAULT_STRATEGIES=lora,share-ab,aslora swift test --filter DiskFaultTests
@Suite(.serialized) struct DiskFaultTests {
  /// As Tests/Fixtures/disk.c explains them.
  enum Fault: String, CaseIterable { case kill, power, full, error }

  private static let environment = ProcessInfo.processInfo.environment
  private static let every = environment["DISK_FAULT_EVERY"].flatMap(Int.init) ?? 97
  private static let strategies = (environment["DISK_FAULT_STRATEGIES"] ?? "aslora").split(separator: ",")
    .map(String.init)

  private static let mayPreload: Bool = {
    #if os(Linux)
      environment["SANITIZER"] == nil
    #else
      false
    #endif
  }()

  /// A run of the tiny model that meets everything which writes in ten steps.
  private struct Bench {
    let sandbox: Sandbox
    let strategy: String

    init(_ strategy: String) throws {
      sandbox = try Sandbox.trainable()
      self.strategy = strategy
      let flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", "disk.so"]
      let compiler = try Command(
        executable: "/usr/bin/env", ["clang"] + flags + ["\(Repository.path)/Tests/Fixtures/disk.c"], in: sandbox.path,
        input: "")
      let outcome = try compiler.finish()
      try #require(outcome.status == 0, "\(outcome.err)")
    }

    /// Trains into the directory and the database `name`.
    func train(
      _ name: String, _ more: String..., fault: Fault? = nil, at call: Int = 0
    ) throws -> (outcome: Outcome, signal: Int32?) {
      let arguments = [
        "train", "config.json", "--quiet", "--output-dir", name, "--database", "\(name).sqlite", "--threads", "2",
        "--set", "adapter.strategy=\(strategy)", "--set", "adapter.lora_dropout=0.1",
        "--set", "adapter.aslora={\"start_step\": 3, \"merge_interval\": 3, \"num_merges\": 2}",
        "--set", "training.max_steps=10", "--set", "training.train_batch_size=4",
        "--set", "training.gradient_accumulation_steps=2", "--set", "training.logging_steps=2",
        "--set", "training.save_steps=3", "--set", "training.eval_strategy=steps", "--set", "training.eval_steps=3",
        "--set", "training.load_best_model_at_end=true",
      ]
      return try start(arguments + more, fault, at: call).finishOrDie()
    }

    /// Starts the program, with a fault at a call if one is named; 0 is none.
    func start(_ arguments: [String], _ fault: Fault?, at call: Int) throws -> Command {
      guard let fault else { return try sandbox.start(arguments) }
      return try Command(
        executable: Tool.path(), arguments, in: sandbox.path, input: "",
        environment: [
          "LD_PRELOAD": sandbox.place("disk.so"), "DISK_FAULT": fault.rawValue, "DISK_AT": "\(call)",
          "DISK_COUNT": sandbox.place("count"), "DISK_GRAVE": sandbox.place("grave"),
        ])
    }

    /// The calls of the last program that ended by itself.
    func calls() throws -> Int {
      try #require(try Int(sandbox.text("count").trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    func clear() throws {
      let folders = ["grave", "run", "new"], databases = ["run.sqlite", "scores.sqlite"]
      for name in try FileManager.default.contentsOfDirectory(atPath: sandbox.path)
      where folders.contains(name) || databases.contains(where: name.hasPrefix) {
        try FileManager.default.removeItem(atPath: sandbox.place(name))
      }
      try FileManager.default.createDirectory(atPath: sandbox.place("grave"), withIntermediateDirectories: false)
    }

    /// Names of everything in a run's directory. That of a lock which nobody holds is no harm.
    func files(_ name: String) throws -> [String] {
      try FileManager.default.subpathsOfDirectory(atPath: sandbox.place(name)).filter { $0 != ".lock" }.sorted()
    }

    func rows(_ name: String) throws -> [String] {
      try RunStore.openExisting(path: sandbox.place("\(name).sqlite")).checkpoints(run: 1).map {
        String($0.path.dropFirst(name.count))
      }
    }

    func expectSameAsWhole(_ name: String, _ what: String) throws {
      try RunRecords(sandbox, output: name, database: "\(name).sqlite").expectEqual(
        RunRecords(sandbox, output: "whole", database: "whole.sqlite"), what)
      #expect(try files(name) == files("whole"), "\(what)")
      #expect(try rows(name) == rows("whole"), "\(what)")
    }
  }

  private static let why: Comment = "needs Linux's LD_PRELOAD, and no sanitizer"

  @Test(.enabled(if: mayPreload, why), arguments: strategies, Fault.allCases)
  func aRunSurvives(strategy: String, fault: Fault) throws {
    let bench = try Bench(strategy)
    try bench.clear()
    let (whole, _) = try bench.train("whole", fault: fault)
    try #require(whole.status == 0, "\(whole.err)")
    let calls = try bench.calls()
    #expect(calls > 400)

    // Each fault at calls of its own.
    let first = 1 + Self.every / 4 * (Fault.allCases.firstIndex(of: fault) ?? 0)
    for call in stride(from: first, through: calls, by: Self.every) {
      try meet(fault, at: call, bench, "\(strategy), \(fault) at call \(call)")
    }
    if fault == .power { try losePowerAfterTheEnd(bench) }
    print("\(strategy), \(fault): every \(Self.every) of \(calls) calls")
  }

  private func meet(_ fault: Fault, at call: Int, _ bench: Bench, _ what: String) throws {
    try bench.clear()
    let (ended, signal) = try bench.train("run", fault: fault, at: call)
    switch fault {
    case .kill, .power: #expect(signal == SIGKILL || ended.status == 0, "\(what): \(ended.err)")
    case .full, .error:
      #expect(signal == nil && [0, 73, 74].contains(ended.status), "\(what): \(ended.err)")
      #expect(ended.status == 0 || ended.err.hasPrefix("swift-peft: error: "), "\(what): \(ended.err)")
    }
    if ended.status == 0, fault == .error {
      // The call was made up for, or did not matter; what could not be removed may be there.
      try RunRecords(bench.sandbox, output: "run", database: "run.sqlite").expectEqual(
        RunRecords(bench.sandbox, output: "whole", database: "whole.sqlite"), what)
      return
    }
    let scores = try bench.sandbox.start(["eval", "run", "--quiet", "--database", "scores.sqlite"]).finish()
    #expect([0, 65, 66].contains(scores.status), "\(what), eval: \(scores.err)")
    let (resumed, _) = try bench.train("run", "--resume")
    try #require(resumed.status == 0, "\(what), resumed: \(resumed.err)")
    #expect(!resumed.err.contains("damaged"), "\(what), resumed: \(resumed.err)")
    try bench.expectSameAsWhole("run", what)
  }

  /// Files that a run left are there; rows that are not are recorded by `--resume`.
  private func losePowerAfterTheEnd(_ bench: Bench) throws {
    try bench.clear()
    let run = "new/deep/run"
    #expect(try bench.train(run, fault: .power, at: -1).outcome.status == 0)
    #expect(try bench.files(run) == bench.files("whole"))
    for name in ["adapter_model.safetensors", "adapter_config.json", "eval_results.json"] {
      #expect(try bench.sandbox.read("\(run)/\(name)") == bench.sandbox.read("whole/\(name)"), "\(name)")
    }
    let (resumed, _) = try bench.train(run, "--resume")
    try #require(resumed.status == 0, "\(resumed.err)")
    try bench.expectSameAsWhole(run, "power failure after the end")
  }

  @Test(.enabled(if: mayPreload, why), arguments: Fault.allCases)
  func aMergedModelIsWholeOrTheOneBefore(fault: Fault) throws {
    let bench = try Bench("lora"), files = FileManager.default
    try bench.clear()
    #expect(try bench.train("whole").outcome.status == 0)
    func merge(at call: Int) throws -> (outcome: Outcome, signal: Int32?) {
      try? files.removeItem(atPath: bench.sandbox.place("merged"))
      try bench.sandbox.write("merged/model.safetensors", "the one before")
      return try bench.start(["merge", "whole", "--output", "merged", "--overwrite", "--quiet"], fault, at: call)
        .finishOrDie()
    }
    func content() throws -> [String: Data] {
      let names = try files.contentsOfDirectory(atPath: bench.sandbox.place("merged"))
      return try Dictionary(uniqueKeysWithValues: names.map { ($0, try bench.sandbox.read("merged/\($0)")) })
    }

    let (whole, _) = try merge(at: 0)
    try #require(whole.status == 0, "\(whole.err)")
    let merged = try content(), calls = try bench.calls()
    for call in stride(from: 1, through: calls, by: min(Self.every, 7)) {
      let (outcome, _) = try merge(at: call)
      let left = try content(), isBefore = left == ["model.safetensors": Data("the one before".utf8)]
      #expect(left == merged || isBefore && outcome.status != 0, "\(fault) at call \(call): \(left.keys.sorted())")
      guard fault == .full || fault == .error else { continue }
      #expect([0, 73, 74].contains(outcome.status), "\(fault) at call \(call): \(outcome.err)")
    }
  }
}
