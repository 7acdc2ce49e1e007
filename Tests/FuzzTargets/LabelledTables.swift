import Metrics
import Tasks

extension FuzzTarget {
  /// Tables of one's own under the options that a config has for them, which the first two bytes choose. Several files are
  /// separated by `<%%>`.
  static let labelledTable = FuzzTarget(name: "labelled-table") { input, directory in
    guard input.count > 2 else { return }
    let choice = Int(input[0]), flags = Int(input[1]), contents = parts(input.dropFirst(2)).prefix(3)
    let format = FileFormat.allCases[choice % 4]
    let names = contents.indices.map { "part-\($0).\(flags & 1 == 0 ? format.rawValue : "data")" }
    try directory.fill(Dictionary(uniqueKeysWithValues: zip(names, contents)))
    var options = TaskOptions(name: "text-classification")
    options.trainFile = ["\(directory.path)/part-*"]
    options.testFile = names.prefix(1).map { "\(directory.path)/\($0)" }
    options.problemType = [nil, .regression, .singleLabel, .multiLabel][choice / 4 % 4]
    if flags & 1 != 0 { options.fileFormat = format }
    if format == .csv, flags & 2 != 0 { options.delimiter = ";" }
    if flags & 4 != 0 { options.labelNames = ["b", "a", "caf\u{E9}"] }
    if options.problemType == .multiLabel, flags & 8 != 0 { options.labelSeparator = "| " }
    if flags & 16 != 0 { options.validationSplit = 0.3 }
    if flags & 32 != 0 { options.classWeights = .balanced }
    options.hasHeader = flags & 64 == 0
    options.textColumns = options.hasHeader ? [.name("text")] : [.index(0)]
    options.labelColumn = options.hasHeader ? .name("label") : .index(1)
    try check(TaskData(options), options)
  }

  private static func check(_ task: TaskData, _ options: TaskOptions) throws {
    let train = try task.load(.train), test = try task.load(.test), outputs = task.outputs ?? 0
    for example in train.examples + test.examples {
      let places: [Int] =
        switch example.label {
        case .classIndex(let index): [index]
        case .classSet(let set): set
        case .score(let score): score.isFinite ? [] : [-1]
        case nil: []
        }
      if places.contains(where: { !(0..<outputs).contains($0) }) {
        throw FuzzFinding(problem: "a label beyond the last")
      }
      if places != Array(Set(places)).sorted() { throw FuzzFinding(problem: "labels out of order") }
    }
    if train.examples.contains(where: { $0.label == nil }) { throw FuzzFinding(problem: "nothing to learn") }
    if options.validationSplit != nil {
      let held = try task.load(.validation)
      let places = (train.examples + held.examples).map { "\($0.file):\($0.line)" }
      // A list may have several records in a line.
      let isList = options.fileFormat == .json || places.contains { $0.contains(".json:") }
      if !isList, Set(places).count < places.count {
        throw FuzzFinding(problem: "an example in both parts")
      }
      if held.examples.isEmpty || train.examples.isEmpty { throw FuzzFinding(problem: "an empty part") }
    }
    guard let labels = task.labels else { throw FuzzFinding(problem: "no labels") }
    let scores = train.examples.map { _ in [Float](repeating: 1, count: outputs) }
    let text = PredictionTable(labels: labels).text(scores: scores, labels: train.examples.map(\.label))
    if text.utf8.count(where: { $0 == UInt8(ascii: "\n") }) < scores.count {
      throw FuzzFinding(problem: "a row is missing")
    }
    _ = task.metrics.values(Predictions(scores: scores, labels: train.examples.compactMap(\.label)))
    if let file = test.files.first { _ = try task.texts(PredictionInput(path: file)) }
  }
}
