import Diagnostics
import Foundation
import Kernels
import Testing

@testable import Checkpoints

@Suite struct WeightFilesTests {
  private let prefix = "bert"

  /// A directory whose files hold float32 tensors of these names and shapes.
  private func directory(_ files: [String: [(String, [Int])]], index: String? = nil) throws -> Scratch {
    let scratch = try Scratch()
    for (file, tensors) in files {
      let tensors = tensors.map { name, shape in
        SafetensorsTensor(name: name, shape: shape, (0..<shape.reduce(1, *)).map(Float.init))
      }
      try SafetensorsWriter.write(tensors, to: scratch.path + "/" + file)
    }
    if let index { _ = try scratch.file("model.safetensors.index.json", index) }
    return scratch
  }

  @Test(arguments: [
    ("embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight"),
    ("bert.embeddings.word_embeddings.weight", "bert.embeddings.word_embeddings.weight"),
    ("bert.pooler.dense.bias", "pooler.dense.bias"),
    ("encoder.layer.0.output.LayerNorm.weight", "bert.encoder.layer.0.output.LayerNorm.gamma"),
    ("bert.embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta"),
    ("embeddings.LayerNorm.bias", "embeddings.LayerNorm.beta"),
  ]) func aTensorIsFoundByTheSpellingsOfTransformers(_ asked: String, _ stored: String) throws {
    let scratch = try directory(["model.safetensors": [(stored, [2]), ("other", [1])]])
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    #expect(weights.storedName(of: asked) == stored)
    #expect(weights.contains(asked) && weights.info(asked)?.shape == [2])
    #expect(try weights.tensor(asked, shape: [2]).floats() == [0, 1])
    #expect(try weights.tensors([(asked, [2])])[asked]?.floats() == [0, 1])
  }

  @Test(arguments: ["gamma", "LayerNorm.gamma", "ln_1.weight", "xembeddings.LayerNorm.weight", "embeddings"])
  func otherNamesAreOtherTensors(_ name: String) throws {
    let scratch = try directory(["model.safetensors": [("bert.embeddings.LayerNorm.gamma", [1])]])
    #expect(try !WeightFiles(path: scratch.path).contains(name))
  }

  @Test func theExactNameGoesFirst() throws {
    let scratch = try directory(["model.safetensors": [("bert.a", [1]), ("a", [2])]])
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    #expect(weights.info("a")?.shape == [2] && weights.info("bert.a")?.shape == [1])
  }

  @Test func everyMissingAndMisshapenTensorIsReportedAtOnce() throws {
    let scratch = try directory(["model.safetensors": [("bert.a", [2]), ("b", [2, 3]), ("c", [1])]])
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    let lines = [
      ": the checkpoint lacks 2 tensors: \"x\", \"y\", which the model needs",
      "/model.safetensors: tensor \"bert.a\" has the shape [2], the model needs [4]",
      "/model.safetensors: tensor \"b\" has the shape [2, 3], the model needs [3, 2]",
    ]
    expectError(lines.map { scratch.path + $0 }.joined(separator: "\n")) {
      _ = try weights.tensors([("x", [1]), ("a", [4]), ("b", [3, 2]), ("c", [1]), ("y", [1])])
    }
    expectError(scratch.path + ": the checkpoint lacks the tensor \"x\", which the model needs") {
      _ = try weights.tensor("x", shape: [1])
    }
  }

  @Test func aTypeThatIsNoWeightIsRefusedOnlyWhenAskedFor() throws {
    let scratch = try Scratch()
    _ = try scratch.file("model.safetensors", pythonFixture)
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    #expect(weights.contains("embeddings.position_ids"))
    let message = #"tensor "embeddings.position_ids": weights of type I64 are not supported; supported: F32, F16, BF16"#
    expectError("model.safetensors: " + message, dropping: scratch.path) {
      _ = try weights.tensors([("bert.embeddings.position_ids", [1, 3])])
    }
  }

