import Foundation
import RunStore
import Testing

/// The program on a file system that several machines share, as far as it can see.
@Suite struct NetworkFileSystemTests {
  private static let mayPreload: Bool = {
    #if os(Linux)
      ProcessInfo.processInfo.environment["SANITIZER"] == nil
    #else
      false
    #endif
  }()
  private static let why: Comment = "needs Linux's LD_PRELOAD, and no sanitizer"

  /// The variables under which every file system is of the kind `type`.
  private func disguise(_ sandbox: Sandbox, _ type: String) throws -> [String: String] {
    let flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o", "network.so"]
    let compiler = try Command(
      executable: "/usr/bin/env", ["clang"] + flags + ["\(Repository.path)/Tests/Fixtures/network.c"],
      in: sandbox.path, input: "")
    let outcome = try compiler.finish()
    try #require(outcome.status == 0, "\(outcome.err)")
    return ["LD_PRELOAD": sandbox.place("network.so"), "FILE_SYSTEM_TYPE": type]
  }

  /// Byte 18 of an SQLite file: 1 with a rollback journal, 2 with write-ahead logging.
  private func journal(_ sandbox: Sandbox, _ database: String) throws -> UInt8 { try sandbox.read(database)[18] }

  @Test(
    .enabled(if: mayPreload, why),
    arguments: [("0x6969", "NFS"), ("0xFF534D42", "SMB"), ("0xEF53", nil)] as [(String, String?)])
  func aNetworkFileSystemGetsARollbackJournalAndANote(type: String, name: String?) throws {
    let sandbox = try Sandbox.trainable(), environment = try disguise(sandbox, type)
    let outcome = try sandbox.start(["train", "config.json"], environment: environment).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    let note = name.map {
      "note: runs.sqlite: on a network file system (\($0)), so with a rollback journal instead of write-ahead logging\n"
    }
    #expect(outcome.err.contains(note ?? "step 16/16"))
    #expect(outcome.err.contains("network") == (name != nil))
    #expect(try journal(sandbox, "runs.sqlite") == (name == nil ? 2 : 1))
    let list = try sandbox.start(["runs", "list", "--database", "runs.sqlite"], environment: environment).finish()
    #expect(list.status == 0 && list.out.contains("completed"), "\(list.err)")
    if name != nil { #expect(try sandbox.listing().filter { $0.hasPrefix("runs.sqlite") } == ["runs.sqlite"]) }
  }

  @Test(.enabled(if: mayPreload, why)) func theRunsOfASweepWriteOneDatabaseThere() throws {
    let sandbox = try SweepVerbTests.sandbox(), environment = try disguise(sandbox, "0x0BD00BD0")
    let outcome = try sandbox.start(["sweep", "sweep.json", "--jobs", "4"], environment: environment).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.err.hasPrefix("note: runs/swift-peft.sqlite: on a network file system (Lustre), "))
    #expect(try journal(sandbox, "runs/swift-peft.sqlite") == 1)
    let store = try RunStore.openExisting(path: sandbox.place("runs/swift-peft.sqlite"))
    #expect(try store.runs().map(\.status) == [.completed, .completed, .completed, .completed])
    for run in try store.runs() { #expect(try store.metrics(run: run.id).contains { $0.name == "accuracy" }) }
  }

  /// The kernel may not know the file system, such as one of FUSE.
  @Test func theDatabaseOfOneRunHasARollbackJournalEverywhere() throws {
    let sandbox = try SweepVerbTests.sandbox()
    #expect(try sandbox.run("sweep", "sweep.json", "--only", "0").status == 0)
    #expect(try journal(sandbox, "runs/tiny/strategy-lora_seed-1/run.sqlite") == 1)
    #expect(try sandbox.run("sweep", "sweep.json", "--collect").status == 0)
    #expect(try journal(sandbox, "runs/swift-peft.sqlite") == 2)
  }

  @Test(.enabled(if: mayPreload, why)) func aKilledRunGoesOnWithARollbackJournal() throws {
    let sandbox = try Sandbox.trainable(), environment = try disguise(sandbox, "0x6969")
    #expect(try sandbox.start(LifeCycleTests.long("whole")).finish().status == 0)
    let command = try sandbox.start(LifeCycleTests.long(), environment: environment)
    command.waitForError("step 60/400 ")
    #expect(command.killHard())
    #expect(try RunStore.openExisting(path: sandbox.place("run.sqlite")).run(1).status == .interrupted)
    let resumed = try sandbox.start(LifeCycleTests.long() + ["--resume"], environment: environment).finish()
    #expect(resumed.status == 0, "\(resumed.err)")
    #expect(try journal(sandbox, "run.sqlite") == 1)
    try RunRecords(sandbox, output: "run", database: "run.sqlite")
      .expectEqual(RunRecords(sandbox, output: "whole", database: "whole.sqlite"), "run on a network file system")
  }
}
