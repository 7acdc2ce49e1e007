import Adapters
import Autograd
import Checkpoints
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks
import Testing

@testable import Training

/// GPT-2 and LLaMA against PyTorch + transformers + peft.
@Suite struct DecoderGoldenTests {
  static let runs: [(model: String, run: String)] =
    ["gpt2-tiny", "gpt2-untied", "llama-grouped", "llama-wide", "llama-linear"].map { ($0, "lora-all") }
    + ["gpt2-tiny", "llama-grouped"].flatMap { model in
      ["lora", "share-a", "share-ab", "aslora", "smoothed", "uneven", "labels"].map { (model, $0) }
    }

  @Test(arguments: runs) func logitsLossAndGradients(model: String, run: String) throws {
    try DecoderGoldenRun(model: model, run: run).checkLogitsLossAndGradients()
  }

  @Test(arguments: runs) func thirtySteps(model: String, run: String) throws {
    try DecoderGoldenRun(model: model, run: run).checkThirtySteps()
  }

  /// An adapter that peft saved holds the tensors that the run starts with.
  @Test(arguments: ["gpt2-tiny", "llama-grouped"]) func adaptersOfPEFT(model: String) throws {
    let golden = try DecoderGoldenRun(model: model, run: "lora-all")
    let adapter = try PEFTAdapter.read(
      golden.path + "/peft", geometry: golden.geometry
    ).expanded.uniform()
    let state = try golden.state()
    #expect(adapter.scale == golden.scale)
    #expect(adapter.table.sites.map(\.path) == golden.table.sites.map(\.path))
    for key in golden.table.tensors { #expect(adapter.tensors[key] == state[key], "\(key)") }
  }

  /// The weights in bfloat16, computed with in float32.
  @Test(arguments: ["gpt2-tiny", "llama-grouped"]) func bfloat16Weights(model: String) throws {
    let golden = try DecoderGoldenRun(model: model + "-bf16", run: "lora-all", startModel: model)
    try golden.checkLogitsAndLoss()
  }

  /// Threads, and other documents beside one, change nothing.
  @Test(arguments: ["gpt2-tiny", "llama-grouped"]) func theResultIsOneOfEachDocumentAlone(model: String) throws {
    let golden = try DecoderGoldenRun(model: model, run: "lora-all")
    try golden.checkPacking()
  }
}
