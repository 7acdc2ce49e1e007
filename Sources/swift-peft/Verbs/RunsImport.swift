import ArgumentParser
import Configuration
import Diagnostics
import Foundation
import RunStore
import StrictJSON
import Training

/// `swift-peft runs import`.
struct RunsImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Copy the runs of other databases into this one.",
    discussion: """
      EXAMPLE: swift-peft runs import runs/quickstart-sweep
      EXAMPLE: swift-peft runs import runs --database all.sqlite --json

      A directory stands for all databases (*.sqlite) in it and below. A run that is here already is brought up to date \
      if it has gone on since; importing it twice changes nothing.
      """)

  @Argument(help: ArgumentHelp("Databases, or directories with databases.", valueName: "dir-or-file"))
  var sources: [String]

  @OptionGroup var database: DatabaseOptions

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    var errors: [any UserFacingError] = [], result = RunImport()
    let files = try sources.flatMap { source in
      do { return try self.files(source) } catch let error as any UserFacingError {
        errors.append(error)
        return []
      }
    }
    try ErrorList.throwIfAny(errors)
    if let notice = RunStore.notice(database.database) { Console.note("note: \(notice)") }
    // Nothing is created before there is a database to read.
    var opened: RunStore?
    for file in files {
      do {
        let source = try RunStore.openExisting(path: file)
        let store = try opened ?? RunStore(path: database.database)
        opened = store
        result.add(try store.importRuns(of: source))
      } catch let error as any UserFacingError {
        errors.append(error)
      }
    }
    if opened != nil {
      try Console.print(json ? result.json(database.database) : "\(database.database): \(result.text)\n")
    }
    try ErrorList.throwIfAny(errors)
  }

  /// The databases that `source` stands for. In a directory, the one that is written is left out.
  private func files(_ source: String) throws -> [String] {
    guard source.isDirectory else {
      if RunDirectory.isSame(source, database.database) { throw RunsError.importOfItself(database: source) }
      return [source]
    }
    let found = (FileManager.default.enumerator(atPath: source)?.allObjects as? [String] ?? [])
      .filter { $0.hasSuffix(".sqlite") }.sorted().map { "\(source)/\($0)" }
      .filter { !$0.isDirectory && !RunDirectory.isSame($0, database.database) }
    guard !found.isEmpty else { throw RunsError.noDatabases(directory: source) }
    return found
  }
}

extension RunImport {
  /// Adds what became of the runs of another database.
  mutating func add(_ other: RunImport) {
    added += other.added
    updated += other.updated
    unchanged += other.unchanged
  }

  /// `3 runs added, 1 brought up to date, 2 already there`.
  var text: String {
    "\(added.count == 1 ? "1 run" : "\(added.count) runs") added, \(updated.count) brought up to date, "
      + "\(unchanged.count) already there"
  }

  /// The numbers of the runs in `database`.
  func json(_ database: String) -> String {
    func numbers(_ ids: [Int64]) -> JSONValue { .list(ids.map { .integer(Int($0)) }) }
    return JSONWriter.text(
      [
        "database": .string(database), "added": numbers(added), "updated": numbers(updated),
        "unchanged": numbers(unchanged),
      ], pretty: true)
  }
}
