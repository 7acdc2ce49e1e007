import ArgumentParser
import Reports
import RunStore

/// `swift-peft runs delete ID …`.
struct RunsDelete: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete runs from the database; their files stay.",
    discussion: """
      EXAMPLE: swift-peft runs delete 2 --yes

      Without --yes, only shows what would be deleted. Refuses runs that are still training.
      """)

  @Argument(help: ArgumentHelp("Run numbers.", valueName: "id"))
  var ids: [Int64]

  @OptionGroup var database: DatabaseOptions

  @Flag(help: "Delete the runs.")
  var yes = false

  @Flag(help: "Also delete runs whose status is running.")
  var force = false

  func run() throws {
    var seen: Set<Int64> = []
    let ids = ids.filter { seen.insert($0).inserted }
    let known = try database.open()
    let runs = try ids.map { try RecordedRun($0, in: known) }
    if !force, let running = runs.first(where: { $0.run.status == .running }) {
      throw RunsError.stillTraining(id: running.run.id)
    }
    guard yes else {
      try Console.print(RunsList.table(runs))
      throw ValidationError("nothing was deleted; add --yes to delete these runs from the database")
    }
    try RunStore(path: database.database).delete(runs: ids)
    Console.note("deleted \(ids.count == 1 ? "1 run" : "\(ids.count) runs") from \(database.database)")
  }
}
