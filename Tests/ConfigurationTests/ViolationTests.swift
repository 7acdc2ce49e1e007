import Adapters
import Configuration
import Diagnostics
import Testing

@Suite struct ViolationTests {
  /// A field of `section` with a wrong value, and the sentence after its path.
  struct Case: Sendable, CustomTestStringConvertible {
    let section: String
    let field: String
    let problem: String
    init(_ section: String, _ field: String, _ problem: String) {
      (self.section, self.field, self.problem) = (section, field, problem)
    }
    var testDescription: String { "\(section): \(field)" }
    var key: String { String(field.split(separator: "\"")[0]) }
  }

  @Test(arguments: [
    Case("training", #""num_train_epochs": 0"#, "must be a number above 0 and at most 1000000, not 0"),
    Case("training", #""num_train_epochs": 1e300"#, "must be a number above 0 and at most 1000000, not 1e+300"),
    Case("training", #""max_steps": -2"#, "must be a whole number of at least -1, not -2"),
    Case("training", #""train_batch_size": 0"#, "must be a whole number of at least 1, not 0"),
    Case("training", #""train_batch_size": 2.5"#, "must be a whole number of at least 1, not 2.5"),
    Case(
      "training", #""train_batch_size": 3000000000"#, "must be a whole number of at most 2147483647, not 3000000000"),
    Case("training", #""eval_batch_size": "8""#, #"must be a whole number of at least 1, not "8""#),
    Case("training", #""gradient_accumulation_steps": 0"#, "must be a whole number of at least 1, not 0"),
    Case("training", #""learning_rate": 0"#, "must be a number above 0, not 0"),
    Case("training", #""learning_rate": null"#, "must be a number above 0, not null"),
    Case("training", #""weight_decay": -0.1"#, "must be a number of at least 0, not -0.1"),
    Case("training", #""adam_beta1": 1"#, "must be a number of at least 0 and below 1, not 1"),
    Case("training", #""adam_beta2": -0.5"#, "must be a number of at least 0 and below 1, not -0.5"),
    Case("training", #""adam_epsilon": 0"#, "must be a number above 0, not 0"),
    Case("training", #""max_grad_norm": -1"#, "must be a number of at least 0, not -1"),
    Case("training", #""warmup_ratio": 1.5"#, "must be a number from 0 to 1, not 1.5"),
    Case("training", #""warmup_steps": -1"#, "must be a whole number of at least 0, not -1"),
    Case("training", #""seed": -1"#, "must be a whole number of at least 0, not -1"),
    Case("training", #""shuffle": "yes""#, #"must be true or false, not "yes""#),
    Case(
      "training", #""precision": "float16""#,
      "must be one of float32, bfloat16, int8 (did you mean bfloat16?), not \"float16\""),
    Case(
      "training", #""lr_scheduler_type": "polynomial""#,
      "must be one of linear, cosine, constant, constant_with_warmup, not \"polynomial\""),
    Case("training", #""logging_steps": 0"#, "must be a whole number of at least 1, not 0"),
    Case("training", #""eval_strategy": true"#, "must be one of no, steps, epoch, not true"),
    Case("training", #""eval_steps": -1"#, "must be a whole number of at least 0, not -1"),
    Case("training", #""save_steps": -1"#, "must be a whole number of at least 0, not -1"),
    Case("training", #""save_total_limit": -1"#, "must be a whole number of at least 0 or null, not -1"),
    Case("training", #""early_stopping_patience": -1"#, "must be a whole number of at least 0, not -1"),
    Case(
      "training", #""metric_for_best_model": "eval_f1""#,
      #"task sst2 has no metric "f1", only accuracy, loss; task.metrics can name it"#),
    Case("adapter", #""r": 0"#, "must be a whole number of at least 1, not 0"),
    Case("adapter", #""lora_alpha": 0"#, "must be a number above 0, not 0"),
    Case("adapter", #""lora_dropout": 1.0"#, "must be a number of at least 0 and below 1, not 1.0"),
    Case("adapter", #""use_rslora": 1"#, "must be true or false, not 1"),
    Case(
      "adapter", #""strategy": "share_a""#,
      "must be one of \(AdapterMethod.all.map(\.name).joined(separator: ", ")) "
        + "(did you mean share-a?), not \"share_a\""),
    Case(
      "adapter", #""target_modules": []"#,
      #"must be a list of module names, "all-linear" or a regular expression, not an empty list"#),
    Case(
      "adapter", #""target_modules": """#,
      #"must be a list of module names, "all-linear" or a regular expression, not """#),
    Case("adapter", #""exclude_modules": 3"#, "must be a list of module names or a regular expression or null, not 3"),
    Case("adapter", #""layers_to_transform": -1"#, "must be a layer's number or a list of them or null, not -1"),
    Case("adapter", #""layers_pattern": "h""#, "needs layers_to_transform"),
    Case(
      "adapter", #""rank_pattern": {"query": 0}"#,
      "must be an object that gives module names a rank: a whole number of at least 1 or null, not an object"),
    Case(
      "adapter", #""alpha_pattern": ["query"]"#,
      "must be an object that gives module names an alpha or null, not a list"),
    Case(
      "adapter", #""target_modules": [1]"#,
      #"must be a list of module names, "all-linear" or a regular expression, not a list"#),
    Case(
      "adapter", #""target_modules": ["q", "q"]"#,
      #"must be a list of module names, "all-linear" or a regular expression, none of them twice, not a list"#),
    Case("adapter", #""use_dora": 1"#, "must be true or false or null, not 1"),
    Case(
      "adapter", #""use_dora": true, "strategy": "none""#,
      "strategy none does not take it, only "
        + AdapterMethod.all.filter(\.takesDoRA).map(\.name).joined(separator: ", ")),
    Case(
      "adapter", #""use_dora": true, "strategy": "residual", "residual": {"diagonal": true}"#,
      "strategy residual does not take it with these options"),
    Case(
      "adapter", #""init_lora_weights": "PiSSA""#,
      #"must be true, "gaussian", "pissa", "pissa_niter_K", "olora", "orthogonal", "mica" or null, not "PiSSA""#),
    Case(
      "adapter", #""init_lora_weights": false"#,
      #"must be true, "gaussian", "pissa", "pissa_niter_K", "olora", "orthogonal", "mica" or null, not false"#),
    Case(
      "adapter", #""init_lora_weights": "olora", "strategy": "lora-xs""#,
      "strategy lora-xs does not take it, only lora, share-a, share-b, share-ab, share-a-qkv, share-b-qkv, share-ab-qkv, "
        + "aslora"),
    Case(
      "adapter", #""init_lora_weights": "mica", "strategy": "aslora""#,
      #"aslora changes B while it trains, which "mica" freezes"#),
    Case(
      "adapter", #""init_lora_weights": "gaussian", "init_from": "a""#,
      "cannot go with init_from, which gives A and B their numbers"),
    Case(
      "adapter", #""init_from_mean": true, "init_lora_weights": "gaussian""#,
      "needs init_lora_weights pissa, pissa_niter_K, olora or mica"),
    Case("adapter", #""clora": {}, "strategy": "none""#, "strategy none has no adapters"),
    Case("adapter", #""lora_plus_ratio": 4, "strategy": "none""#, "strategy none has no adapters"),
    Case(
      "adapter", #""init_from": "a", "strategy": "rosa""#,
      "strategy rosa begins anew after its warm-up, when nothing would be left of the adapter"),
    Case("adapter", #""init_from": """#, #"must be non-empty text or null, not """#),
    Case("adapter", #""aslora": []"#, "must be an object, not an empty list"),
    Case("task", #""max_seq_length": 0"#, "must be a whole number of at least 1 or null, not 0"),
    Case("task", #""assistant_only_loss": "some""#, #"must be "all", "last", true or false or null, not "some""#),
    Case("task", #""train_file": []"#, "must be a path or a list of paths or null, not an empty list"),
    Case(
      "task", #""test_file": ["a", "a"]"#, "must be a path or a list of paths, none of them twice or null, not a list"),
    Case("task", #""validation_file": 3"#, "must be a path or a list of paths or null, not 3"),
    Case("task", #""file_format": "xml""#, #"must be one of tsv, csv, jsonl, json, conll, text or null, not "xml""#),
    Case(
      "task", #""delimiter": ";;""#,
      #"must be one ASCII character, but no quote and no line break or null, not ";;""#),
    Case("task", #""validation_split": 1"#, "must be a number above 0 and below 1 or null, not 1"),
    Case("task", #""label_names": "a""#, #"must be a list of names or null, not "a""#),
    Case("task", #""label_names": ["a", 1]"#, "must be a list of names or null, not a list"),
    Case("task", #""label_names": ["a", "a"]"#, "must be a list of names, none of them twice or null, not a list"),
    Case(
      "task", #""problem_type": "multi""#,
      "must be one of regression, single_label_classification, multi_label_classification or null, not \"multi\""),
    Case("task", #""label_separator": """#, #"must be non-empty text or null, not """#),
    Case(
      "task", #""class_weights": [1, 0]"#,
      #"must be "balanced", a list of numbers above 0, or an object of them by label or null, not a list"#),
    Case(
      "task", #""class_weights": {"a": "1"}"#,
      #"must be "balanced", a list of numbers above 0, or an object of them by label or null, not an object"#),
    Case("task", #""max_train_samples": 0"#, "must be a whole number of at least 1 or null, not 0"),
    Case("task", #""max_eval_samples": false"#, "must be a whole number of at least 1 or null, not false"),
    Case("task", #""has_header": null"#, "must be true or false, not null"),
    Case(
      "task", #""text_columns": [-1]"#,
      "must be a list of one or two columns, by name or 0-based number or null, not a list"),
    Case(
      "task", #""text_columns": ["a"]"#,
      "only applies to tasks text-classification, token-classification and causal-lm; task sst2 has columns of its own"),
    Case(
      "task", #""label_column": 0"#,
      "only applies to tasks text-classification and token-classification; task sst2 has columns of its own"),
    Case("task", #""label_column": []"#, "must be a column's name or 0-based number or null, not an empty list"),
  ])
  func eachFieldHasARange(_ example: Case) {
    let lines = ["task": 3, "adapter": 4, "training": 5]
    let text =
      switch example.section {
      case "task": config(task: example.field)
      case "adapter": config(adapter: example.field)
      default: config(training: example.field)
      }
    let expected = "run.json:\(lines[example.section] ?? 0): \(example.section).\(example.key): \(example.problem)"
    #expect(refusal(text) == expected)
    #expect(error(text)?.exitStatus == .badInput)
  }

  /// Every option of every method, just outside its range and far from it.
  @Test(arguments: AdapterMethod.all.flatMap { method in method.declaredOptions.map { (method.name, $0.key) } })
  func methodOptionsHaveRanges(name: String, key: String) throws {
    let option = try #require(AdapterMethod.named(name).declaredOptions.first { $0.key == key })
    let wrong =
      switch option.kind {
      case .integer(let range): ["\(range.lowerBound - 1)", "\(range.upperBound + 1)", "1.5"]
      case .number(let least): ["\(least - 1)", "-1000"]
      case .positive: ["0", "-1"]
      case .share: ["0", "1", "2", "-1"]
      case .truth: ["1", "\"yes\""]
      case .levels: ["[]", "{}"]
      }
    for value in wrong {
      let text = config(adapter: "\"strategy\": \"\(name)\", \"\(name)\": {\"\(key)\": \(value)}")
      let message = try #require(refusal(text), "\(value)")
      #expect(message.hasPrefix("run.json:4: adapter.\(name).\(key): must be \(option.expected), not "), "\(message)")
    }
  }

  private static let withoutMerges = "cannot go with merging at_start, which merges nothing while training"

  @Test(arguments: [
    (#""start_step": -1"#, "start_step: must be a whole number of at least 0 or null, not -1"),
    (#""merge_interval": 0"#, "merge_interval: must be a whole number of at least 1 or null, not 0"),
    (#""num_merges": "x""#, #"num_merges: must be a whole number of at least 0 or null, not "x""#),
    (#""candidates": "adjacnt""#, #"candidates: must be one of adjacent, all (did you mean adjacent?), not "adjacnt""#),
    (
      #""metric": "l1""#,
      #"metric: must be one of l2, effective, effective_scaled, cosine, random (did you mean l2?), not "l1""#
    ),
    (#""merging": "at_start", "start_step": 3"#, "start_step: \(withoutMerges)"),
    (#""merging": "at_start", "merge_interval": 3"#, "merge_interval: \(withoutMerges)"),
    (#""merging": "at_start", "candidates": "all""#, "candidates: \(withoutMerges)"),
    (#""merging": "at_start", "metric": "cosine""#, "metric: \(withoutMerges)"),
    (#""merging": "at_start", "direction": "average""#, "direction: \(withoutMerges)"),
    (#""direction": null"#, "direction: must be one of lower_uses_upper, average, not null"),
  ])
  func asloraFieldsHaveRanges(field: String, problem: String) {
    let text = config(adapter: "\"aslora\": { \(field) }")
    #expect(refusal(text) == "run.json:4: adapter.aslora.\(problem)")
  }

  @Test(arguments: [
    (
      #""multi-level": {"levels": []}"#,
      "multi-level.levels: must be a list of levels, each with scope, rank and, for blocks and groups, k, "
        + "not an empty list"
    ),
    (
      #""multi-level": {"levels": [{"scope": "map"}, {"scope": "maps"}]}"#,
      #"multi-level.levels[1].scope: must be one of model, type, blocks, groups, layer, map, not "maps""#
    ),
    (
      #""multi-level": {"levels": [{"scope": "groups"}]}"#,
      "multi-level.levels[0].k: must be a whole number of at least 2, not null"
    ),
    (
      #""r": 4, "multi-level": {"levels": [{"scope": "map", "rank": 2}]}"#,
      "r: has no effect: every level of multi-level.levels gives its rank"
    ),
    (
      #""rank_pattern": {"query": 2}, "multi-level": {"levels": [{"scope": "map", "rank": 2}]}"#,
      "rank_pattern: has no effect: every level of multi-level.levels gives its rank"
    ),
    (
      #""lora_alpha": 4, "multi-level": {"levels": [{"scope": "map", "alpha": 2}]}"#,
      "lora_alpha: has no effect: every level of multi-level.levels gives its alpha"
    ),
  ])
  func levelsAreReadStrictly(fields: String, problem: String) {
    let text = config(adapter: "\"strategy\": \"multi-level\", \(fields)")
    #expect(refusal(text) == "run.json:4: adapter.\(problem)")
  }

  @Test func levelsMayTakeR() {
    #expect(refusal(config(adapter: #""strategy": "multi-level", "r": 4"#)) == nil)
    let levels = #"{"levels": [{"scope": "map", "rank": 2}, {"scope": "type"}]}"#
    #expect(refusal(config(adapter: "\"strategy\": \"multi-level\", \"r\": 4, \"multi-level\": \(levels)")) == nil)
  }

  @Test func everyViolationIsReportedAtOnceInFileOrder() {
    let text = """
      {
        "training": {
          "learnign_rate": 1,
          "seed": -1
        },
        "task": {
          "name": "sst3",
          "max_seq_length": 0
        },
        "adapter": { "r": "8" },
        "output": "x"
      }
      """
    #expect(
      refusal(text) == """
        run.json:1: model: is missing
        run.json:3: training.learnign_rate: unknown key, did you mean learning_rate?
        run.json:4: training.seed: must be a whole number of at least 0, not -1
        run.json:7: task.name: must be one of cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, \
        text-classification, tsv, token-classification, causal-lm, e2e, instruct, multiple-choice (did you mean sst2?), not "sst3"
        run.json:8: task.max_seq_length: must be a whole number of at least 1 or null, not 0
        run.json:10: adapter.r: must be a whole number of at least 1, not "8"
        run.json:11: output: unknown key, known are name, model, task, adapter, training, output_dir, database
        """)
    #expect(error(text)?.exitStatus == .badInput)
  }

  @Test(arguments: [
    ("[]", "run.json:1: must be an object, not an empty list"),
    (#"{"model": "m"}"#, "run.json:1: task: is missing"),
    (
      #"{"model": "", "task": 3}"#,
      "run.json:1: model: must be non-empty text, not \"\"\nrun.json:1: task: must be an object, not 3"
    ),
    (#"{"model": "m", "task": {"data_dir": "d"}}"#, "run.json:1: task.name: is missing"),
    ("{\"model\": \"m\",\n\"model\": 1}", "run.json:2:1: the key \"model\" occurs twice"),
    ("{\n  \"model\": m}", "run.json:2:12: expected a value"),
    ("", "run.json:1:1: unexpected end of the text, a value is missing"),
  ])
  func shapesAreChecked(text: String, message: String) {
    #expect(refusal(text) == message)
    #expect(error(text)?.exitStatus == .badInput)
  }

  @Test func keysOfOtherSectionsAreTracedHome() {
    let misplaced = "run.json:6: learning_rate: unknown key, did you mean training.learning_rate?"
    #expect(refusal(config(top: "\"learning_rate\": 1")) == misplaced)
    let nested = "run.json:4: adapter.start_step: unknown key, did you mean adapter.aslora.start_step?"
    #expect(refusal(config(adapter: "\"start_step\": 1")) == nested)
  }

  @Test func missingFilesAndDirectoriesAreMissingInputs() {
    let missing = ConfigError.missing(file: "/nowhere/run.json")
    #expect(throws: missing) { try RunConfig.load(path: "/nowhere/run.json") }
    #expect(missing.exitStatus == .missingInput)
    let directory = ConfigError.unreadable(file: "/tmp", reason: "is a directory")
    #expect(throws: directory) { try RunConfig.load(path: "/tmp") }
    #expect(directory.exitStatus == .missingInput)
  }
}
