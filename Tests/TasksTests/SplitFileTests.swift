import Diagnostics
import Foundation
import Metrics
import Testing

@testable import Tasks

/// Splits of several files, given as lists and patterns.
@Suite struct SplitFileTests {
  private let folder: Folder

  init() throws {
    folder = try Folder([
      "train-2.csv": "text,label\nc,yes\n", "train-10.csv": "text,label\na,yes\n\"b,\nb\",no\n",
      "more.jsonl": "{\"text\": \"d\", \"label\": \"no\"}\n", "odd[1].tsv": "text\tlabel\ne\tno\n",
      "bad.csv": "text,label\nx,maybe\n",
    ])
  }

  private func tsv(_ names: [String]) -> TaskOptions {
    var source = options("tsv", textColumns: [.name("text")], labelColumn: .name("label"))
    source.trainFile = names.map { "\(folder.path)/\($0)" }
    return source
  }

  @Test func filesFollowEachOther() throws {
    let task = try TaskData(tsv(["more.jsonl", "train-*.csv", "odd[1].tsv"]))
    #expect(task.labels == .classes(["no", "yes"]))
    let data = try task.load(.train)
    #expect(data.files == ["more.jsonl", "train-10.csv", "train-2.csv", "odd[1].tsv"].map { "\(folder.path)/\($0)" })
    #expect(data.examples.map(\.text) == ["d", "a", "b,\nb", "c", "e"])
    #expect(data.examples.map(\.line) == [1, 2, 3, 2, 2])
    let names = data.examples.map { $0.file.dropFirst(folder.path.count + 1) }
    #expect(names == ["more.jsonl", "train-10.csv", "train-10.csv", "train-2.csv", "odd[1].tsv"])
  }

  @Test func limitsCountOverFiles() throws {
    var source = tsv(["train-*.csv"])
    source.maxTrainSamples = 2
    #expect(try TaskData(source).load(.train).examples.map(\.text) == ["a", "b,\nb"])
  }

  @Test func errorsNameTheirFile() throws {
    #expect(
      message {
        _ = try TaskData(.table, tsv(["train-*.csv", "bad.csv"]), knownLabels: .classes(["no", "yes"])).load(.train)
      } == "\(folder.path)/bad.csv:2: unknown label \"maybe\"; the labels are \"no\", \"yes\"")
    #expect(
      message { _ = try TaskData(tsv(["none-*.csv"])) }
        == "\(folder.path)/none-*.csv: matches no file; looked for the train split of tsv")
    #expect(
      message { _ = try TaskData(tsv(["train-*.csv", "none.csv"])) }
        == "\(folder.path)/none.csv: no such file; looked for the train split of tsv")
    #expect(
      message { _ = try TaskData(tsv(["train-2.csv", "train-*.csv"])) }
        == "task.train_file: names \(folder.path)/train-2.csv twice")
    #expect(
      message { _ = try TaskData(tsv(["train-2.csv", "../\(folder.name)/train-2.csv"])) }
        == "task.train_file: names \(folder.path)/../\(folder.name)/train-2.csv twice")
    let one = try Folder(["a.tsv": "text\tlabel\nx\tyes\n", "b.tsv": "text\tlabel\ny\tyes\n"])
    var source = tsv([])
    source.trainFile = ["\(one.path)/*.tsv"]
    #expect(
      message { _ = try TaskData(source) }
        == "\(one.path)/a.tsv and 1 more file: every label is \"yes\"; classification needs at least two classes")
  }

  @Test func textsAndRecordsOfSeveralFiles() throws {
    let folder = try Folder([
      "1.json": #"[{"instruction": "a", "output": "b"}, {"instruction": "a", "output": ""}]"#,
      "2.jsonl": #"{"instruction": "c", "output": "d"}"#, "1.csv": "mr,ref\nname[A],x\nname[B],y\n",
      "2.csv": "mr,ref\nname[A],z\n",
    ])
    let files = try ["1.json", "2.jsonl"].map {
      try ConversationFile(Table(path: "\(folder.path)/\($0)"))
    }
    #expect(files.map { $0.conversations.map { $0.messages.last?.text } } == [["b"], ["d"]])
    #expect(files.map(\.file) == ["\(folder.path)/1.json", "\(folder.path)/2.jsonl"])
    #expect(files[0].skipped == ["\(folder.path)/1.json: left out 1 record with an empty output (line 1)"])
    var source = options("e2e")
    source.testFile = ["\(folder.path)/?.csv"]
    let references = try TaskData(source).references(.test)
    #expect(references?.examples.map(\.references) == [["x", "z"], ["y"]])
    #expect(references?.file == "\(folder.path)/1.csv and 1 more file")
  }

  @Test func noticesNameEveryFile() {
    let places = [(file: "a", line: 1), ("a", 3), ("b", 2)]
    #expect(
      notices(places) { "cut \(counted($0, "text"))" } == ["a: cut 2 texts (lines 1, 3)", "b: cut 1 text (line 2)"])
  }
}

