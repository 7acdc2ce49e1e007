import Checkpoints
import Foundation
import StrictJSON
import Testing

@Suite struct MergeTests {
  /// Scores of a run's development set, with what more stands on the command line.
  private func scores(_ sandbox: Sandbox, _ arguments: String...) throws -> [Double] {
    let outcome = try sandbox.start(["eval"] + arguments + ["--predictions", "p.tsv", "--quiet"]).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return try sandbox.text("p.tsv").split(separator: "\n").dropFirst().flatMap { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).dropFirst(3).compactMap { Double($0) }
    }
  }

  private func expectEqual(_ one: [Double], _ other: [Double], _ bound: Double = 1e-5) {
    let largest = one.map(abs).max() ?? 0
    let difference = zip(one, other).map { abs($0 - $1) }.max() ?? .infinity
    #expect(one.count == other.count && !one.isEmpty && difference <= bound * largest, "\(difference / largest)")
  }

  /// A sandbox with a trained run in `run`, and `merged.json` that scores what lies in `merged`.
  private func trained(_ model: String, _ settings: String...) throws -> Sandbox {
    let sandbox = try Sandbox.trainable(model)
    try sandbox.write("merged.json", Sandbox.config.replacingOccurrences(of: "\"model\",", with: "\"merged\","))
    try sandbox.edit("merged.json", "\"run\"", "\"scored\"")
    let outcome = try sandbox.start(["train", "config.json"] + settings.flatMap { ["--set", $0] }).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return sandbox
  }

  @Test(arguments: ["bert-tiny", "roberta-tiny"], ["share-a", "aslora", "share-ab-qkv", "none"])
  func mergedAndExportedModelsScoreAsTheRun(model: String, strategy: String) throws {
    let sandbox = try trained(
      model, "adapter.strategy=\"\(strategy)\"", #"adapter.target_modules=["query","key","dense"]"#,
      #"adapter.aslora={"start_step": 3, "merge_interval": 3, "num_merges": 2}"#)
    let run = try scores(sandbox, "run")
    let merge = try sandbox.run("merge", "run", "--output", "merged", "--json")
    #expect(merge.status == 0, "\(merge.err)")
    expectEqual(run, try scores(sandbox, "merged.json"))
    let prefix = model.prefix { $0 != "-" } + "."
    let file = try SafetensorsFile(path: sandbox.place("merged/model.safetensors"))
    #expect(try merge.json()["tensors"]?.integer == file.names.count)
    let difference = try #require(try merge.json()["largest_logit_difference"]?.number)
    let largest = try #require(try merge.json()["largest_logit"]?.number)
    #expect(largest > 0 && difference <= 1e-5 * largest && (strategy == "none") == (difference == 0))
    #expect(file.names.allSatisfy { $0.hasPrefix(prefix) || $0.hasPrefix("classifier.") })
    #expect(file.names.contains("bert.pooler.dense.weight") == (model == "bert-tiny"))
    let config = try JSONParser.parse(sandbox.text("merged/config.json"))
    #expect(config["architectures"]?.array?.count == 1 && config["id2label"]?.object?.count == 2)
    for name in ["tokenizer.json", "tokenizer_config.json"] where sandbox.exists("model/\(name)") {
      #expect(try sandbox.read("merged/\(name)") == sandbox.read("model/\(name)"))
    }

    let export = try sandbox.run("export", "run", "--format", "peft", "--output", "peft")
    #expect(export.status == 0, "\(export.err)")
    #expect(try sandbox.listing().filter { $0.hasPrefix("peft/") }.count == 2)
    expectEqual(run, try scores(sandbox, "config.json", "--adapter", "peft"))
    // What PEFT has is merged and refused as an export like our own.
    #expect(try sandbox.run("merge", "model", "--adapter", "peft", "--output", "merged", "--overwrite").status == 0)
    expectEqual(run, try scores(sandbox, "merged.json"))
    let again = try sandbox.run("export", "model", "--adapter", "peft", "--format", "peft", "--output", "again")
    #expect(again.status == 65 && again.err.contains("already in PEFT format"))
    #expect(try sandbox.listing().allSatisfy { !$0.contains(".swift-peft-") && !$0.hasPrefix("again") })
  }

  @Test func thePoolerThatTheRunDrewIsWritten() throws {
    let sandbox = try Sandbox.trainable()
    let stored = try SafetensorsFile(path: sandbox.place("model/model.safetensors"))
    let kept = stored.names.filter { !$0.hasPrefix("pooler") }
    try SafetensorsWriter.write(
      kept.map { SafetensorsTensor(name: $0, try stored.tensor($0)) }, to: sandbox.place("model/model.safetensors"))
    try sandbox.write("merged.json", Sandbox.config.replacingOccurrences(of: "\"model\",", with: "\"merged\","))
    #expect(try sandbox.run("train", "config.json", "--set", "training.seed=5").status == 0)
    let run = try scores(sandbox, "run")
    let merge = try sandbox.run("merge", "run", "--output", "merged")
    #expect(merge.status == 0 && merge.err.contains("no pooler"), "\(merge.err)")
    expectEqual(run, try scores(sandbox, "merged.json", "--output-dir", "scored"))
    #expect(try sandbox.run("export", "run", "--format", "peft", "--output", "peft").err.contains("no pooler"))
    let config = try JSONParser.parse(sandbox.text("peft/adapter_config.json"))
    #expect(config["modules_to_save"]?.array?.map(\.string) == ["classifier", "pooler"])
  }

  @Test(arguments: ["bert-tiny-sharded", "bert-tiny-bf16"])
  func shardsStayShardsAndTypesStay(model: String) throws {
    let sandbox = try Sandbox.trainable()
    try FileManager.default.removeItem(atPath: sandbox.place("model/model.safetensors"))
    for file in try FileManager.default.contentsOfDirectory(atPath: Sandbox.golden(model)) {
      try sandbox.write("model/\(file)", Data(contentsOf: URL(fileURLWithPath: "\(Sandbox.golden(model))/\(file)")))
    }
    try sandbox.write("merged.json", Sandbox.config.replacingOccurrences(of: "\"model\",", with: "\"merged\","))
    #expect(try sandbox.run("train", "config.json").status == 0)
    let run = try scores(sandbox, "run")
    let merge = try sandbox.run("merge", "run", "--output", "merged")
    #expect(
      merge.status == 0 && merge.out.contains("differ from base + adapter by at most "), "\(merge.out)\(merge.err)")
    expectEqual(
      run, try scores(sandbox, "merged.json", "--output-dir", "scored"), model.hasSuffix("bf16") ? 3e-2 : 1e-5)
    let base = try WeightFiles(path: sandbox.place("model"))
    let merged = try WeightFiles(path: sandbox.place("merged"))
    #expect(
      merged.files.count == base.files.count
        && sandbox.exists("merged/model.safetensors.index.json") == (base.files.count > 1))
    for name in merged.names {
      let before = base.info(name), after = merged.info(name)
      #expect(after?.type == (before?.type ?? base.info("embeddings.word_embeddings.weight")?.type), "\(name)")
      if let before { #expect(before.shape == after?.shape) }
    }
  }

  @Test func placesAreRespected() throws {
    let sandbox = try trained("bert-tiny")
    for verb in [["merge", "run"], ["export", "run", "--format", "peft"]] {
      func make(_ output: String, _ more: String...) throws -> Outcome {
        try sandbox.start(verb + ["--output", output] + more).finish()
      }
      let before = try sandbox.listing()
      #expect(try make("run", "--overwrite").status == 73)
      #expect(try make("model", "--overwrite").status == 73)
      #expect(try make(".", "--overwrite").status == 73)
      #expect(try make("config.json").status == 73)
      #expect(try make("config.json/below").err.contains("Not a directory"))
      #expect(try make("data").status == 73)
      let foreign = try make("data", "--overwrite")
      #expect(foreign.status == 73 && foreign.err.contains("dev.tsv"))
      #expect(try sandbox.listing() == before)
      #expect(try make("new/\(verb[0])").status == 0)
      let taken = try make("new/\(verb[0])")
      #expect(taken.status == 73 && taken.err.contains("--overwrite"))
      #expect(try make("new/\(verb[0])", "--overwrite").status == 0)
    }
    #expect(try sandbox.run("merge", "data", "--output", "x").status == 66)
    #expect(try sandbox.run("export", "run", "--format", "gguf", "--output", "x").status == 65)
    #expect(try sandbox.run("export", "run", "--format", "onnx", "--output", "x").status == 64)
    #expect(try sandbox.run("export", "run", "--output", "x").status == 64)
    #expect(!sandbox.exists("x"))
  }

  /// 590 MB of weights, most of them holes in the file.
  @Test func memoryStaysSmall() throws {
    let sandbox = try trained("bert-tiny")
    let rows = 3_000_000, wide = 1 << 16, layers = 12
    try sandbox.edit("model/config.json", "\"vocab_size\": 120", "\"vocab_size\": \(rows)")
    try sandbox.edit("model/config.json", "\"intermediate_size\": 64", "\"intermediate_size\": \(wide)")
    try sandbox.edit("model/config.json", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": \(layers)")
    var shapes: [(String, [Int])] = [
      ("embeddings.word_embeddings.weight", [rows, 32]), ("embeddings.position_embeddings.weight", [64, 32]),
      ("embeddings.token_type_embeddings.weight", [2, 32]), ("embeddings.LayerNorm.weight", [32]),
      ("embeddings.LayerNorm.bias", [32]), ("pooler.dense.weight", [32, 32]), ("pooler.dense.bias", [32]),
    ]
    for layer in (0..<layers).map({ "encoder.layer.\($0)" }) {
      for name in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
        shapes += [("\(layer).\(name).weight", [32, 32]), ("\(layer).\(name).bias", [32])]
      }
      for norm in ["attention.output.LayerNorm", "output.LayerNorm"] {
        shapes += [("\(layer).\(norm).weight", [32]), ("\(layer).\(norm).bias", [32])]
      }
      shapes += [
        ("\(layer).intermediate.dense.weight", [wide, 32]), ("\(layer).intermediate.dense.bias", [wide]),
        ("\(layer).output.dense.weight", [32, wide]), ("\(layer).output.dense.bias", [32]),
      ]
    }
    try sandbox.writeHollow("model/model.safetensors", shapes)
    let size = try FileManager.default.attributesOfItem(atPath: sandbox.place("model/model.safetensors"))[.size] as? Int
    #expect((size ?? 0) > 500_000_000)
    // A PEFT adapter on one of the large weights.
    let a = [Float](repeating: 1, count: 32), b = [Float](repeating: 2, count: wide)
    let path = "base_model.model.bert.encoder.layer.0.intermediate.dense"
    try sandbox.write("peft/adapter_config.json", #"{"peft_type": "LORA", "r": 1, "lora_alpha": 1}"#)
    try SafetensorsWriter.write(
      [
        SafetensorsTensor(name: "\(path).lora_A.weight", shape: [1, 32], a),
        SafetensorsTensor(name: "\(path).lora_B.weight", shape: [wide, 1], b),
        SafetensorsTensor(name: "base_model.model.classifier.weight", shape: [2, 32], a + a),
        SafetensorsTensor(name: "base_model.model.classifier.bias", shape: [2], [0, 0]),
      ], to: sandbox.place("peft/adapter_model.safetensors"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try Tool.path())
    process.arguments = ["merge", "model", "--adapter", "peft", "--output", "merged", "--quiet"]
    process.currentDirectoryURL = URL(fileURLWithPath: sandbox.path)
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    var peak = 0
    while process.isRunning {
      let status = (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
      let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
      peak = max(peak, line?.split(separator: " ").dropLast().last.flatMap { Int($0) } ?? 0)
      Thread.sleep(forTimeInterval: 0.01)
    }
    #expect(process.terminationStatus == 0)
    // A sanitizer (scripts/sanitize.sh) keeps books of its own about memory.
    let limit = ProcessInfo.processInfo.environment["SANITIZER"] == nil ? 150_000 : .max
    #expect(peak > 10_000 && peak < limit, "\(peak) kB")
    let merged = try SafetensorsFile(path: sandbox.place("merged/model.safetensors"))
    let weight = try merged.tensor("bert.encoder.layer.0.intermediate.dense.weight")
    #expect(weight.shape == [wide, 32] && weight.bytes.loadUnaligned(as: Float.self) == 2)
  }

  @Test func theExamplesOfHelpRunAsPrinted() throws {
    let sandbox = try trained("bert-tiny")
    #expect(try sandbox.shell("mkdir -p runs && mv run runs/quickstart-aslora").status == 0)
    for verb in ["merge", "export"] {
      let help = try sandbox.run("help", verb).out
      let examples = help.split(separator: "\n").compactMap { line in
        line.range(of: "EXAMPLE: swift-peft ").map { String(line[$0.upperBound...]) }
      }
      #expect(examples.count == 1)
      for example in examples {
        let outcome = try sandbox.shell("$TOOL \(example)")
        #expect(outcome.status == 0, "\(example): \(outcome.err)")
      }
    }
  }
}

extension Sandbox {
  /// A safetensors file of zeros, which take no room on the disk.
  func writeHollow(_ name: String, _ shapes: [(name: String, shape: [Int])]) throws {
    var offset = 0
    var entries: [(String, JSONValue)] = []
    for (name, shape) in shapes {
      let end = offset + 4 * shape.reduce(1, *)
      entries.append(
        (
          name,
          [
            "dtype": "F32", "shape": .list(shape.map { .integer($0) }),
            "data_offsets": [.integer(offset), .integer(end)],
          ]
        ))
      offset = end
    }
    let header = Array(JSONWriter.text(.members(entries), pretty: false).utf8)
    try write(name, Data(withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header))
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: place(name)))
    try file.truncate(atOffset: UInt64(8 + header.count + offset))
    try file.close()
  }
}