  @Test func shardsAreOneCheckpoint() throws {
    let index = #"{"metadata":{"total_size":20},"weight_map":{"b":"two.safetensors","a":"one.safetensors"}}"#
    let scratch = try directory(["one.safetensors": [("a", [2])], "two.safetensors": [("b", [3])]], index: index)
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    #expect(weights.names == ["b", "a"] && weights.files.count == 2)
    #expect(
      try weights.tensors([("a", [2]), ("b", [3])]).mapValues { $0.floats() } == ["a": [0, 1], "b": [0, 1, 2]])
  }

  @Test func everyFaultOfTheShardsIsReportedAtOnce() throws {
    let index = #"{"weight_map":{"a":"1","b":"1","c":"1","d":"2","e":"3"}}"#
    let scratch = try directory(["1": [("b", [1])]], index: index)
    _ = try scratch.file("3", "short")
    let message = """
      model.safetensors.index.json: the shard "2" is missing
      3: not a safetensors file: 5 bytes, fewer than 8
      """
    expectError(message, dropping: scratch.path, status: .missingInput) {
      _ = try WeightFiles(path: scratch.path, basePrefix: prefix)
    }
  }

  @Test func threeMissingShardsAreNamedAndTheRestCounted() throws {
    let entries = (0..<73).map { "\"t\($0)\":\"s\($0)\"" }.joined(separator: ",")
    let scratch = try directory([:], index: "{\"weight_map\":{\(entries)}}")
    let lines = (0..<3).map { "model.safetensors.index.json: the shard \"s\($0)\" is missing\n" }
    expectError(lines.joined() + "and 70 more", dropping: scratch.path, status: .missingInput) {
      _ = try WeightFiles(path: scratch.path, basePrefix: prefix)
    }
  }

  @Test func whatAnIndexListsInVainIsMissedOnlyWhereItIsNeeded() throws {
    let index = #"{"weight_map":{"bert.a":"1","b":"1","c":"1","lm_head.weight":"1"}}"#
    let scratch = try directory(["1": [("b", [1])]], index: index)
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    #expect(weights.names == ["b"] && !weights.contains("lm_head.weight"))
    #expect(try weights.tensor("b", shape: [1]).floats() == [0])
    let message = """
      the checkpoint lacks the tensor "x", which the model needs
      model.safetensors.index.json: the shard "1" lacks 2 tensors: "bert.a", "c"
      """
    expectError(
      message.replacingOccurrences(of: "the checkpoint", with: scratch.path + ": the checkpoint"),
      dropping: scratch.path
    ) {
      _ = try weights.tensors([("a", [1]), ("b", [1]), ("c", [1]), ("x", [1])])
    }
  }

  @Test(arguments: ["../x", "/etc/passwd", "a/../../x", "", "..", "a//x", "x\u{0}y"])
  func aShardStaysInsideTheDirectory(_ shard: String) throws {
    let quoted = shard.replacingOccurrences(of: "\u{0}", with: "\\u0000")
    let scratch = try directory([:], index: "{\"weight_map\":\n{\"a\":\"\(quoted)\",\"b\":\"\(quoted)\"}}")
    let problem = "the shard \"\(quoted)\" is not a path inside the model directory"
    expectError(scratch.path + "/model.safetensors.index.json:2: " + problem) {
      _ = try WeightFiles(path: scratch.path, basePrefix: prefix)
    }
  }

  @Test(arguments: [
    ("{}", "1: weight_map: is missing"),
    ("\n[]", "2: must be an object, not a list"),
    ("{\n\"weight_map\":[]}", "2: weight_map: must be an object, not a list"),
    (#"{"weight_map":{"a":3}}"#, "1: weight_map.a: must be a string, not a whole number"),
    ("{", "1:2: expected a key in double quotes, or }"),
  ]) func aMalformedIndexIsRefused(_ index: String, _ problem: String) throws {
    let scratch = try directory([:], index: index)
    expectError("model.safetensors.index.json:" + problem, dropping: scratch.path) {
      _ = try WeightFiles(path: scratch.path, basePrefix: prefix)
    }
  }

  @Test func aDirectoryWithoutSafetensorsSaysWhatToDo() throws {
    let scratch = try Scratch()
    expectError(
      scratch.path + ": no weights: neither model.safetensors nor model.safetensors.index.json exists",
      status: .missingInput
    ) { _ = try WeightFiles(path: scratch.path, basePrefix: prefix) }
    let file = try scratch.file("pytorch_model.bin", "")
    expectError(
      scratch.path + ": the weights are only in pytorch_model.bin, which is not supported; convert them to "
        + "model.safetensors (in Python: AutoModel.from_pretrained(DIR).save_pretrained(DIR))"
    ) { _ = try WeightFiles(path: scratch.path, basePrefix: prefix) }
    expectError(file + ": Not a directory", status: .missingInput) { _ = try WeightFiles(path: file) }
    expectError("/nowhere: No such file or directory", status: .missingInput) {
      _ = try WeightFiles(path: "/nowhere")
    }
  }

  @Test func nonFiniteWeightsAreNamed() throws {
    let scratch = try Scratch()
    try SafetensorsWriter.write(
      [
        SafetensorsTensor(name: "bert.a", shape: [2, 2], [0, 1, .nan, -.infinity]),
        SafetensorsTensor(name: "b", shape: [1], [.greatestFiniteMagnitude]),
        SafetensorsTensor(name: "c", shape: [2], type: .bfloat16, bits16: [0x7F7F, 0xFF80]),
      ], to: scratch.path + "/model.safetensors")
    let weights = try WeightFiles(path: scratch.path, basePrefix: prefix)
    let found = try weights.tensors([("a", [2, 2]), ("b", [1]), ("c", [2])])
    let message = """
      model.safetensors: tensor "bert.a" has a NaN or an infinity at index 2
      model.safetensors: tensor "c" has a NaN or an infinity at index 1
      """
    expectError(message, dropping: scratch.path) { try weights.refuseNonFinite(found) }
    try weights.refuseNonFinite(found.filter { $0.key == "b" })
  }

  @Test(arguments: [0, 1, 4095, 4096, 8191, 9999]) func theFirstNonFiniteNumberIsFound(_ place: Int) {
    var values = [Float](repeating: -.greatestFiniteMagnitude, count: 10_000)
    #expect(FrozenTensor(values, shape: [100, 100]).firstNonFinite() == nil)
    values[place] = -.infinity
    values[9999] = .nan
    #expect(FrozenTensor(values, shape: [100, 100]).firstNonFinite() == place)
    #expect(FrozenTensor([], shape: [0]).firstNonFinite() == nil)
  }

  @Test func everyHalfIsFiniteOrNot() throws {
    let scratch = try Scratch()
    let all = (0...UInt16.max).map { $0 }
    for type in [SafetensorsType.float16, .bfloat16] {
      let path = scratch.path + "/m"
      try SafetensorsWriter.write(
        all.map { SafetensorsTensor(name: String($0), shape: [], type: type, bits16: [$0]) }
          .filter { Int($0.name).map { $0 % 64 < 2 || $0 % 64 == 63 } ?? false }, to: path)
      let file = try SafetensorsFile(path: path)
      for name in file.names {
        let tensor = try file.tensor(name)
        #expect((tensor.firstNonFinite() == nil) == tensor.floats()[0].isFinite)
      }
    }
  }
}
