import Adapters
import Configuration
import Foundation
import Tasks
import Testing

@Suite struct ContractTests {
  /// The example of the contract, word for word.
  private let example = """
    {
      "name": "sst2-aslora",                    // default: config file's name
      "model": "models/all-MiniLM-L6-v2",       // directory in HF layout, or a Hub id
      "task": {
        "name": "sst2",                         // cola sst2 mrpc stsb qqp mnli qnli rte wnli | tsv | causal-lm | …
        "data_dir": "data/glue/SST-2",          // GLUE's own file names: train.tsv, dev.tsv
        "train_file": null, "validation_file": null, "test_file": null,   // override or, for "tsv", define
        "text_columns": null, "label_column": null, "has_header": true,   // "tsv": names, or 0-based numbers
        "max_seq_length": 128,
        "max_train_samples": null, "max_eval_samples": null
      },
      "adapter": {
        "strategy": "aslora",                   // lora share-a share-b share-ab share-a-qkv share-b-qkv …
        "r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "use_rslora": false,
        "target_modules": ["query", "value"],   // suffix match as in PEFT, or "all-linear"
        "init_from": null,                      // start from a native or PEFT adapter directory
        "aslora": { "start_step": 320, "merge_interval": 240, "num_merges": 7, "candidates": "adjacent" }
      },
      "training": {
        "num_train_epochs": 3, "max_steps": -1, "train_batch_size": 32, "eval_batch_size": 64, "gradient_accumulation_steps": 1,
        "learning_rate": 4e-4, "weight_decay": 0.1, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0,
        "lr_scheduler_type": "linear",          // linear cosine constant constant_with_warmup
        "warmup_ratio": 0.06, "warmup_steps": 0,
        "seed": 42, "shuffle": true, "precision": "float32",     // float32 | bfloat16
        "logging_steps": 10, "eval_strategy": "epoch", "eval_steps": 0, "save_steps": 500, "save_total_limit": 2,
        "metric_for_best_model": null, "load_best_model_at_end": false, "early_stopping_patience": 0
      },
      "output_dir": "runs/sst2-aslora",
      "database": "runs/swift-peft.sqlite"
    }
    """

  @Test func theExampleParses() throws {
    let config = try RunConfig.load(text: example)
    #expect(config.name == "sst2-aslora")
    #expect(config.task.name == "sst2")
    #expect(config.task.dataDir == "data/glue/SST-2")
    #expect(config.adapter.strategy == "aslora")
    #expect(config.adapter.aslora.startStep == 320)
    #expect(config.adapter.aslora.mergeInterval == 240)
    #expect(config.adapter.aslora.numMerges == 7)
    #expect(config.adapter.aslora.candidates == .adjacent)
    #expect(config.adapter.targetModules == .suffixes(["query", "value"]))
    #expect(config.training == TrainingConfig())
  }

  @Test(arguments: Catalog.standard.methods.map(\.name))
  func everyStrategyIsKnown(name: String) throws {
    let goesOn = Catalog.standard.methods.contains { $0.name == name && $0.design.adoption != nil }
    let text = config(adapter: "\"strategy\": \"\(name)\"" + (goesOn ? ", \"init_from\": \"earlier\"" : ""))
    #expect(try RunConfig.load(text: text).adapter.strategy == name)
  }

  @Test(arguments: Task.all)
  func everyTaskIsKnown(task: Task) throws {
    let files = task.comesAsDirectory ? "\"data_dir\": \"d\"" : "\"train_file\": \"f\""
    let columns = task.requiredOptions.contains(.textColumns) ? "\"text_columns\": [0], \"label_column\": 1" : ""
    let text = "{\"model\": \"m\", \"task\": {\"name\": \"\(task.name)\", \(files), \(columns)}}"
    #expect(try RunConfig.load(text: text).task.name == task.name)
  }

  @Test func commentsAndTrailingCommasAreAccepted() throws {
    let text = """
      // swift-peft train x.json
      { "model": "m", /* a
        comment */ "task": { "name": "rte", "train_file": "t", }, "training": { "num_train_epochs": 0.25, }, }
      """
    #expect(try RunConfig.load(text: text).training.numTrainEpochs == 0.25)
  }
}

/// The configs that ship with the program.
@Suite struct ShippedConfigTests {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("configs")

  private static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
      $0.hasSuffix(".json") && !$0.hasSuffix(".schema.json")
    }
    .sorted()
  }

  @Test func thereIsOnePerTask() throws {
    let names = try Self.names()
    for task in Task.glue {
      #expect(names.contains("roberta-base-\(task.name)-share-a.json"))
    }
    #expect(names.contains("quickstart.json"))
  }

  @Test func everyOneParsesAndNamesItsCommand() throws {
    for name in try Self.names() {
      let file = Self.folder.appendingPathComponent(name)
      let isSweep = name.hasSuffix("-sweep.json")
      if isSweep {
        let sweep = try SweepConfig.load(path: file.path)
        #expect(sweep.outputDir == "runs/\(sweep.name)")
      } else {
        let config = try RunConfig.load(path: file.path)
        #expect(config.outputDir == "runs/\(config.name)")
      }
      let text = try String(contentsOf: file, encoding: .utf8)
      #expect(text.hasPrefix("// swift-peft \(isSweep ? "sweep" : "train") configs/\(name)\n"))
    }
  }

  @Test func asloraHasThePapersSettings() throws {
    let file = Self.folder.appendingPathComponent("roberta-base-mrpc-aslora.json")
    let config = try RunConfig.load(path: file.path)
    #expect(config.adapter.aslora.startStep == 320)
    #expect(config.adapter.aslora.mergeInterval == 240)
    #expect(config.adapter.aslora.numMerges == 7)
    #expect(config.training.numTrainEpochs == 30)
    #expect(config.training.trainBatchSize == 16)
    #expect(config.task.maxSeqLength == 512)
  }
}
