import Metrics
import Tasks

extension FuzzTarget {
  /// Sentences of words with tags: the first byte chooses the format, the columns and whether labels are listed.
  static let taggedData = FuzzTarget(name: "tagged-data") { input, directory in
    guard let choice = input.first.map(Int.init) else { return }
    let endings = ["conll", "conllu", "jsonl", "json", "txt"], bytes = Array(input.dropFirst())
    let name = "fuzzed.\(endings[choice % endings.count])", path = "\(directory.path)/\(name)"
    try directory.fill([name: bytes])
    var options = TaskOptions(name: Task.tokenClassification.name)
    options.trainFile = [path]
    switch choice / endings.count % 4 {
    case 1: (options.textColumns, options.labelColumn) = ([.name("FORM")], .name("XPOS"))
    case 2: (options.textColumns, options.labelColumn) = ([.index(1)], .index(0))
    case 3: options.labelNames = ["O", "B-PER", "I-PER"]
    default: break
    }
    let task = try TaskData(options), outputs = task.labels?.outputs ?? 0
    for sentence in try task.load(.train).sentences {
      guard !sentence.words.isEmpty, sentence.tags?.count == sentence.words.count, sentence.line > 0 else {
        throw FuzzFinding(problem: "a sentence without words, or with another number of tags")
      }
      if sentence.tags?.contains(where: { !(0..<outputs).contains($0) }) == true {
        throw FuzzFinding(problem: "a tag beyond the last")
      }
    }
    for style in [SentenceTagger.Style.columns, .json] {
      guard let data = try task.texts(PredictionInput(bytes: bytes, name: "lines")) else { continue }
      var tagger = SentenceTagger(data.sentences, tags: task.labels?.names ?? [], style: style)
      _ = try tagger.finish()
    }
    let tags = EntityTags(task.labels?.names ?? [])
    _ = tags.entities((0..<(2 * outputs)).map { $0 * 7 % max(1, outputs) })
  }
}
