import Adapters
import Configuration
import Diagnostics
import Metrics
import Models
import StrictJSON
import Tasks

/// The config that `init` writes, with a comment on every value that came from looking.
struct InitialConfig {
  let name: String
  let modelPath: String
  let model: ModelConfig
  let look: DataLook
  let strategy: String
  /// `max_seq_length`.
  let maxLength: Int
  /// What there is of the data; nil in a draft.
  var data: MeasuredData?

  private var isLanguage: Bool { look.task.isLanguageModelling }
  private var count: Int { data?.count ?? 10_000 }
  private var batchSize: Int { isLanguage ? 8 : count < 1000 ? 16 : 32 }
  private var epochs: Int { isLanguage ? 3 : count < 1000 ? 20 : count < 10_000 ? 10 : 3 }
  private var steps: Int { (count + batchSize - 1) / batchSize * epochs }
  /// Narrow models want larger steps.
  private var learningRate: String { model.hiddenSize < 512 ? "1e-3" : isLanguage ? "2e-4" : "4e-4" }
  private var hasValidation: Bool {
    let task = look.options
    return task.dataDir != nil || task.validationFile != nil || task.validationSplit != nil
  }

  /// Whether a method that acts between steps has the steps for it.
  var hasTimeToMerge: Bool {
    get throws {
      let config = try RunConfig.load(text: text, file: "the config", name: name)
      let method = try AdapterMethod.named(strategy)
      let table = try config.adapter.placement.table(ModelGeometry(model, head: look.task.headKind), method: method)
      // A tenth of the examples may be held back.
      return (try? method.procedure?.begin(config.adapter.methodOptions, table, steps * 9 / 10)) != nil
    }
  }

  var text: String {
    let summary = AdapterMethod.all.first { $0.name == strategy }?.summary ?? ""
    return """
      // swift-peft train \(name).json
      {
        "name": \(quoted(name)),
        // \(model.modelType), \(model.layers) layers of width \(model.hiddenSize)
        "model": \(quoted(modelPath)),
        "task": {
      \(task)
          // \(lengthComment)
          "max_seq_length": \(maxLength)
        },
        "adapter": {
          // \(summary)
          // Others: \(AdapterMethod.all.map(\.name).filter { $0 != strategy }.joined(separator: ", "))
          "strategy": \(quoted(strategy)),
          "r": 8,
          "lora_alpha": 16,
          // Suffixes of module names, or "all-linear"
          "target_modules": [\(model.architecture.defaultTargets.map(quoted).joined(separator: ", "))]\(earlier)
        },
        "training": {
          // \(countComment)
          "num_train_epochs": \(epochs),
          "train_batch_size": \(batchSize),
          "learning_rate": \(learningRate),
          "weight_decay": 0.01,
          "warmup_ratio": 0.06,
          "seed": 42,
          "eval_strategy": "\(hasValidation ? "epoch" : "no")"
        },
        "output_dir": \(quoted("runs/\(name)"))
      }

      """
  }

  /// What stands for the adapter that the strategy goes on from, which only the person knows.
  static let placeholder = "DIRECTORY"

  /// Whether the config has the placeholder.
  var needsEarlierAdapter: Bool { AdapterMethod.all.contains { $0.name == strategy && $0.design.adoption != nil } }

  private var earlier: String {
    needsEarlierAdapter
      ? ",\n    // The adapter to go on from: the output_dir of a run, or an adapter of PEFT"
        + "\n    \"init_from\": \(quoted(Self.placeholder))" : ""
  }

  // MARK: - The task

  private var task: String {
    let task = look.options
    var lines = ["// \(seen)", "\"name\": \(quoted(task.name)),"]
    func add(_ key: String, _ value: String?) { value.map { lines.append("\"\(key)\": \($0),") } }
    func files(_ paths: [String]?) -> String? { paths.map { $0.count == 1 ? quoted($0[0]) : list($0.map(quoted)) } }
    add("data_dir", task.dataDir.map(quoted))
    add("train_file", files(task.trainFile))
    add("validation_file", files(task.validationFile))
    if let share = task.validationSplit {
      lines.append("// There is no file to validate on: a tenth of the training examples is held back.")
      add("validation_split", String(share))
    }
    add("test_file", files(task.testFile))
    if let template = task.chatTemplate {
      lines.append(
        template == "model"
          ? "// The model's own chat template" : "// The model has no chat template; this one needs no special tokens.")
      add("chat_template", quoted(template))
    }
    add("file_format", task.fileFormat.map { quoted($0.rawValue) })
    add("delimiter", task.delimiter.map { quoted(String($0)) })
    add("text_columns", task.textColumns.map { list($0.map(column)) })
    add("label_column", task.labelColumn.map(column))
    add("problem_type", task.problemType.map { quoted($0.rawValue) })
    add("label_separator", task.labelSeparator.map(quoted))
    if !task.hasHeader { add("has_header", "false") }
    return lines.map { "    " + $0 }.joined(separator: "\n")
  }

  /// What the data is.
  private var seen: String {
    switch data?.labels {
    case nil: upperFirst(look.what)
    case .regression: "Labels are numbers: a regression"
    case .classes(let names): "\(names.count) classes: \(some(names))"
    case .labelSets(let names): "Any of \(names.count) labels: \(some(names))"
    }
  }

  private func some(_ names: [String]) -> String {
    names.prefix(8).map(oneLine).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
  }

  private var lengthComment: String {
    guard let data, let longest = data.lengths.last else {
      return "Texts are packed into blocks of so many tokens."
    }
    let cut = data.lengths.count { $0 > maxLength }, verb = cut == 1 ? "is" : "are"
    return "Of the first \(grouped(data.lengths.count)) examples the longest has \(longest) tokens; "
      + "\(grouped(cut)) \(verb) \(isLanguage ? "longer than max_seq_length" : "cut")."
  }

  private var countComment: String {
    guard let count = data?.count else { return "More than \(grouped(data?.lengths.count ?? 0)) examples" }
    return "\(grouped(count)) \(data?.lengths.isEmpty == true ? "blocks" : "examples"): \(grouped(steps)) steps in all"
  }

  private func column(_ column: Column) -> String {
    switch column {
    case .name(let name): quoted(name)
    case .index(let number): String(number)
    }
  }

  private func list(_ elements: [String]) -> String { "[\(elements.joined(separator: ", "))]" }
  private func quoted(_ text: String) -> String { JSONWriter.quoted(text) }
  private func upperFirst(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
  /// A comment ends with its line.
  private func oneLine(_ text: String) -> String {
    text.clipped.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
