import ArgumentParser
import Diagnostics
import Reports
import RunStore

/// `swift-peft runs delete ID …`.
struct RunsDelete: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete runs from the database; their files stay.",
    discussion: """
      EXAMPLE: swift-peft runs delete 2 --yes

      Without --yes it shows what would be deleted. A run that is still training is refused.
      """)

  @Argument(help: ArgumentHelp("Numbers of runs.", valueName: "id"))
  var ids: [Int64]

  @OptionGroup var database: DatabaseOptions

  @Flag(help: "Delete them.")
  var yes = false

  @Flag(help: "Also runs that the database has as running.")
  var force = false

  func run() throws {
    var seen: Set<Int64> = []
    let ids = ids.filter { seen.insert($0).inserted }
    let known = try database.open()
    let runs = try ids.map { try RecordedRun($0, in: known) }
    if !force, let running = runs.first(where: { $0.run.status == .running }) {
      throw RunStillTraining(id: running.run.id)
    }
    guard yes else {
      try Console.print(RunsList.table(runs))
      throw ValidationError("nothing was deleted: --yes deletes these runs from the database")
    }
    try RunStore(path: database.database).delete(runs: ids)
    Console.note("deleted \(ids.count == 1 ? "1 run" : "\(ids.count) runs") from \(database.database)")
  }
}

/// A run that is at work is to be deleted.
struct RunStillTraining: UserFacingError {
  let id: Int64
  var description: String { "run \(id) is still training; --force deletes it nevertheless" }
  var exitStatus: ExitStatus { .usage }
}
