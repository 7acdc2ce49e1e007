import Diagnostics
import Foundation
import Metrics
import Testing

@testable import Tasks

/// The task on a file of its own, for training and as a test.
struct TextTask {
  let data: TaskData
  let path: String
  private let folder: Folder

  /// `change` gets the options and the file's path before they are used.
  init(
    _ file: String, _ text: String, known: LabelSpace? = nil, change: (inout TaskOptions, String) -> Void = { _, _ in }
  ) throws {
    folder = try Folder([file: text])
    path = "\(folder.path)/\(file)"
    var source = options(
      "text-classification", trainFile: path, testFile: path, textColumns: [.name("text")],
      labelColumn: .name("label"))
    change(&source, path)
    data = try TaskData(source, knownLabels: known)
  }

  func load(_ split: Split) throws -> SplitData { try withExtendedLifetime(folder) { try data.load(split) } }

  func labels(_ split: Split) throws -> [Label?] { try load(split).examples.map(\.label) }
}

@Suite struct LabelNameTests {
  private func labels(_ file: String, _ text: String, _ names: [String], _ split: Split = .train) throws -> [Label?] {
    try TextTask(file, text) { source, _ in source.labelNames = names }.labels(split)
  }

  @Test func bothNamesAreOneTask() throws {
    let (now, before) = (try Task.all.named("text-classification"), try Task.all.named("tsv"))
    #expect(now.name == "text-classification" && before.name == "tsv")
    #expect(before.options == now.options && before.metrics == now.metrics)
  }

  @Test func theConfigFixesTheirOrder() throws {
    let task = try TextTask("a.tsv", "text\tlabel\na\tneg\nb\tpos\nc\tneg\n") { source, _ in
      source.labelNames = ["pos", "neg", "unseen"]
    }
    #expect(task.data.labels == .classes(["pos", "neg", "unseen"]))
    #expect(try task.labels(.train) == [.classIndex(1), .classIndex(0), .classIndex(1)])
  }

  /// As `ClassLabel.str2int` of the library datasets: a name first, else a number is a place in the list.
  @Test func numbersAreTheirPlaces() throws {
    #expect(try labels("a.csv", "text,label\na,1\nb,0\nc,pos\n", ["neg", "pos"]) == [1, 0, 1].map(Label.classIndex))
    let json = "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 0}\n"
    #expect(try labels("a.jsonl", json, ["neg", "pos"]) == [1, 0].map(Label.classIndex))
    #expect(try labels("a.csv", "text,label\na,1\nb,2\nc,3\n", ["3", "2", "1"]) == [2, 1, 0].map(Label.classIndex))
    let truth = "{\"text\": \"a\", \"label\": true}\n{\"text\": \"b\", \"label\": false}\n"
    #expect(try labels("a.jsonl", truth, ["false", "true"]) == [1, 0].map(Label.classIndex))
  }

  @Test func othersAreRefused() throws {
    for label in ["2", "-1", "Neg", "1.0", "01", " pos"] {
      let text = message { _ = try labels("a.csv", "text,label\na,pos\nb,\(label)\n", ["neg", "pos"]) }
      #expect(text.hasSuffix("a.csv:3: unknown label \"\(label)\"; the labels are \"neg\", \"pos\""), "\(text)")
    }
    #expect(message { _ = try labels("a.csv", "", ["a"]) } == "task.label_names: must be two names or more")
    #expect(message { _ = try labels("a.csv", "", ["a", "b", "a"]) } == "task.label_names: has \"a\" twice")
  }

  /// A head of the same names keeps its order; numbers stay places in the config's list.
  @Test func aSavedHeadKeepsItsOrder() throws {
    let task = try TextTask("a.tsv", "text\tlabel\na\t0\nb\tpos\n", known: .classes(["pos", "neg"])) {
      source, _ in source.labelNames = ["neg", "pos"]
    }
    #expect(task.data.labels == .classes(["pos", "neg"]))
    #expect(try task.labels(.train) == [.classIndex(1), .classIndex(0)])
    #expect(
      message {
        _ = try TextTask("a.tsv", "", known: .classes(["x", "neg"])) {
          $0.labelNames = ["neg", "pos"]; _ = $1
        }
      }
        == "the head was trained on classes \"x\", \"neg\", but text-classification has classes \"neg\", \"pos\"")
  }
}

