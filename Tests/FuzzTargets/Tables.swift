import Tasks

extension FuzzTarget {
  /// A table; the first byte chooses the task.
  static let taskData = FuzzTarget(name: "task-data") { input, directory in
    guard let choice = input.first else { return }
    try directory.fill(["train.tsv": Array(input.dropFirst())])
    let file = directory.path + "/train.tsv"
    let names = TaskDefinition.names
    let name = names[Int(choice) % names.count]
    let tables: [TaskSource] = [
      TaskSource(name: "tsv", trainFile: file, textColumns: [.name("text")], labelColumn: .name("label")),
      TaskSource(
        name: "tsv", trainFile: file, textColumns: [.index(0), .index(2)], labelColumn: .index(1), hasHeader: false),
    ]
    let source =
      name == "tsv" ? tables[Int(choice) / names.count % 2] : TaskSource(name: name, dataDirectory: directory.path)
    let task = try TaskData(source)
    let data = try task.load(.train)
    for case .classIndex(let index)? in data.examples.map(\.label) where !(0..<task.labels.outputs).contains(index) {
      throw FuzzFinding(problem: "a class beyond the last")
    }
    _ = try task.plainExamples(bytes: input, name: "lines")
  }
}
