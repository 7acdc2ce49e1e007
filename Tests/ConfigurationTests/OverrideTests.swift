import Configuration
import Diagnostics
import Testing

@Suite struct OverrideTests {
  @Test func valuesAreJSONOrBareText() throws {
    let config = try RunConfig.load(
      text: config(),
      overrides: [
        "training.learning_rate=1e-3", "training.shuffle=false", "adapter.strategy=share-a", "model=a=b",
        "adapter.target_modules=[\"q_proj\", \"v_proj\"]", "adapter.aslora.num_merges=2", "training.seed=1",
        "training.seed=2", "task.max_train_samples=null", "task.train_file=a*.tsv",
        "task.test_file=[\"b\", \"c\"]", "name=it \"is\"",
      ])
    #expect(config.training.learningRate == 1e-3)
    #expect(!config.training.shuffle)
    #expect(config.adapter.strategy == "share-a")
    #expect(config.model == "a=b")
    #expect(config.adapter.targetModules == .suffixes(["q_proj", "v_proj"]))
    #expect(config.adapter.aslora.numMerges == 2)
    #expect(config.training.seed == 2)
    #expect(config.task.trainFile == ["a*.tsv"] && config.task.testFile == ["b", "c"])
    #expect(config.outputDir == "runs/it \"is\"")
  }

  @Test func flagsStandBeforeOverrides() throws {
    let config = try RunConfig.load(
      text: config(), overrides: ["output_dir=a", "database=b"], outputDir: "c", database: "d")
    #expect(config.outputDir == "c")
    #expect(config.database == "d")
  }

  @Test func theyMendTheFile() throws {
    let text = "{\"model\": \"m\", \"task\": {\"name\": \"sst2\"}, \"training\": {\"seed\": -1}}"
    let config = try RunConfig.load(text: text, overrides: ["task.data_dir=d", "training.seed=1"])
    #expect(config.task.dataDir == "d")
  }

  @Test(arguments: [
    ("seed", "--set seed: must be path.to.key=value"),
    ("=1", "--set =1: must be path.to.key=value"),
    ("seed=1", "--set seed: unknown key, did you mean training.seed?"),
    ("training.sed=1", "--set training.sed: unknown key, did you mean seed?"),
    ("trainign.seed=1", "--set trainign.seed: unknown key, did you mean training?"),
    ("training.seed.x=1", "--set training.seed.x: unknown key, training.seed has no keys below it"),
    (
      "training.=1",
      "--set training.: unknown key, known are num_train_epochs, max_steps, train_batch_size, eval_batch_size, "
        + "gradient_accumulation_steps, learning_rate, weight_decay, adam_beta1, adam_beta2, adam_epsilon, "
        + "max_grad_norm, label_smoothing_factor, lr_scheduler_type, warmup_ratio, warmup_steps, seed, shuffle, "
        + "precision, weights, gradient_checkpointing, shard_tokens, logging_steps, eval_strategy, eval_steps, save_steps, "
        + "save_total_limit, metric_for_best_model, load_best_model_at_end, early_stopping_patience, max_nonfinite_steps"
    ),
  ])
  func malformedOnesAreUsageErrors(override: String, message: String) {
    #expect(refusal(config(), overrides: [override]) == message)
    #expect(error(config(), overrides: [override])?.exitStatus == .usage)
  }

  @Test(arguments: [
    ("training.seed=x", #"--set training.seed: must be a whole number of at least 0, not "x""#),
    ("name=", #"--set name: must be non-empty text or null, not """#),
    (
      "training.eval_strategy=steps", #"run.json:5: training.eval_steps: must be at least 1 with eval_strategy "steps""#
    ),
    (
      "task={\"nam\": \"rte\"}",
      "--set task: task.nam: unknown key, did you mean name?\n--set task: task.name: is missing"
    ),
    ("training=3", "--set training: must be an object, not 3"),
  ])
  func wrongValuesNameTheFlag(override: String, message: String) {
    #expect(refusal(config(), overrides: [override]) == message)
    #expect(error(config(), overrides: [override])?.exitStatus == .badInput)
  }

  @Test func aSectionThatIsNoneIsReported() {
    let text = "{\"model\": \"m\", \"task\": {\"name\": \"rte\", \"data_dir\": \"d\"}, \"training\": 3}"
    let message = "run.json:1: training: must be an object, not 3"
    #expect(refusal(text, overrides: ["training.seed=1"]) == message)
  }

  @Test func everythingIsReportedTogetherUsageFirst() {
    let problems = error(config(adapter: "\"r\": 0"), overrides: ["x", "training.seed=-1"])
    #expect(
      problems?.description == """
        --set x: must be path.to.key=value
        run.json:4: adapter.r: must be a whole number of at least 1, not 0
        --set training.seed: must be a whole number of at least 0, not -1
        """)
    #expect(problems?.exitStatus == .usage)
  }

  @Test func anEmptyOutputDirectoryIsRefused() {
    #expect { try RunConfig.load(text: config(), outputDir: "") } throws: {
      "\($0)" == #"--output-dir: output_dir: must be non-empty text or null, not """#
    }
  }
}
