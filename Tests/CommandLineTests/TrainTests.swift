import Foundation
import Kernels
import RunStore
import StrictJSON
import Testing

@Suite struct TrainTests {
  @Test(arguments: ["bert-tiny", "roberta-tiny"]) func writesFilesAndDatabase(model: String) throws {
    let sandbox = try Sandbox.trainable(model)
    let outcome = try sandbox.run("train", "config.json", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let result = try outcome.json()
    #expect(
      result.object?.keys == [
        "run_id", "name", "status", "step", "output_dir", "database", "adapter_parameters", "trainable_parameters",
        "results",
      ])
    #expect(result["status"]?.string == "completed" && result["step"]?.integer == 16)
    for file in ["adapter_model.safetensors", "adapter_config.json", "run_config.json", "eval_results.json"] {
      #expect(sandbox.exists("run/\(file)"))
    }

    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    let run = try store.run(Int64(result["run_id"]?.integer ?? 0))
    #expect(run.status == .completed && run.details.outputDir == "run" && run.details.strategy == "share-a")
    #expect(run.details.adapterParameters == result["adapter_parameters"]?.integer)
    #expect(run.details.config == (try sandbox.text("run/run_config.json")))
    let metrics = try store.metrics(run: run.id)
    #expect(metrics.filter { $0.split == .train && $0.name == "loss" }.map(\.step) == [5, 10, 15, 16])
    #expect(metrics.filter { $0.split == .validation && $0.name == "accuracy" }.map(\.step) == [8, 16])
    let last = metrics.last { $0.split == .validation && $0.name == "loss" }
    #expect(last?.value == result["results"]?.array?.first?["loss"]?.number)
  }

  @Test(arguments: RunPrecision.tested) func theSameBytesAtAnyNumberOfThreadsAndAgain(precision: RunPrecision) throws {
    let sandbox = try Sandbox.trainable()
    for (directory, threads) in [("a", "1"), ("b", "2"), ("c", "1"), ("d", "3")] {
      let outcome = try sandbox.run(
        "train", "config.json", "--output-dir", directory, "--threads", threads, "--set",
        "training.precision=\(precision.rawValue)")
      #expect(outcome.status == 0)
    }
    for other in ["b", "c", "d"] {
      for file in ["adapter_model.safetensors", "adapter_config.json", "eval_results.json"] {
        #expect(try sandbox.read("a/\(file)") == sandbox.read("\(other)/\(file)"), "\(other)/\(file)")
      }
    }
  }

  @Test func repeatsFromItsOwnConfig() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json", "--set", "training.seed=7").status == 0)
    #expect(try sandbox.run("train", "run/run_config.json", "--output-dir", "again").status == 0)
    #expect(
      try sandbox.read("run/adapter_model.safetensors") == sandbox.read("again/adapter_model.safetensors"))
  }

  @Test func nothingIsScoredWithoutEvaluation() throws {
    let sandbox = try Sandbox.trainable()
    // Not even the file is needed.
    try FileManager.default.removeItem(atPath: sandbox.place("data/dev.tsv"))
    let outcome = try sandbox.run("train", "config.json", "--set", "training.eval_strategy=no", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try outcome.json()["results"]?.array?.isEmpty == true)
    #expect(sandbox.exists("run/adapter_model.safetensors") && !sandbox.exists("run/eval_results.json"))
    let metrics = try RunStore.openExisting(path: sandbox.place("runs.sqlite")).metrics(run: 1)
    #expect(!metrics.isEmpty && metrics.allSatisfy { $0.split == .train })
  }

  @Test func resultsOnStdoutProgressOnStderr() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run("train", "config.json")
    #expect(outcome.out.hasPrefix("split "))
    #expect(outcome.out.contains(" parameters, including the head\n"))
    #expect(!outcome.out.contains("step 5/16"))
    #expect(outcome.err.contains("step 5/16 epoch 0.62 loss "))
    #expect(outcome.err.contains("\nstep 16/16 validation accuracy "))
    #expect(!outcome.err.contains("\u{1B}"))
  }

  @Test func quietLeavesStderrEmpty() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run("train", "config.json", "--quiet")
    #expect(outcome.status == 0 && outcome.err.isEmpty && !outcome.out.isEmpty)
  }

  @Test func reportsMerges() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run("train", "config.json", "--set", "adapter.strategy=aslora", "--json")
    #expect(outcome.status == 0)
    #expect(outcome.err.contains(" merged attention.self.query: layer "))
    let store = try RunStore.openExisting(path: sandbox.place("runs.sqlite"))
    #expect(try store.merges(run: 1).count == 4)
    #expect(try store.run(1).details.adapterParameters == outcome.json()["adapter_parameters"]?.integer)
  }

  @Test func overwriteReplacesARunAndNothingElse() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json").status == 0)
    try sandbox.write("run/notes.txt", "mine")
    let before = try sandbox.read("run/adapter_model.safetensors")

    let refused = try sandbox.run("train", "config.json", "--set", "training.seed=1")
    #expect(refused.status == 73 && refused.err.contains("--overwrite"))
    let broken = try sandbox.run("train", "config.json", "--overwrite", "--set", "task.data_dir=nowhere")
    #expect(broken.status == 66)
    #expect(try sandbox.read("run/adapter_model.safetensors") == before)

    #expect(try sandbox.run("train", "config.json", "--overwrite", "--set", "training.seed=1").status == 0)
    #expect(try sandbox.read("run/adapter_model.safetensors") != before)
    #expect(try sandbox.text("run/notes.txt") == "mine")
  }

  @Test(arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
  func stopsAfterTheStepWithAllFilesWritten(signal: Int32, status: Int32) throws {
    let sandbox = try Sandbox.trainable()
    let command = try sandbox.start([
      "train", "config.json", "--json", "--set", "training.max_steps=1000000", "--set", "training.logging_steps=1",
      "--set", "training.eval_strategy=no",
    ])
    command.waitForError("step 3/")
    command.send(signal)
    let outcome = try command.finish()
    #expect(outcome.status == status)
    let result = try outcome.json()
    #expect(result["status"]?.string == "interrupted")
    #expect(sandbox.exists("run/adapter_model.safetensors") && !sandbox.exists("run/eval_results.json"))
    let run = try RunStore.openExisting(path: sandbox.place("runs.sqlite")).run(1)
    #expect(run.status == .interrupted && run.finishedAt != nil)
    #expect(try sandbox.run("eval", "run").status == 0)
  }
}
