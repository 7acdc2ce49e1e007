import Diagnostics
import Foundation
import Metrics
import Testing

@testable import Tasks

/// A directory of files that is gone after the test.
final class Folder {
  let path: String

  init(_ files: [String: String]) throws {
    path = NSTemporaryDirectory() + "swift-peft-tasks-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, text) in files {
      let file = URL(fileURLWithPath: path + "/" + name)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// What a config could say about a task.
func options(
  _ name: String, dataDir: String? = nil, trainFile: String? = nil, validationFile: String? = nil,
  testFile: String? = nil, textColumns: [Column]? = nil, labelColumn: Column? = nil, hasHeader: Bool = true,
  maxTrainSamples: Int? = nil, maxEvalSamples: Int? = nil
) -> TaskOptions {
  var options = TaskOptions(name: name)
  (options.dataDir, options.trainFile) = (dataDir, trainFile.map { [$0] })
  (options.validationFile, options.testFile) = (validationFile.map { [$0] }, testFile.map { [$0] })
  (options.textColumns, options.labelColumn, options.hasHeader) = (textColumns, labelColumn, hasHeader)
  (options.maxTrainSamples, options.maxEvalSamples) = (maxTrainSamples, maxEvalSamples)
  return options
}

extension SplitData {
  /// The examples without the name of their file.
  var rows: [Example] {
    examples.map { Example(text: $0.text, pair: $0.pair, label: $0.label, line: $0.line) }
  }
}

@Suite struct TaskDataTests {
  @Test func loadsSST2() throws {
    let folder = try Folder([
      "train.tsv": "sentence\tlabel\ngood \t1\nbad \t0\nfine \t1\n", "dev.tsv": "label\tsentence\r\n1\tok\r\n",
      "test.tsv": "index\tsentence\n0\tso so\n",
    ])
    let task = try TaskData(options("sst2", dataDir: folder.path, maxTrainSamples: 2))
    #expect(task.labels == .classes(["0", "1"]))
    #expect(task.metrics == [.accuracy, .loss])
    #expect(task.task.splits == [.train, .validation, .test])
    let train = try task.load(.train)
    #expect(
      train.rows == [
        Example(text: "good ", label: .classIndex(1), line: 2), Example(text: "bad ", label: .classIndex(0), line: 3),
      ])
    #expect(train.files == [folder.path + "/train.tsv"])
    #expect(try task.load(.validation).rows == [Example(text: "ok", label: .classIndex(1), line: 2)])
    #expect(try task.load(.test).rows == [Example(text: "so so", line: 2)])
  }

  @Test func loadsBothLayoutsOfCoLA() throws {
    let folder = try Folder([
      "dev.tsv": "gj04\t1\t\tThe sailors rode.\nclc95\t0\t*\tThem saw.\n", "test.tsv": "index\tsentence\n0\tBill.\n",
    ])
    let task = try TaskData(options("cola", dataDir: folder.path))
    #expect(try task.load(.validation).examples.map(\.label) == [.classIndex(1), .classIndex(0)])
    #expect(try task.load(.validation).examples.map(\.line) == [1, 2])
    #expect(try task.load(.test).rows == [Example(text: "Bill.", line: 2)])
    let labelled = options("cola", testFile: folder.path + "/dev.tsv")
    #expect(try TaskData(labelled).load(.test).examples.map(\.label) == [.classIndex(1), .classIndex(0)])
  }

  @Test func loadsMNLIsTwoDevelopmentSets() throws {
    let header = "index\tsentence1\tsentence2\tlabel1\tgold_label\n"
    let folder = try Folder([
      "dev_matched.tsv": header + "0\ta\t\tneutral\tcontradiction\n",
      "dev_mismatched.tsv": header + "0\tc\td\tneutral\tneutral\n",
      "test.tsv": "index\tsentence1\tsentence2\n0\te\tf\n",
    ])
    let task = try TaskData(options("mnli", dataDir: folder.path + "/"))
    #expect(task.task.splits == Split.allCases)
    #expect(
      try task.load(.validation).rows == [Example(text: "a", pair: "", label: .classIndex(2), line: 2)])
    #expect(try task.load(.validationMismatched).examples.map(\.label) == [.classIndex(1)])
    #expect(try task.load(.test).rows == [Example(text: "e", pair: "f", line: 2)])
  }

