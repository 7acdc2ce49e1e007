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
      .badOption(key: "text_columns", problem: "must be one or two columns, found 3"),
      "task.text_columns: must be one or two columns, found 3"
    ),
    (
      .otherLabels(task: "stsb", given: .classes(["0", "1"]), expected: .regression),
      "the head was trained on classes \"0\", \"1\", but stsb has regression"
    ),
    (
      .missingFile(file: "d/dev.tsv", task: "sst2", split: .validation),
      "d/dev.tsv: no such file; looked for the validation split of sst2"
    ),
    (
      .noMatch(pattern: "d/*.tsv", task: "tsv", split: .train),
      "d/*.tsv: matches no file; looked for the train split of tsv"
    ),
    (.unreadable(file: "d", reason: "is a directory"), "d: is a directory"),
    (.emptyFile(file: "t.tsv"), "t.tsv: the file is empty"),
    (.noTable(file: "t.conll"), "t.conll: CoNLL's columns are no table; task token-classification reads them"),
    (
      .noSentences(file: "t.csv", format: .csv),
      "t.csv: csv has no sentences; task token-classification reads CoNLL's columns (conll), JSONL and JSON"
    ),
    (
      .tagNumber(file: "t.jsonl", line: 3, number: 7),
      "t.jsonl:3: the tag 7 is a number; task.label_names must list what the numbers mean"
    ),
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
    (.numberedColumn(file: "t.json", column: .index(2)), "t.json:1: no column number 2; JSON records have names"),
    (.noLabelAtAll(file: "t.tsv"), "t.tsv: no row has a label"),
    (.badRecord(file: "t.json", line: 7, problem: "answer is missing"), "t.json:7: answer is missing"),
    (
      .nothingUsable(file: "t.json", reasons: ["an empty instruction", "an empty output"]),
      "t.json: no usable records: each has an empty instruction, or an empty output"
    ),
    (.tooFewShots(file: "dev.csv", found: 1, wanted: 5), "dev.csv: 1 question, fewer than the 5 for a prompt"),
    (
      .noShots(file: "quiz.csv"),
      "quiz.csv: no solved questions for the prompt: give a file of them, or name the files as MMLU's "
        + "(test/SUBJECT_test.csv, dev/SUBJECT_dev.csv)"
    ),
    (
      .textCount(file: "texts.txt", found: 2, references: "devset.csv", expected: 3),
      "texts.txt: 2 texts, but devset.csv has 3 meaning representations: one text is needed for each, in the order of "
        + "their first rows"
    ),
    (
      .noEndOfText(directory: "m"),
      "m/config.json: eos_token_id is missing: texts and answers need a token that ends them"
    ),
  ])
  func saysOneSentence(error: TaskError, sentence: String) {
    #expect(error.description == sentence)
  }

  @Test func missingFilesExitWith66AndAllElseWith65() {
    #expect(TaskError.missingFile(file: "f", task: "sst2", split: .train).exitStatus == .missingInput)
    #expect(TaskError.unreadable(file: "f", reason: "r").exitStatus == .missingInput)
    #expect(TaskError.blankLine(file: "f", line: 1).exitStatus == .badInput)
  }

  @Test(arguments: [
    (
      EncodingError.noTokens(example: 4, path: "m"),
      "m: the tokenizer makes no token of example 5, not even a special one"
    ),
    (
      .typeOutsideModel(type: 1, types: 1, path: "m"),
      "m: the tokenizer gives tokens the type 1, but type_vocab_size is 1"
    ),
  ])
  func aTokenizerThatDoesNotFit(error: EncodingError, sentence: String) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == .badInput)
  }

  @Test func namesTheFirstThreeLines() {
    let found = message {
      _ = try (1...25).mapAll { (line) throws(TaskError) in throw .blankLine(file: "t", line: line) }
    }
    #expect(found == "t:1: blank line\nt:2: blank line\nt:3: blank line\nand 22 more")
    #expect(listed((1...21).map(String.init)).hasSuffix("\"20\" and 1 more"))
  }
}
