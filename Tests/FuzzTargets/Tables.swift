import Metrics
import Tasks

extension FuzzTarget {
  /// A table; the first byte chooses the task.
  static let taskData = FuzzTarget(name: "task-data") { input, directory in
    guard let choice = input.first else { return }
    try directory.fill(["train.tsv": Array(input.dropFirst())])
    let file = directory.path + "/train.tsv"
    let names = (Task.glue + [.table]).map(\.name)
    let name = names[Int(choice) % names.count]
    var options = TaskOptions(name: name)
    if name != Task.table.name {
      options.dataDir = directory.path
    } else if Int(choice) / names.count % 2 == 0 {
      (options.trainFile, options.textColumns, options.labelColumn) = ([file], [.name("text")], .name("label"))
    } else {
      (options.trainFile, options.textColumns, options.labelColumn) = ([file], [.index(0), .index(2)], .index(1))
      options.hasHeader = false
    }
    let task = try TaskData(options)
    let data = try task.load(.train)
    for case .classIndex(let index)? in data.examples.map(\.label)
    where !(0..<(task.labels?.outputs ?? 0)).contains(index) {
      throw FuzzFinding(problem: "a class beyond the last")
    }
    _ = try task.texts(PredictionInput(bytes: input, name: "lines"))
  }
}