  @Test func aSavedHeadDecidesTheOrderOfClasses() throws {
    let source = options("mnli", dataDir: "d")
    let order = LabelSpace.classes(["contradiction", "entailment", "neutral"])
    #expect(try TaskData(source, knownLabels: order).labels == order)
    let other = LabelSpace.classes(["0", "1", "2"])
    let expected = LabelSpace.classes(["entailment", "neutral", "contradiction"])
    #expect(throws: TaskError.otherLabels(task: "mnli", given: other, expected: expected)) {
      try TaskData(source, knownLabels: other)
    }
  }

  /// A format of one's own numbers its classes in its own order.
  @Test func aSavedHeadDecidesTheOrderOfOnesOwnClasses() throws {
    let own = Task.classification(
      "own", summary: "", files: [.train: ["t"]], labels: .classes(["bad", "good"])
    ) { _, _ in [Example(text: "a", label: .classIndex(0), line: 1), Example(text: "b", line: 2)] }
    let folder = try Folder(["t": ""])
    func labels(_ known: [String]?) throws -> [Label?] {
      try TaskData(own, options("own", dataDir: folder.path), knownLabels: known.map(LabelSpace.classes))
        .load(.train).examples.map(\.label)
    }
    #expect(try labels(nil) == [.classIndex(0), nil])
    #expect(try labels(["good", "bad"]) == [.classIndex(1), nil])
    #expect(throws: TaskError.self) { try labels(["x", "y"]) }
  }

  @Test func findsTheClassesOfATSVInItsWholeTrainingFile() throws {
    let folder = try Folder(["t.tsv": "yes\tx\nyes\ty\nno\tz\n", "d.tsv": "maybe\tx\nno\ty\n\tz\n"])
    let source = options(
      "tsv", trainFile: folder.path + "/t.tsv", validationFile: folder.path + "/d.tsv",
      textColumns: [.index(1)], labelColumn: .index(0), hasHeader: false, maxTrainSamples: 1)
    let task = try TaskData(source)
    #expect(task.labels == .classes(["no", "yes"]))
    #expect(try task.load(.train).rows == [Example(text: "x", label: .classIndex(1), line: 1)])
    let error = #expect(throws: ErrorList.self) { try task.load(.validation) }
    #expect(
      error?.description == """
        \(folder.path)/d.tsv:1: unknown label "maybe"; the labels are "no", "yes"
        \(folder.path)/d.tsv:3: the label is empty
        """)
    #expect(try TaskData(source, knownLabels: .classes(["maybe", "no"])).labels?.outputs == 2)
  }

  @Test func aTSVOfFractionsIsRegression() throws {
    let folder = try Folder(["train.tsv": "a\tb\tscore\nx\ty\t1\nx\t\t2.5\n", "test.tsv": "a\tb\nx\ty\n"])
    let source = options(
      "tsv", trainFile: folder.path + "/train.tsv", testFile: folder.path + "/test.tsv",
      textColumns: [.name("a"), .name("b")], labelColumn: .name("score"))
    let task = try TaskData(source)
    #expect(task.labels == .regression)
    #expect(task.metrics == [.pearson, .spearman, .loss])
    #expect(try task.load(.train).examples.map(\.label) == [.score(1), .score(2.5)])
    #expect(try task.load(.train).examples.map(\.pair) == ["y", ""])
    #expect(try task.load(.test).rows == [Example(text: "x", pair: "y", line: 2)])
  }

  @Test func gathersTheErrorsOfAFile() throws {
    let folder = try Folder(["dev.tsv": "sentence\tlabel\nno label\n\nfine\t1\nbad\n"])
    let task = try TaskData(options("sst2", dataDir: folder.path))
    let error = #expect(throws: ErrorList.self) { try task.load(.validation) }
    let file = folder.path + "/dev.tsv"
    #expect(
      error?.errors as? [TaskError] == [
        .missingField(file: file, line: 2, column: "\"label\"", fields: 1), .blankLine(file: file, line: 3),
        .missingField(file: file, line: 5, column: "\"label\"", fields: 1),
      ])
  }

  @Test func reportsTheRareBrokenRowsOfQQP() throws {
    let header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n", good = "1\t2\t3\ta\tb\t1\n"
    let broken = "1\t2\t3\ta\n"
    let many = header + String(repeating: good, count: 1999) + broken
    let folder = try Folder(["train.tsv": many, "dev.tsv": header + good + broken])
    let task = try TaskData(options("qqp", dataDir: folder.path))
    let train = try task.load(.train)
    #expect(train.examples.count == 1999)
    #expect(
      train.skipped == [
        .missingField(file: folder.path + "/train.tsv", line: 2001, column: "\"question2\"", fields: 4)
      ])
    #expect(throws: TaskError.self) { try task.load(.validation) }
  }

  @Test func readsTextsToPredict() throws {
    func texts(_ name: String, _ text: String) throws -> [Example]? {
      try TaskData(options(name)).texts(PredictionInput(bytes: Array(text.utf8), name: "stdin"))?.rows
    }
    #expect(
      try texts("sst2", "a\tb\n\nc\r\n")
        == [Example(text: "a\tb", line: 1), Example(text: "", line: 2), Example(text: "c", line: 3)])
    #expect(try texts("sst2", "sentence\nhello\n") == [Example(text: "hello", line: 2)])
    #expect(try texts("rte", "a\t\n") == [Example(text: "a", pair: "", line: 1)])
    #expect(throws: TaskError.notAPair(file: "stdin", line: 1, fields: 1)) { try texts("rte", "a") }
    #expect(try texts("instruct", "a") == nil)
  }

  /// One table in four formats, told by the file's ending.
  @Test func tablesOfEveryFormat() throws {
    let folder = try Folder([
      "a.tsv": "text\tlabel\nso \"good\"\tyes\nbad, bad\tno\n",
      "a.csv": "text,label\n\"so \"\"good\"\"\",yes\n\"bad, bad\",no\n",
      "a.jsonl": #"{"text": "so \"good\"", "label": "yes"}"# + "\n" + #"{"label": "no", "text": "bad, bad"}"#,
      "a.json": "[{\"text\": \"so \\\"good\\\"\", \"label\": \"yes\"},\n{\"text\": \"bad, bad\", \"label\": \"no\"}]",
    ])
    for ending in ["tsv", "csv", "jsonl", "json"] {
      let source = options(
        "tsv", trainFile: "\(folder.path)/a.\(ending)", textColumns: [.name("text")], labelColumn: .name("label"))
      let task = try TaskData(source)
      #expect(task.labels == .classes(["no", "yes"]), "\(ending)")
      let examples = try task.load(.train).examples
      #expect(examples.map(\.text) == ["so \"good\"", "bad, bad"], "\(ending)")
      #expect(examples.map(\.label) == [.classIndex(1), .classIndex(0)], "\(ending)")
    }
  }

  @Test func labelsInJSONMayBeNumbers() throws {
    let lines = #"{"text": "a", "label": 0.5}"# + "\n" + #"{"text": "b", "label": 2}"#
    let folder = try Folder(["a.jsonl": lines, "b.jsonl": lines + "\n" + #"{"text": 3, "label": 1}"#])
    func task(_ file: String) throws -> TaskData {
      try TaskData(
        options(
          "tsv", trainFile: "\(folder.path)/\(file)", textColumns: [.name("text")], labelColumn: .name("label")))
    }
    #expect(try task("a.jsonl").labels == .regression)
    #expect(try task("a.jsonl").load(.train).examples.map(\.label) == [.score(0.5), .score(2)])
    #expect(
      message { _ = try task("b.jsonl") } == "\(folder.path)/b.jsonl:3: text must be a string, not a whole number")
    #expect(
      message {
        _ = try TaskData(
          options("tsv", trainFile: "\(folder.path)/a.jsonl", textColumns: [.index(0)], labelColumn: .name("label")))
      } == "\(folder.path)/a.jsonl:1: no column number 0; JSON records have names")
  }
}
