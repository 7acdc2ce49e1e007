import StrictJSON
import Tasks

/// The data set, and which part of it is used: the section `task`.
public typealias TaskConfig = TaskOptions

extension TaskConfig: PlainConfigSection {
  static let initial = TaskConfig(name: "")

  static func fields(_ catalog: Catalog) -> [Field<TaskConfig>] {
    [
      Field("name", \.name, .name(of: catalog.tasks.map(\.name)), required: true),
      Field("data_dir", optional: \.dataDir, .text),
      Field("train_file", optional: \.trainFile, .text),
      Field("validation_file", optional: \.validationFile, .text),
      Field("test_file", optional: \.testFile, .text),
      Field("text_columns", optional: \.textColumns, .columns),
      Field("label_column", optional: \.labelColumn, .column),
      Field("has_header", \.hasHeader, .truth),
      Field("prompt_template", optional: \.promptTemplate, .text),
      Field("choice_style", optional: \.choiceStyle, .name(of: ChoiceStyle.allCases.map(\.rawValue))),
      Field("num_fewshot", optional: \.numFewshot, .integer(0...)),
      Field("fewshot_file", optional: \.fewshotFile, .text),
      Field("max_seq_length", \.maxSeqLength, .integer(1...)),
      Field("max_train_samples", optional: \.maxTrainSamples, .integer(1...)),
      Field("max_eval_samples", optional: \.maxEvalSamples, .integer(1...)),
    ]
  }
}

extension FieldKind where Value == Column {
  static var column: Self {
    Self(
      read: { node in
        if let name = node.string, !name.isEmpty { return .value(.name(name)) }
        if let number = node.integer, number >= 0, number <= FieldKind<Int>.largestCount {
          return .value(.index(number))
        }
        return .expected("a column's name or 0-based number")
      },
      write: { column in
        switch column {
        case .name(let name): .string(name)
        case .index(let number): .integer(number)
        }
      },
      schema: ["type": ["string", "integer"], "minLength": 1, "minimum": 0])
  }
}

extension FieldKind where Value == [Column] {
  static var columns: Self {
    .list("a list of one or two columns, by name or 0-based number", of: .column, most: 2)
  }
}
