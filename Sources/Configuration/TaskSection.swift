import StrictJSON
import Tasks

/// The data set, and which part of it is used: the section `task`.
public typealias TaskConfig = TaskOptions

extension TaskConfig: ConfigSection {
  static func fields(_ catalog: Catalog) -> [Field<TaskConfig>] {
    [
      Field("name", \.name, .name(of: catalog.tasks.flatMap { [$0.name] + $0.oldNames }), required: true),
      Field("data_dir", optional: \.dataDir, .text),
      Field("train_file", optional: \.trainFile, .files),
      Field("validation_file", optional: \.validationFile, .files),
      Field("test_file", optional: \.testFile, .files),
      Field("file_format", optional: \.fileFormat, .choice).omittedIfNull,
      Field("delimiter", optional: \.delimiter, .delimiter).omittedIfNull,
      Field("validation_split", optional: \.validationSplit, .number(above: 0, below: 1)).omittedIfNull,
      Field(
        "text_columns", optional: \.textColumns,
        .list("a list of one or two columns, by name or 0-based number", of: .column, most: 2)),
      Field("label_column", optional: \.labelColumn, .column),
      Field("has_header", \.hasHeader, .truth),
      Field("label_names", optional: \.labelNames, .labelNames).omittedIfNull,
      Field("problem_type", optional: \.problemType, .choice).omittedIfNull,
      Field("label_separator", optional: \.labelSeparator, .text).omittedIfNull,
      Field("class_weights", optional: \.classWeights, .classWeights).omittedIfNull,
      Field("metrics", optional: \.metrics, .metrics(catalog.metrics)).omittedIfNull,
      Field("prompt_template", optional: \.promptTemplate, .text),
      Field("chat_template", optional: \.chatTemplate, .text).omittedIfNull,
      Field("chat_template_date", optional: \.chatTemplateDate, .text).omittedIfNull,
      Field("assistant_only_loss", optional: \.assistantOnlyLoss, .assistantLoss).omittedIfNull,
      Field("packing", optional: \.packing, .truth).omittedIfNull,
      Field("choice_style", optional: \.choiceStyle, .name(of: ChoiceStyle.allCases.map(\.rawValue))),
      Field("num_fewshot", optional: \.numFewshot, .integer(0...)),
      Field("fewshot_file", optional: \.fewshotFile, .text),
      Field("max_seq_length", optional: \.maxSeqLength, .integer(1...)),
      Field("max_train_samples", optional: \.maxTrainSamples, .integer(1...)),
      Field("max_eval_samples", optional: \.maxEvalSamples, .integer(1...)),
    ]
  }
}

extension FieldKind where Value == [String] {
  /// A path or a pattern of paths, or a list of them. One alone is written as a text, as before there were lists.
  fileprivate static var files: Self {
    let paths = FieldKind.oneOrMore("a path or a list of paths", of: .text)
    return Self(
      read: paths.read, write: { $0.count == 1 ? .string($0[0]) : paths.write($0) }, schema: paths.schema)
  }
}

extension FieldKind where Value == [String] {
  /// Names that are told apart by their code points.
  fileprivate static var labelNames: Self {
    let what = "a list of names"
    return Self(
      read: { node in
        guard let nodes = node.array, !nodes.isEmpty else { return .expected(what) }
        let names = nodes.compactMap(\.string).filter { !$0.isEmpty }
        if names.count < nodes.count { return .expected(what) }
        return names.firstRepeated == nil ? .success(names) : .expected(what + ", none of them twice")
      },
      write: { .strings($0) },
      schema: ["type": "array", "items": ["type": "string", "minLength": 1], "minItems": 1, "uniqueItems": true])
  }
}

extension FieldKind where Value == Character {
  fileprivate static var delimiter: Self {
    Self(
      read: { node in
        guard let text = node.string, text.unicodeScalars.count == 1, let character = text.first,
          TableStyle.byte(character) != nil
        else { return .expected(TableStyle.delimiterRule) }
        return .success(character)
      },
      write: { .string(String($0)) }, schema: ["type": "string", "minLength": 1, "maxLength": 1])
  }
}

extension FieldKind where Value == AssistantLoss {
  /// `"all"` or `"last"`; true and false as in TRL.
  fileprivate static var assistantLoss: Self {
    Self(
      read: { node in
        if let isOn = node.bool { return .success(isOn ? .all : .everyToken) }
        switch node.string {
        case "all": return .success(.all)
        case "last": return .success(.last)
        default: return .expected("\"all\", \"last\", true or false")
        }
      },
      write: { $0 == .everyToken ? .bool(false) : .string($0.rawValue) },
      schema: ["enum": ["all", "last", false, true]])
  }
}

extension FieldKind where Value == Column {
  fileprivate static var column: Self {
    Self(
      read: { node in
        if let name = node.string, !name.isEmpty { return .success(.name(name)) }
        if let number = node.integer, (0...FieldKind<Int>.largestCount).contains(number) {
          return .success(.index(number))
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