extension Folder {
  /// The last part of the path.
  fileprivate var name: String { URL(fileURLWithPath: path).lastPathComponent }
}

/// `task.file_format` and `task.delimiter`.
@Suite struct TableStyleTests {
  private func texts(_ file: String, _ text: String, _ style: TableStyle) throws -> [String] {
    let folder = try Folder([file: text])
    var source = options(
      "tsv", trainFile: "\(folder.path)/\(file)", textColumns: [.name("text")], labelColumn: .name("label"))
    (source.fileFormat, source.delimiter) = (style.format, style.delimiter)
    return try TaskData(source, knownLabels: .classes(["no", "yes"])).load(.train).examples.map(\.text)
  }

  @Test func theFormatOverridesTheEnding() throws {
    #expect(try texts("a.txt", "text,label\n\"x,\ny\",no\n", TableStyle(format: .csv)) == ["x,\ny"])
    #expect(try texts("a.json", "{\"text\": \"x\", \"label\": \"no\"}\n", TableStyle(format: .jsonl)) == ["x"])
    #expect(try texts("a.csv", "text\tlabel\nx,y\tno\n", TableStyle(format: .tsv)) == ["x,y"])
    #expect(try texts("a.data", "[{\"text\": \"x\", \"label\": \"no\"}]", TableStyle(format: .json)) == ["x"])
  }

  /// As Python's `csv.reader(file, delimiter=…)` reads them.
  @Test func delimitersOfCSV() throws {
    #expect(
      try texts("a.csv", "text;label\n\"x;\"\"y\n\";no\n,;yes\n", TableStyle(delimiter: ";")) == ["x;\"y\n", ","])
    #expect(try texts("a.data", "label|text\r\nno|a\tb\r\n", TableStyle(delimiter: "|")) == ["a\tb"])
    #expect(try texts("a.tsv", "text\tlabel\n\"x\ty\"\tno\n", TableStyle(format: .csv, delimiter: "\t")) == ["x\ty"])
    #expect(
      message { _ = try texts("a.csv", "text;label\nx;y;no\n", TableStyle(delimiter: ";")) }.hasSuffix(
        "a.csv:2: 3 fields, the header has 2"))
    #expect(
      message { _ = try texts("a.csv", "text;label\n\"x;no\n", TableStyle(delimiter: ";")) }.hasSuffix(
        "a.csv:2: a quoted field does not end"))
  }

  @Test func aDelimiterThatWouldGoUnusedIsRefused() {
    for (file, format) in [("a.tsv", "tsv"), ("a.jsonl", "jsonl"), ("a.json", "json")] {
      let text = message { _ = try texts(file, "", TableStyle(delimiter: ";")) }
      #expect(text.hasPrefix("task.delimiter: is for CSV, but "))
      #expect(text.hasSuffix("\(file) is read as \(format); file_format says otherwise"))
    }
    for delimiter: Character in ["\"", "\n", "\r\n", "é"] {
      #expect(
        message { _ = try texts("a.csv", "", TableStyle(delimiter: delimiter)) }
          == "task.delimiter: must be one ASCII character, but no quote and no line break")
    }
  }

  @Test func languageTasksHaveThemToo() throws {
    let folder = try Folder([
      "a.data": "text;n\nx;1\n", "i.data": #"{"instruction": "a", "output": "b"}"#, "m.data": "q;a;b;c;d;A\n",
      "t.tsv": "text\tn\nx\t1\n", "e.data": "mr|ref\nname[A]|x\n",
    ])
    let semicolons = TableStyle(delimiter: ";")
    #expect(try TextDocuments(path: "\(folder.path)/a.data", style: semicolons).documents == ["x"])
    #expect(try TextDocuments(path: "\(folder.path)/t.tsv", style: TableStyle(format: .tsv)).documents == ["x"])
    #expect(
      try ConversationFile(Table(path: "\(folder.path)/i.data", style: TableStyle(format: .jsonl))).conversations.count
        == 1)
    #expect(try ChoiceQuestions(path: "\(folder.path)/m.data", format: semicolons).questions.map(\.answer) == [0])
    #expect(
      try PromptedDataset(e2e: ["\(folder.path)/e.data"], style: TableStyle(delimiter: "|"), groups: false)
        .examples.map(\.answer) == [" x"])
  }

  @Test func officialFilesHaveTheirOwnFormat() {
    for (key, source) in [("file_format", TableStyle(format: .csv)), ("delimiter", TableStyle(delimiter: ";"))] {
      var options = options("sst2")
      (options.fileFormat, options.delimiter) = (source.format, source.delimiter)
      #expect(message { _ = try TaskData(options) } == "task.\(key): task sst2 has a format of its own")
    }
  }
}