@Suite struct LabelReadingTests {
  @Test func labelsThatChangeTheirTypeAreRefused() throws {
    let rows = [#""label": 1"#, #""label": "1""#, #""label": true"#, #""label": 2"#].map { "{\"text\": \"a\", \($0)}" }
    let text = message { _ = try TextTask("a.jsonl", rows.joined(separator: "\n")) }
    let lines = text.split(separator: "\n").map { $0.split(separator: "/").last.map(String.init) ?? "" }
    #expect(
      lines == [
        "a.jsonl:2: the label is a string, but a number in line 1",
        "a.jsonl:3: the label is true or false, but a number in line 1",
      ])
    let list = "[\n" + rows[1] + ",\n" + rows[0] + "]"
    #expect(
      message { _ = try TextTask("a.json", list) }.hasSuffix("a.json:3: the label is a number, but a string in line 2"))
  }

  @Test func typesAreComparedOverFiles() throws {
    let folder = try Folder([
      "1.jsonl": "{\"text\": \"a\", \"label\": 1}", "2.jsonl": "{\"text\": \"a\", \"label\": \"b\"}",
    ])
    var source = options("tsv", textColumns: [.name("text")], labelColumn: .name("label"))
    source.trainFile = ["\(folder.path)/*.jsonl"]
    #expect(
      message { _ = try TaskData(source) }
        == "\(folder.path)/2.jsonl:1: the label is a string, but a number in \(folder.path)/1.jsonl:1")
  }

  /// GLUE's test files on the Hub, and many others, say −1 where they have no label.
  @Test(arguments: [nil, LabelSpace.classes(["0", "1"])]) func minusOneIsNoneInATestFile(known: LabelSpace?) throws {
    let folder = try Folder([
      "train.tsv": "sentence\tlabel\na\t1\nb\t0\n", "test.tsv": "sentence\tlabel\na\t-1\nb\t1\nc\t\n",
      "dev.tsv": "sentence\tlabel\na\t-1\n",
    ])
    let task = try TaskData(options("sst2", dataDir: folder.path), knownLabels: known)
    #expect(try task.load(.test).examples.map(\.label) == [nil, .classIndex(1), nil])
    #expect(
      message { _ = try task.load(.validation) }
        == "\(folder.path)/dev.tsv:2: unknown label \"-1\"; the labels are \"0\", \"1\"")
    let predicted = try task.texts(PredictionInput(path: "\(folder.path)/test.tsv"))
    #expect(predicted?.examples.map(\.label) == [nil, .classIndex(1), nil])
  }

  @Test func minusOneMayBeAClassOrAScore() throws {
    let task = try TextTask("a.csv", "text,label\na,-1\nb,1\n")
    let scores = try TextTask("a.csv", "text,label\na,-1\nb,0.5\n")
    let json = try TextTask(
      "a.jsonl", "{\"text\": \"a\", \"label\": -1}", known: .classes(["no", "yes"]))
    #expect(try task.labels(.test) == [.classIndex(0), .classIndex(1)])
    #expect(try scores.labels(.test) == [.score(-1), .score(0.5)])
    #expect(try json.labels(.test) == [nil])
  }

  /// é in one code point and in two: two classes, two columns, as in Python.
  @Test func labelsAreComparedByCodePoints() throws {
    let one = "caf\u{E9}", two = "cafe\u{301}"
    let task = try TextTask("a.tsv", "text\tlabel\na\t\(one)\nb\t\(two)\nc\tneg\n")
    guard case .classes(let names)? = task.data.labels else {
      Issue.record("no classes")
      return
    }
    #expect(names.areExactly([two, one, "neg"]))
    #expect(try task.labels(.train) == [1, 0, 2].map(Label.classIndex))
    #expect(LabelSpace.classes([one, two]) != .classes([two, one]))
    #expect(LabelSpace.classes([one, two]).hasSameLabels(as: .classes([two, one])))
    #expect(!LabelSpace.classes([one, "a"]).hasSameLabels(as: .classes([two, "a"])))
    let named = try TextTask("b.tsv", "text\tlabel\na\t\(two)\nb\t\(one)\n") {
      $0.labelNames = [one, two]; _ = $1
    }
    #expect(try named.labels(.train) == [1, 0].map(Label.classIndex))
    #expect(
      message {
        _ = try TextTask("c.tsv", "text\tlab\(two)l\na\tb\n") {
          $0.labelColumn = .name("lab\(one)l"); _ = $1
        }
      }
      .contains("c.tsv:1: no column"))
  }
}

