import Checkpoints
import Foundation
import StrictJSON
import Testing

/// GGUF files as models, from quantize to export.
@Suite struct GGUFTests {
  /// A sandbox with a tiny LLaMA in `model` and the same as `m.gguf`, in a type.
  private func sandbox(type: String = "f32", task: String = "causal-lm") throws -> Sandbox {
    let sandbox = try Sandbox.language("llama-grouped", task: task)
    let outcome = try sandbox.run("quantize", "model", "--type", type, "--output", "m.gguf", "--json")
    #expect(outcome.status == 0, "\(outcome.err)")
    let tensors = try #require(try outcome.json()["tensors"]?.array)
    #expect(tensors.count == 29 && tensors.allSatisfy { $0["relative_error"]?.number != nil })
    return sandbox
  }

  /// In float32 the adapter that is trained on the file has the bytes of the one that is trained on the directory.
  @Test(arguments: ["resident", "stored"]) func trainsAsOnTheDirectory(weights: String) throws {
    let sandbox = try sandbox()
    let more = ["--set", "training.weights=\(weights)"]
    for (model, run) in [("model", "one"), ("m.gguf", "two")] {
      let outcome = try sandbox.start(
        ["train", "config.json", "--set", "model=\(model)", "--output-dir", run] + more
      ).finish()
      #expect(outcome.status == 0, "\(outcome.err)")
    }
    #expect(try sandbox.read("one/adapter_model.safetensors") == sandbox.read("two/adapter_model.safetensors"))
    let scores = try ["one", "two"].map {
      try sandbox.run("eval", $0, "--json").json()["results"]?.array?.first?["loss"]?.number
    }
    #expect(scores[0] == scores[1] && scores[0] != nil)
    let config = try JSONParser.parse(sandbox.text("two/run_config.json"))
    #expect(config["training"]?["weights"]?.string == weights && config["model"]?.string == "m.gguf")
    let texts = try ["one", "two"].map {
      try sandbox.run("generate", $0, "--prompt", "the", "--max-new-tokens", "5", "--greedy").out
    }
    #expect(texts[0] == texts[1] && !texts[0].isEmpty)
    let exports = try ["one", "two"].map { run in
      let outcome = try sandbox.run("export", run, "--format", "gguf", "--output", "\(run).gguf")
      #expect(outcome.status == 0, "\(outcome.err)")
      return try sandbox.read("\(run).gguf")
    }
    #expect(exports[0] == exports[1])
  }

  /// A run goes on where it stopped, and not on another file.
  @Test func resumes() throws {
    let sandbox = try sandbox()
    func train(_ arguments: String...) throws -> Outcome {
      try sandbox.start(["train", "config.json", "--set", "model=m.gguf"] + arguments).finish()
    }
    #expect(try train("--output-dir", "whole").status == 0)
    #expect(try train("--set", "training.max_steps=3", "--set", "training.save_steps=3").status == 0)
    let other = try sandbox.run("quantize", "model", "--type", "f16", "--output", "m.gguf", "--overwrite")
    #expect(other.status == 0)
    let refused = try train("--set", "training.max_steps=3", "--set", "training.save_steps=3", "--resume")
    #expect(refused.status == 65 && refused.err.contains("m.gguf is not the same model as before"), "\(refused.err)")
  }

  @Test func mergedModelsBecomeOneFile() throws {
    let sandbox = try sandbox()
    #expect(try sandbox.run("train", "config.json").status == 0)
    let merge = try sandbox.run("merge", "run", "--format", "gguf", "--type", "f32", "--output", "merged.gguf")
    #expect(merge.status == 0 && merge.out.contains("merged.gguf, 29 tensors: 29 F32"), "\(merge.err)\(merge.out)")
    #expect(try sandbox.run("merge", "run", "--output", "merged").status == 0)
    try sandbox.write("merged-config.json", sandbox.text("config.json"))
    let losses = try ["merged", "merged.gguf"].map { model in
      let outcome = try sandbox.run(
        "eval", "merged-config.json", "--set", "model=\(model)", "--output-dir", "scored", "--json")
      #expect(outcome.status == 0, "\(outcome.err)")
      return try outcome.json()["results"]?.array?.first?["loss"]?.number
    }
    #expect(losses[0] == losses[1] && losses[0] != nil)
    #expect(try !sandbox.listing().contains { $0.contains(".merging-") })
    #expect(
      try sandbox.run("merge", "run", "--format", "gguf", "--type", "f32", "--output", "merged.gguf").status == 73)
    for arguments in [["--format", "gguf"], ["--type", "q8_0"]] {
      #expect(try sandbox.start(["merge", "run", "--output", "x"] + arguments).finish().status == 64)
    }
  }

  @Test func anAdapterIsNotMergedIntoAFile() throws {
    let sandbox = try sandbox()
    #expect(try sandbox.run("train", "config.json", "--set", "model=m.gguf").status == 0)
    let merge = try sandbox.run("merge", "run", "--output", "merged")
    #expect(merge.status == 65 && !sandbox.exists("merged"))
    #expect(
      merge.err.contains(
        "m.gguf: an adapter is not merged into a GGUF file, which would quantise it again; run "
          + "`swift-peft export --format gguf` and llama.cpp with `-m m.gguf --lora ADAPTER`"), "\(merge.err)")
    let again = try sandbox.run("quantize", "m.gguf", "--type", "q8_0", "--output", "n.gguf")
    #expect(again.status == 65 && again.err.contains("m.gguf: is a GGUF file already"), "\(again.err)")
  }

  @Test func otherVerbsReadFiles() throws {
    let sandbox = try sandbox()
    let ids = try ["model", "m.gguf"].map { try sandbox.run("tokenize", $0, input: "the film\n").out }
    #expect(ids[0] == ids[1] && ids[0].hasPrefix("["))
    let counts = try ["model", "m.gguf"].map {
      try sandbox.run("compare-params", $0, "--format", "json").json()["total_parameters"]?.integer
    }
    #expect(counts[0] == counts[1] && counts[0] != nil)
    // A directory that has one file.
    try FileManager.default.createDirectory(atPath: sandbox.place("folder"), withIntermediateDirectories: true)
    try FileManager.default.moveItem(atPath: sandbox.place("m.gguf"), toPath: sandbox.place("folder/m.gguf"))
    let plan = try sandbox.run("train", "config.json", "--set", "model=folder", "--dry-run")
    #expect(plan.status == 0, "\(plan.err)")
  }

  @Test func badFilesAreNamed() throws {
    let sandbox = try sandbox()
    func refused(_ model: String, _ status: Int32, _ problem: String) throws {
      let outcome = try sandbox.run("train", "config.json", "--set", "model=\(model)")
      #expect(outcome.status == status && outcome.err.contains(problem), "\(outcome.err)")
    }
    try refused("none.gguf", 66, "none.gguf: No such file or directory")
    let whole = try sandbox.read("m.gguf")
    try sandbox.write("cut.gguf", whole.prefix(whole.count - 100))
    try refused("cut.gguf", 65, "cut.gguf: tensor \"blk.2.ffn_down.weight\": ")
    try sandbox.write("short.gguf", whole.prefix(100))
    try refused("short.gguf", 65, "short.gguf: the file is cut off in the value of \"general.type\"")
    try refused("one.gguf", 66, "one.gguf: No such file or directory")
    let outcome = try sandbox.run("quantize", "model", "--type", "q3_k", "--output", "x.gguf")
    #expect(outcome.status == 64 && outcome.err.contains("must be one of f32, f16, bf16, q8_0"), "\(outcome.err)")
  }
}
