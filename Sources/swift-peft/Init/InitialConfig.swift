import Adapters
import Checkpoints
import Configuration
import Models
import StrictJSON
import Tasks
import Tokenizers

/// The config that `init` writes, with a comment on every value that came from looking.
struct InitialConfig {
  let name: String
  let modelPath: String
  let model: ModelConfig
  let data: DataLook
  let strategy: String
  /// Tokens of the sampled examples, sorted; empty without a tokenizer.
  let lengths: [Int]

  init(name: String, modelPath: String, data: DataLook, strategy: String) throws {
    (self.name, self.modelPath, self.data, self.strategy) = (name, modelPath, data, strategy)
    model = try ModelConfig(directory: modelPath)
    let tokenizer = try Tokenizer(modelDirectory: modelPath, modelType: model.modelType)
    lengths = data.sample.map { tokenizer.encode($0.text, pair: $0.pair).ids.count }.sorted()
  }

  /// The length that at most 1 of 100 examples exceeds, in steps of 16.
  private var maxLength: Int {
    guard let long = lengths.dropLast(lengths.count / 100).last else { return 128 }
    return min(model.maximumSequenceLength, (long + 15) / 16 * 16)
  }

  private var batchSize: Int { data.count < 1000 ? 16 : 32 }
  private var epochs: Int { data.count < 1000 ? 20 : data.count < 10_000 ? 10 : 3 }
  private var steps: Int { (data.count + batchSize - 1) / batchSize * epochs }
  /// Narrow models want larger steps.
  private var learningRate: String { model.hiddenSize < 512 ? "1e-3" : "4e-4" }

  private var targets: [String] {
    model.architecture.defaultTargets
  }

  var text: String {
    let task = data.task
    let long = lengths.last ?? 0
    let cut = lengths.filter { $0 > maxLength }.count
    return """
      // swift-peft train \(name).json
      {
        "name": \(quoted(name)),
        // \(model.modelType), \(model.layers) layers of width \(model.hiddenSize)
        "model": \(quoted(modelPath)),
        "task": {
      \(files(task))
          // Of the first \(grouped(lengths.count)) examples the longest has \(long) tokens; \(grouped(cut)) are cut.
          "max_seq_length": \(maxLength)
        },
        "adapter": {
          // \(summary)
          // Others: \(AdapterMethod.all.map(\.name).filter { $0 != strategy }.joined(separator: ", "))
          "strategy": \(quoted(strategy)),
          "r": 8,
          "lora_alpha": 16,
          // Suffixes of module names, or "all-linear"
          "target_modules": [\(targets.map(quoted).joined(separator: ", "))]
        },
        "training": {
          // \(grouped(data.count)) examples: \(grouped(steps)) steps in all
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

  private var hasValidation: Bool { data.task.dataDir != nil || data.task.validationFile != nil }

  private var summary: String { AdapterMethod.all.first { $0.name == strategy }?.summary ?? "" }

  private func files(_ task: TaskConfig) -> String {
    var lines = ["    // \(labels)", "    \"name\": \(quoted(task.name.rawValue)),"]
    func add(_ key: String, _ value: String?) { value.map { lines.append("    \"\(key)\": \(quoted($0)),") } }
    add("data_dir", task.dataDir)
    add("train_file", task.trainFile)
    add("validation_file", task.validationFile)
    if let texts = task.textColumns {
      lines.append("    \"text_columns\": [\(texts.map(column).joined(separator: ", "))],")
    }
    if let label = task.labelColumn { lines.append("    \"label_column\": \(column(label)),") }
    if !task.hasHeader { lines.append("    \"has_header\": false,") }
    return lines.joined(separator: "\n")
  }

  private var labels: String {
    switch data.labels {
    case .regression: "Labels are numbers: a regression"
    case .classes(let names):
      "\(names.count) classes: \(names.prefix(8).joined(separator: ", "))\(names.count > 8 ? ", …" : "")"
    }
  }

  private func column(_ column: Configuration.Column) -> String {
    switch column {
    case .name(let name): quoted(name)
    case .number(let number): String(number)
    }
  }

  private func quoted(_ text: String) -> String { JSONWriter.quoted(text) }
}