@Suite struct HeldOutTests {
  @Test func everyClassGivesItsShare() throws {
    let classes = (0..<60).map { $0 % 6 == 0 ? 1 : 0 } + [2, 2, 3]
    let marks = try HeldOut(share: 0.2, seed: 42).marks(classes)
    let held = (0..<4).map { name in zip(classes, marks).count { $0 == name && $1 } }
    // 13 of 63: 10.3 of 50, 2.06 of 10, 0.41 of 2; one example alone is trained on.
    #expect(held == [10, 2, 1, 0])
    #expect(try HeldOut(share: 0.2, seed: 42).marks(classes) == marks)
    #expect(try HeldOut(share: 0.2, seed: 43).marks(classes) != marks)
  }

  /// As in scikit-learn's `train_test_split`.
  @Test(arguments: [(0.1, 10, 1), (0.1, 11, 2), (0.25, 10, 3), (0.5, 3, 2), (0.001, 10, 1)])
  func theNumberIsRoundedUp(share: Double, count: Int, held: Int) throws {
    let marks = try HeldOut(share: share, seed: 1).marks(Array(repeating: 0, count: count))
    #expect(marks.count { $0 } == held)
  }

  @Test func aColumnThatIsThereTwice() {
    #expect(
      message { _ = try TextTask("a.csv", "text,label,label\nx,a,b\ny,b,a\n") { _, _ in } }.hasSuffix(
        "a.csv:1: the header has the column \"label\" more than once"))
  }

  @Test func somethingMustBeLeft() {
    #expect(
      message { _ = try HeldOut(share: 0.9, seed: 1).marks([0, 0]) }
        == "task.validation_split: 0.9 of 2 examples leaves none on one side")
    #expect(
      message { _ = try HeldOut(share: 0.5, seed: 1).marks([]) }
        == "task.validation_split: 0.5 of 0 examples leaves none on one side")
    #expect(
      message { _ = try HeldOut(share: 0.3, seed: 1).marks([0, 1, 2]) }
        == "task.validation_split: none of 3 examples can be held back: each class has one, which stays in training")
  }

  @Test func bothPartsAreTheWhole() throws {
    let rows = (0..<40).map { "t\($0),\($0 % 4 == 0 ? "yes" : "no")" }
    let task = try TextTask("a.csv", "text,label\n" + rows.joined(separator: "\n")) { source, path in
      (source.validationSplit, source.maxTrainSamples) = (0.25, 29)
      source.trainFile = [path]
    }
    let train = try task.load(.train), held = try task.load(.validation)
    #expect(held.files == [task.path] && held.notes == [])
    #expect(train.notes == ["validation_split: 10 of 40 examples are held back to validate on"])
    #expect(train.examples.count == 29 && held.examples.count == 10)
    // 2.5 of the 10 and 7.5 of the 30.
    #expect(held.examples.count { $0.label == .classIndex(1) } == 2)
    let lines = train.examples.map(\.line), others = held.examples.map(\.line)
    #expect(lines == lines.sorted() && others == others.sorted() && Set(lines).isDisjoint(with: others))
    #expect(try task.load(.test).examples.count == 40)
    #expect(
      message {
        _ = try TextTask("a.csv", "") { source, path in (source.validationSplit, source.validationFile) = (0.5, [path])
        }
      } == "task.validation_split: cannot go with validation_file")
  }
}
