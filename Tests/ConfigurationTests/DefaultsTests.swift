import Configuration
import Foundation
import StrictJSON
import Tasks
import Testing

@Suite struct DefaultsTests {
  @Test func everythingElseHasADefault() throws {
    let config = try RunConfig.load(text: config(), name: "sst2-first")
    #expect(config.name == "sst2-first")
    #expect(config.outputDir == "runs/sst2-first")
    #expect(config.database == "runs/swift-peft.sqlite")
    var task = TaskConfig(name: "sst2")
    task.dataDir = "d"
    #expect(config == RunConfig(name: "sst2-first", model: "m", task: task))
  }

  /// The contract's numbers, spelt out.
  @Test func theDefaultsAreThoseOfTheContract() throws {
    let text = try RunConfig.load(text: config(), name: "n").jsonText()
    let expected = """
      {
        "name": "n", "model": "m",
        "task": {
          "name": "sst2", "data_dir": "d", "train_file": null, "validation_file": null, "test_file": null,
          "text_columns": null, "label_column": null, "has_header": true, "prompt_template": null,
          "choice_style": null, "num_fewshot": null, "fewshot_file": null,
          "max_seq_length": null, "max_train_samples": null, "max_eval_samples": null
        },
        "adapter": {
          "strategy": "lora", "r": 8, "lora_alpha": 16, "lora_dropout": 0, "use_rslora": false,
          "target_modules": ["query", "value"], "init_from": null,
          "aslora": {
            "start_step": null, "merge_interval": null, "num_merges": null, "candidates": "adjacent",
            "metric": "l2", "direction": "lower_uses_upper"
          }
        },
        "training": {
          "num_train_epochs": 3, "max_steps": -1, "train_batch_size": 32, "eval_batch_size": 64,
          "gradient_accumulation_steps": 1, "learning_rate": 0.0004, "weight_decay": 0.1, "adam_beta1": 0.9,
          "adam_beta2": 0.999, "adam_epsilon": 1e-08, "max_grad_norm": 1,
          "label_smoothing_factor": 0, "lr_scheduler_type": "linear",
          "warmup_ratio": 0.06, "warmup_steps": 0, "seed": 42, "shuffle": true, "precision": "float32",
          "weights": null, "gradient_checkpointing": false,
          "shard_tokens": null,
          "logging_steps": 10, "eval_strategy": "epoch", "eval_steps": 0, "save_steps": 500, "save_total_limit": 2,
          "metric_for_best_model": null, "load_best_model_at_end": false, "early_stopping_patience": 0,
          "max_nonfinite_steps": 1
        },
        "output_dir": "runs/n", "database": "runs/swift-peft.sqlite"
      }
      """
    let compact = JSONWriter.text(try JSONParser.parse(expected).value, pretty: false)
    #expect(JSONWriter.text(try JSONParser.parse(text).value, pretty: false) == compact)
  }

  @Test func nullSectionsAndNamesAreDefaults() throws {
    let text = """
      {"name": null, "model": "m", "task": {"name": "cola", "data_dir": "d"}, "adapter": null, "training": null,
       "output_dir": null, "database": null}
      """
    let config = try RunConfig.load(text: text, name: "n")
    #expect(config.adapter == AdapterConfig())
    #expect(config.training == TrainingConfig())
    #expect(config.outputDir == "runs/n")
    #expect(config.database == RunConfig.defaultDatabase)
  }

  @Test func theFileNamesTheRun() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).v2.json")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(config().utf8).write(to: file)
    let config = try RunConfig.load(path: file.path)
    #expect(config.name == String(file.lastPathComponent.dropLast(5)))
    #expect(config.outputDir == "runs/\(config.name)")
  }

  @Test func resolvedConfigsReadBackEqual() throws {
    let text = config(
      task: "\"max_eval_samples\": 7",
      adapter: "\"target_modules\": \"all-linear\", \"lora_alpha\": 0.1, \"aslora\": {\"num_merges\": 0}",
      training: "\"num_train_epochs\": 0.5, \"save_total_limit\": null, \"metric_for_best_model\": \"eval_accuracy\"",
      top: "\"name\": \"a \\\"b\\\" \\u0001 é\"")
    let config = try RunConfig.load(text: text)
    #expect(config.training.metricForBestModel == "accuracy")
    #expect(try RunConfig.load(text: config.jsonText()) == config)
  }

  @Test func columnsReadBackEqual() throws {
    var task = TaskConfig(name: "tsv")
    (task.trainFile, task.validationFile) = (["t.tsv"], ["a/*.csv", "b.csv"])
    (task.fileFormat, task.delimiter) = (.csv, "\t")
    // For Swift the same text, in one code point and in two.
    task.labelNames = ["caf\u{E9}", "cafe\u{301}"]
    (task.problemType, task.metrics) = (.singleLabel, ["f1_macro", "loss"])
    task.classWeights = .byLabel([LabelWeight("caf\u{E9}", 1), LabelWeight("cafe\u{301}", 2.5)])
    task.textColumns = [.name("a"), .index(3)]
    task.labelColumn = .index(0)
    let config = RunConfig(name: "n", model: "m", task: task)
    #expect(try RunConfig.load(text: config.jsonText()) == config)
    for weights in [ClassWeights.balanced, .list([0.5, 2])] {
      task.classWeights = weights
      let config = RunConfig(name: "n", model: "m", task: task)
      #expect(try RunConfig.load(text: config.jsonText()).task.classWeights == weights)
    }
    // One file is a text, as it was before there were lists.
    let written = try JSONParser.parse(config.jsonText())["task"]
    #expect(written?["train_file"]?.string == "t.tsv" && written?["validation_file"]?.array?.count == 2)
  }
}
