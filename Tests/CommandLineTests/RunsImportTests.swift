import Foundation
import RunStore
import StrictJSON
import Testing

/// `swift-peft runs import`; ImportTests has what becomes of single runs.
@Suite struct RunsImportTests {
  let sandbox: Sandbox

  init() throws {
    sandbox = try Sandbox()
    for (name, path) in [("a", "one/runs.sqlite"), ("b", "two/deep/run.sqlite"), ("c", "c.sqlite")] {
      let store = try RunStore(path: sandbox.place(path))
      let id = try store.beginRun(
        RunDetails(
          name: name, model: "m", modelType: "bert", task: "sst2", strategy: "lora", r: 8, loraAlpha: 16, seed: 1,
          precision: "float32", threads: 1, parameters: ParameterCounts(adapter: 1, trainable: 2, total: 3),
          config: "{}", outputDir: "runs/\(name)", version: "0.1.0"))
      try store.finishRun(id, status: .completed)
    }
  }

  private func names(_ database: String) throws -> [String] {
    try RunStore.openExisting(path: sandbox.place(database)).runs().map(\.details.name)
  }

  @Test func directoriesAndFilesAreGathered() throws {
    let first = try sandbox.run("runs", "import", "two", "c.sqlite", "one/runs.sqlite", "--database", "all.sqlite")
    #expect(first.status == 0 && first.err.isEmpty)
    #expect(first.out == "all.sqlite: 3 runs added, 0 brought up to date, 0 already there\n")
    #expect(try names("all.sqlite") == ["b", "c", "a"])
    // The target itself is in this directory too.
    let again = try sandbox.run("runs", "import", ".", "--database", "all.sqlite", "--json")
    #expect(again.status == 0, "\(again.err)")
    let kinds = try ["added", "updated", "unchanged"].map { try again.json()[$0]?.array?.map(\.integer) }
    #expect(kinds == [[], [], [2, 3, 1]])
    #expect(try names("all.sqlite") == ["b", "c", "a"])
  }

  @Test func theUsualDatabaseIsTheTarget() throws {
    #expect(try sandbox.run("runs", "import", "one").status == 0)
    #expect(try names("runs/swift-peft.sqlite") == ["a"])
  }

  @Test func whatIsNoDatabaseOfOursIsNamedAndTheRestComes() throws {
    try sandbox.write("bad/text.sqlite", String(repeating: "text ", count: 1000))
    let made = try sandbox.shell(
      "python3 -c \"import sqlite3; sqlite3.connect('bad/x.sqlite').execute('create table t(a)')\"")
    try #require(made.status == 0, "\(made.err)")
    let outcome = try sandbox.run("runs", "import", "bad", "one", "--database", "all.sqlite")
    #expect(outcome.status == 65)
    #expect(
      outcome.err == """
        swift-peft: error: bad/text.sqlite: not an SQLite database; choose another file for the runs
        swift-peft: error: bad/x.sqlite: belongs to another program; choose another file for the runs

        """)
    #expect(outcome.out == "all.sqlite: 1 run added, 0 brought up to date, 0 already there\n")
    let alone = try sandbox.run("runs", "import", "bad/x.sqlite", "--database", "new.sqlite")
    #expect(alone.status == 65 && alone.out.isEmpty && !sandbox.exists("new.sqlite"))
    let target = try sandbox.run("runs", "import", "one", "--database", "bad/x.sqlite")
    #expect(target.status == 65 && target.err.contains("bad/x.sqlite: belongs to another program"))
  }

  @Test func whatCannotBeImportedIsRefused() throws {
    try sandbox.write("empty/notes.txt", "none")
    for (source, status, message) in [
      ("none.sqlite", Int32(66), "none.sqlite: no such database"),
      ("empty", 66, "empty: holds no database of runs (*.sqlite)"),
      ("c.sqlite", 64, "c.sqlite: cannot be imported into itself; --database names the target"),
    ] {
      let outcome = try sandbox.run("runs", "import", source, "--database", "./c.sqlite")
      #expect(outcome.status == status && outcome.out.isEmpty)
      #expect(outcome.err == "swift-peft: error: \(message)\n")
    }
    #expect(try names("c.sqlite") == ["c"])
  }
}
