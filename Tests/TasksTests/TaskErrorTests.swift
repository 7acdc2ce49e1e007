import Diagnostics
import Testing

@testable import Tasks

@Suite struct TaskErrorTests {
  @Test(arguments: [
    (
      TaskError.unknownTask("sst", known: ["cola", "sst2", "tsv"]),
      """
      task.name: no task "sst", did you mean "sst2"?; the tasks are cola, sst2, tsv
      """
    ),
    (
      .noSuchSplit(task: "sst2", split: .validationMismatched, splits: [.train, .validation, .test]),
      "sst2 has no split validation_mismatched; its splits are train, validation, test"
    ),
    (
      .noFileGiven(task: "tsv", split: .validation),
      "task: neither validation_file nor data_dir is given, so tsv has no file for validation"
    ),
    (
      .columnsAreFixed(task: "rte"),
      "task: text_columns, label_column and has_header are for \"tsv\"; rte has its own"
    ),
    (.textColumnCount(3), "task.text_columns: \"tsv\" needs one or two columns, found 3"),
    (.labelColumnMissing(split: .train), "task.label_column: \"tsv\" needs one for the train split"),
    (
      .nameWithoutHeader(.name("text")),
      "task: has_header is false, so column \"text\" must be given by its 0-based number"
    ),
    (.negativeColumn(-1), "task: a column's number is 0 or more, found -1"),
    (.sampleCount(key: "max_train_samples", -1), "task.max_train_samples: must be 1 or more, found -1"),
    (
      .otherLabels(task: "stsb", given: .classes(["0", "1"]), expected: .regression),
      "the head was trained on classes \"0\", \"1\", but stsb has regression"
    ),
    (
      .missingFile(file: "d/dev.tsv", task: "sst2", split: .validation),
      "d/dev.tsv: no such file; looked for the validation split of sst2"
    ),
    (.unreadable(file: "d", reason: "is a directory"), "d: is a directory"),
    (.emptyFile(file: "t.tsv"), "t.tsv: the file is empty"),
    (.onlyHeader(file: "t.tsv"), "t.tsv: no rows after the header"),
    (
      .missingColumn(file: "t.tsv", column: .name("sentense"), header: ["sentence", "label"]),
      "t.tsv:1: no column \"sentense\", did you mean \"sentence\"?; the header has \"sentence\", \"label\""
    ),
    (
      .missingColumn(file: "t.tsv", column: .index(3), header: nil),
      "t.tsv:1: no column number 3; the first line has fewer fields"
    ),
    (.invalidUTF8(file: "t.tsv", line: 2), "t.tsv:2: not UTF-8"),
    (.blankLine(file: "t.tsv", line: 2), "t.tsv:2: blank line"),
    (
      .missingField(file: "t.tsv", line: 2, column: "\"label\"", fields: 1),
      "t.tsv:2: no field for column \"label\"; the line has 1 field"
    ),
    (
      .notAPair(file: "t.tsv", line: 2, fields: 3),
      "t.tsv:2: a pair is two fields with a TAB between them; the line has 3"
    ),
    (.emptyLabel(file: "t.tsv", line: 2), "t.tsv:2: the label is empty"),
    (
      .unknownLabel(file: "t.tsv", line: 2, label: "x", known: ["0", "1"]),
      "t.tsv:2: unknown label \"x\"; the labels are \"0\", \"1\""
    ),
    (.labelNotNumber(file: "t.tsv", line: 2, label: "x"), "t.tsv:2: label \"x\" is not a number"),
    (.labelNotFinite(file: "t.tsv", line: 2, label: "nan"), "t.tsv:2: label \"nan\" is not a finite number"),
    (
      .oneClass(file: "t.tsv", label: "1"),
      "t.tsv: every label is \"1\"; classification needs at least two classes"
    ),
    (
      .noEndOfText(directory: "m"),
      "m/config.json: eos_token_id is missing: texts and answers need a token that ends them"
    ),
    (
      .noRoomToPredict(maxLength: 1),
      "task.max_seq_length: must be at least 2, since each token is predicted from those before it; found 1"
    ),
    (.andMore(file: "t.tsv", count: 5), "t.tsv: and 5 more"),
  ])
  func saysOneSentence(error: TaskError, sentence: String) {
    #expect(error.description == sentence)
  }

  @Test func missingFilesExitWith66AndAllElseWith65() {
    #expect(TaskError.missingFile(file: "f", task: "sst2", split: .train).exitStatus == .missingInput)
    #expect(TaskError.unreadable(file: "f", reason: "r").exitStatus == .missingInput)
    #expect(TaskError.blankLine(file: "f", line: 1).exitStatus == .badInput)
  }

  @Test func listsTheFirstTwenty() {
    var problems = FileProblems(file: "t.tsv")
    for line in 1...25 { problems.add(.blankLine(file: "t.tsv", line: line)) }
    let error = #expect(throws: ErrorList.self) { try problems.throwIfAny() }
    #expect(error?.errors.count == 21)
    #expect(error?.description.hasSuffix("t.tsv:20: blank line\nt.tsv: and 5 more") == true)
    #expect(listed((1...21).map(String.init)).hasSuffix("\"20\" and 1 more"))
  }
}
