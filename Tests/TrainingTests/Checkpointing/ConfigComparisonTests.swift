import Configuration
import Testing

@testable import Training

@Suite struct ConfigComparisonTests {
  private let config: RunConfig = {
    var task = TaskConfig(name: "sst2")
    task.dataDir = "data"
    return RunConfig(name: "a", model: "m", task: task)
  }()

  private func comparison(_ steps: (Int, Int) = (20, 20), _ change: (inout RunConfig) -> Void) throws
    -> ConfigComparison
  {
    var changed = config
    change(&changed)
    return try ConfigComparison(old: config, new: changed, steps: steps)
  }

  @Test func whatChangesTheResultIsNamed() throws {
    let found = try comparison { config in
      config.training.learningRate = 0.1
      config.adapter.strategy = "share-a"
      config.adapter.targetModules = .allLinear
      config.task.maxTrainSamples = 7
      config.training.seed = 1
      config.training.evalBatchSize = 1
    }
    #expect(
      found.differences == [
        "adapter.strategy: \"lora\", now \"share-a\"",
        "adapter.target_modules: [\"query\",\"value\"], now \"all-linear\"", "task.max_train_samples: null, now 7",
        "training.eval_batch_size: 64, now 1", "training.learning_rate: 0.0004, now 0.1", "training.seed: 42, now 1",
      ])
  }

  /// A value that says what a missing one does.
  @Test func valuesOfLoRAsOwnAreNoChange() throws {
    let found = try comparison { config in
      (config.adapter.useDoRA, config.adapter.initFromMean, config.adapter.loraPlusRatio) = (false, false, 1)
      config.adapter.initLoRAWeights = .standard
    }
    #expect(found.differences.isEmpty, "\(found.differences)")
    #expect(try comparison { $0.adapter.useDoRA = true }.differences == ["adapter.use_dora: not given, now true"])
  }

  @Test func whatDoesNotIsAllowed() throws {
    let found = try comparison { config in
      config.name = "b"
      config.outputDir = "elsewhere"
      config.database = "other.sqlite"
      config.model = "moved"
      config.task.dataDir = "moved"
      config.training.loggingSteps = 1
      config.training.saveSteps = 7
      config.training.saveTotalLimit = nil
      config.training.maxNonfiniteSteps = 9
    }
    #expect(found.differences.isEmpty && found.lengthening.isEmpty)
  }

  @Test func aRunMayBecomeLongerAndNotShorter() throws {
    let longer = try comparison((20, 30)) { $0.training.numTrainEpochs = 4 }
    #expect(longer.differences.isEmpty && longer.lengthening == ["training.num_train_epochs: 3, now 4"])
    let shorter = try comparison((20, 10)) { $0.training.maxSteps = 10 }
    #expect(shorter.differences == ["training.max_steps: -1, now 10"])
    let same = try comparison((20, 20)) { $0.training.maxSteps = 20 }
    #expect(same.differences.isEmpty && same.lengthening.isEmpty)
  }

  /// Runs of earlier versions loaded validation files even if nothing was to be scored.
  @Test func aRunThatScoresNothingMayHaveFingerprintsOfValidationFiles() {
    let old = InputFingerprint(
      splits: ["train": "a", "validation": "b"], model: "c", targets: ["train": "d", "validation": "e"])
    let new = InputFingerprint(splits: ["train": "a"], model: "c", targets: ["train": "d"])
    var config = config
    config.training.evalStrategy = .no
    #expect(new.differences(from: old, config: config).isEmpty)
    config.training.evalStrategy = .epoch
    #expect(
      new.differences(from: old, config: config) == ["task: the examples of the split validation have changed"])
  }

  @Test func otherInputsAreNamed() {
    let old = InputFingerprint(splits: ["train": "a", "validation": "b"], model: "c")
    let new = InputFingerprint(splits: ["train": "x", "test": "y"], model: "z")
    #expect(old.differences(from: old, config: config).isEmpty)
    #expect(
      new.differences(from: old, config: config) == [
        "model: m is not the same model as before", "task: the examples of the split test have changed",
        "task: the examples of the split train have changed",
        "task: the examples of the split validation have changed",
      ])
  }
}
