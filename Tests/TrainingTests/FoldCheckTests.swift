import Adapters
import Checkpoints
import Foundation
import Testing

@testable import Training

/// What merge says about its result.
@Suite struct FoldCheckTests {
  private static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Golden"

  /// An adapter of PEFT, r 2, on the maps `paths` of [out, in], with a head where there are `labels`; its B's are `size`.
  private func adapter(
    _ directory: String, _ paths: [(path: String, out: Int, in: Int)], size: Float,
    head: [(name: String, shape: [Int])] = []
  ) throws -> String {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let config = #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4}"#
    try config.write(toFile: "\(directory)/adapter_config.json", atomically: true, encoding: .utf8)
    func values(_ count: Int, _ size: Float) -> [Float] { (0..<count).map { size * (Float($0 * 37 % 23) / 11 - 1) } }
    var tensors = paths.flatMap { map in
      [
        SafetensorsTensor(name: "\(map.path).lora_A.weight", shape: [2, map.in], values(2 * map.in, 0.5)),
        SafetensorsTensor(name: "\(map.path).lora_B.weight", shape: [map.out, 2], values(2 * map.out, size)),
      ]
    }
    tensors += head.map { SafetensorsTensor(name: $0.name, shape: $0.shape, values($0.shape.reduce(1, *), 0.3)) }
    try SafetensorsWriter.write(tensors, to: "\(directory)/adapter_model.safetensors")
    return directory
  }

  private func scratch() throws -> String {
    let path = NSTemporaryDirectory() + "swift-peft-merge-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// The same merge is close to its model, that of a larger adapter is not.
  private func check(_ model: String, _ make: (_ directory: String, _ size: Float) throws -> String) throws {
    let scratch = try scratch()
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let small = try FoldRun(AdaptedModel(model: "\(Self.golden)/\(model)", adapter: make("\(scratch)/small", 0.1)))
    let large = try FoldRun(AdaptedModel(model: "\(Self.golden)/\(model)", adapter: make("\(scratch)/large", 0.2)))
    try small.write(to: "\(scratch)/one", overwrite: false)
    try large.write(to: "\(scratch)/two", overwrite: false)
    let own = try #require(try small.difference(at: "\(scratch)/one"))
    let other = try #require(try small.difference(at: "\(scratch)/two"))
    #expect(own.largestLogit > 0.01 && own.largest <= 1e-5 * own.largestLogit, "\(own)")
    #expect(other.largestLogit == own.largestLogit && other.largest > 1e-3 * own.largestLogit, "\(other)")
  }

  @Test(arguments: ["bert-tiny", "roberta-tiny"]) func classifiers(model: String) throws {
    let family = String(model.prefix { $0 != "-" })
    let output = family == "bert" ? "classifier" : "classifier.out_proj"
    try check(model) { directory, size in
      try adapter(
        directory, [("base_model.model.\(family).encoder.layer.1.attention.self.query", 32, 32)], size: size,
        head: [("base_model.model.\(output).weight", [3, 32]), ("base_model.model.\(output).bias", [3])]
          + (family == "bert"
            ? []
            : [
              ("base_model.model.classifier.dense.weight", [32, 32]), ("base_model.model.classifier.dense.bias", [32]),
            ]))
    }
  }

  @Test func languageModelsAndTheirClassifiers() throws {
    let llama = "base_model.model.model.layers.0.self_attn.q_proj"
    try check("decoders/llama-grouped") { try adapter($0, [(llama, 24, 24)], size: $1) }
    try check("decoders/llama-grouped") {
      try adapter($0, [(llama, 24, 24)], size: $1, head: [("base_model.model.score.weight", [2, 24])])
    }
    let gpt2 = "base_model.model.transformer.h.2.attn.c_attn"
    for model in ["gpt2-tiny", "gpt2-untied"] {
      try check("decoders/\(model)") { try adapter($0, [(gpt2, 72, 24)], size: $1) }
    }
  }

  /// Rounding to bfloat16 shows.
  @Test func roundedWeightsDiffer() throws {
    let scratch = try scratch()
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let peft = try adapter(
      "\(scratch)/peft", [("base_model.model.model.layers.0.self_attn.q_proj", 24, 24)], size: 0.1)
    let merge = try FoldRun(AdaptedModel(model: "\(Self.golden)/decoders/llama-grouped-bf16", adapter: peft))
    try merge.write(to: "\(scratch)/merged", overwrite: false)
    let difference = try #require(try merge.difference(at: "\(scratch)/merged"))
    #expect(difference.largest > 1e-6 * difference.largestLogit && difference.largest < 0.05 * difference.largestLogit)
  }

  @Test func withoutAHeadThereIsNothingToCompare() throws {
    let scratch = try scratch()
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let peft = try adapter(
      "\(scratch)/peft", [("base_model.model.bert.encoder.layer.0.output.dense", 32, 64)], size: 0.1)
    let merge = try FoldRun(AdaptedModel(model: "\(Self.golden)/bert-tiny", adapter: peft))
    try merge.write(to: "\(scratch)/merged", overwrite: false)
    #expect(try merge.difference(at: "\(scratch)/merged") == nil)
  }
}
