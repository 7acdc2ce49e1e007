import Diagnostics
import Kernels
import Models
import Testing

@testable import Adapters

/// Every case of the errors of adapters, by its whole sentence.
@Suite struct ErrorSentenceTests {
  static let adapter: [(AdapterError, String)] = [
    (
      .unknownStrategy("share_a", known: ["lora", "share-a"]),
      "adapter.strategy: unknown strategy \"share_a\", did you mean \"share-a\"? (one of lora, share-a)"
    ),
    (.unknownStrategy("x", known: ["lora"]), "adapter.strategy: unknown strategy \"x\" (one of lora)"),
    (.rankNotPositive(0), "adapter.r: 0 is not a rank, expected at least 1"),
    (
      .rankTooLarge(rank: 9, path: "layer.0.query", inFeatures: 8, outFeatures: 16),
      "adapter.r: 9 is above the smaller dimension of layer.0.query (in_features 8)"
    ),
    (
      .rankTooLarge(rank: 9, path: "layer.0.query", inFeatures: 16, outFeatures: 8),
      "adapter.r: 9 is above the smaller dimension of layer.0.query (out_features 8)"
    ),
    (.rankOutOfRange(3_000_000_000), "adapter.r: 3000000000 is above 2147483647"),
    (.tooManyNumbers(strategy: "vera", limit: 64), "adapter: vera would have more than 64 numbers with these sizes"),
    (
      .tooLarge(strategy: "vera", bytes: 128, limit: 64),
      "adapter: vera would have 128 bytes of numbers with these sizes; this machine can hold 64"
    ),
    (
      .shapesDiffer(strategy: "share-a", role: .a, module: "query", first: "layer.0.query", second: "layer.1.query"),
      "adapter.strategy: share-a shares A of query, but layer.0.query and layer.1.query differ in shape"
    ),
    (.noTargets, "adapter.target_modules: empty, name at least one module or \"all-linear\""),
    (
      .unmatchedTarget("q", nearest: ["query", "value"]),
      "adapter.target_modules: \"q\" matches no linear map of the model; near it: \"query\", \"value\""
    ),
    (
      .overlappingTargets(fused: "h.0.c_attn", slice: "h.0.c_attn.q"),
      "adapter.target_modules: h.0.c_attn.q is a part of h.0.c_attn; name the one or the other"
    ),
    (
      .asloraOutOfRange(field: "start_step", value: -1, atLeast: 0),
      "adapter.aslora.start_step: -1 is out of range, expected at least 0"
    ),
    (.tooManyMerges(numMerges: 12, layers: 12), "adapter.aslora.num_merges: 12 is above layers - 1 = 11"),
    (
      .mergesDoNotFit(startStep: 10, mergeInterval: 5, numMerges: 3, totalSteps: 20),
      "adapter.aslora.num_merges: the last merge would be at step start_step + num_merges * merge_interval = "
        + "10 + 3 * 5, but the run has 20 steps"
    ),
    (
      .rankDiffers(path: "layer.0.query", adapter: 4, config: 8),
      "adapter.init_from: layer.0.query has rank 4, adapter.r is 8"
    ),
    (
      .noInverse(path: "layer.0.query", method: "lora-fa"),
      "layer.0.query: lora-fa divides by A Aᵀ, which has no inverse: the rows of A are not independent, or its numbers too large"
    ),
    (
      .productNotFinite(path: "layer.0.query"),
      "the product of the adapter's tensors for layer.0.query holds NaN or infinite numbers"
    ),
    (
      .otherOptions(method: "mos", differences: ["chunks is 4 there and 2 here"]),
      "adapter.init_from: mos can only go on from an adapter with the same options, but chunks is 4 there and 2 here"
    ),
    (.otherMethod(config: "vera"), "adapter.init_from: vera can only start from another adapter of vera"),
    (
      .missingSites(["a", "b", "c", "d"]),
      "adapter.init_from: the adapter lacks a, b, c and 1 more, listed in target_modules"
    ),
    (.unusedSites(["a"]), "adapter.init_from: the adapter has a, which target_modules leaves out"),
    (
      .unknownChange(path: "layer.0.query", reason: "its first 8 columns are not independent"),
      "layer.0.query: what PEFT took out of the weight, which the adapter's file does not hold, is not known: its first 8 columns are not independent"
    ),
    (
      .noFactors(path: "layer.0.query", .notFinite),
      "layer.0.query: the weight holds NaN or infinite numbers, so it cannot be decomposed"
    ),
    (
      .noFactors(path: "layer.0.query", .noConvergence),
      "layer.0.query: the decomposition of the weight did not converge"
    ),
    (
      .valuesDiffer(strategy: "share-a", role: .a, module: "query", firstLayer: 0, otherLayers: [1]),
      "adapter.init_from: lora_A of query differs between layer 0 and layer 1, but share-a shares it"
    ),
    (
      .valuesDiffer(strategy: "share-b", role: .b, module: "query", firstLayer: 0, otherLayers: [1, 2, 3, 4]),
      "adapter.init_from: lora_B of query differs between layer 0 and layers 1, 2, 3 and 1 more, but share-b shares it"
    ),
  ]

  /// About the placement of adapters.
  static let placement: [(AdapterError, String)] = [
    (
      .misfit(MethodMisfit("gralora.k", "3 does not divide r 4"), path: "layer.0.query"),
      "adapter.gralora.k: 3 does not divide r 4 (layer.0.query)"
    ),
    (
      .misfit(MethodMisfit("vb-lora.topk", "3 is above 2", isOfMap: false), path: nil),
      "adapter.vb-lora.topk: 3 is above 2"
    ),
    (.option("use_rslora", problem: "miss has no scale"), "adapter.use_rslora: miss has no scale"),
    (
      .ranksDiffer(
        strategy: "share-a", role: .a, first: "layer.0.query", firstRank: 2, second: "layer.1.query", secondRank: 4),
      "adapter.rank_pattern: share-a shares one A between layer.0.query of rank 2 and layer.1.query of rank 4"
    ),
    (
      .mergedDiffer(strategy: "aslora", module: "query", first: "layer.0.query", second: "layer.1.query"),
      "adapter: aslora merges layers of query, but layer.0.query and layer.1.query differ in rank or scale by "
        + "rank_pattern or alpha_pattern"
    ),
    (
      .badPattern("rank_pattern", "(", reason: "end of pattern"),
      "adapter.rank_pattern: \"(\" is not a regular expression: end of pattern"
    ),
    (
      .unmatchedPattern("rank_pattern", "q"),
      "adapter.rank_pattern: \"q\" matches no adapted map (it must match the end of a path from a dot on)"
    ),
    (
      .unmatchedExpression("query", isName: true),
      "adapter.target_modules: the regular expression \"query\" matches no whole path of a linear map; for a name write "
        + "[\"query\"]"
    ),
    (.unmatchedExclusion("q"), "adapter.exclude_modules: \"q\" matches no linear map of the model"),
    (.unknownLayers([7], last: 2), "adapter.layers_to_transform: the model has no layer 7, only 0 to 2"),
    (.unknownLayers([7, 8], last: 2), "adapter.layers_to_transform: the model has no layers 7, 8, only 0 to 2"),
    (
      .noLayers(["h"]), "adapter.layers_pattern: h stands before no layer's number in any path of the model"
    ),
    (.nothingLeft, "adapter: target_modules, exclude_modules and layers_to_transform together leave no linear map"),
    (
      .scaleDiffers(adapter: 2, config: 4, method: "lora-xs"),
      "adapter.init_from: the adapter was trained with the scale 2.0, this run's is 4.0, and lora-xs cannot take it over: "
        + "give the run the adapter's lora_alpha and use_rslora"
    ),
    (
      .notPlain(path: "layer.0.query", config: "share-a"),
      "adapter.init_from: the adapter changes layer.0.query by more than A and B, which share-a cannot do"
    ),
    (
      .sharedStart(method: "share-a", role: .a, module: "query", maps: 12),
      "adapter.init_lora_weights: share-a starts A from one weight, but 12 maps of query share it; init_from_mean: true "
        + "takes the mean of their weights"
    ),
  ]

  static let file: [(AdapterFileError.Problem, String)] = [
    (.missingTensor("t", user: "layer.0.query"), "tensor \"t\" is missing; layer.0.query needs it"),
    (.unusedTensor("t"), "tensor \"t\" matches no adapted module"),
    (.wrongShape(tensor: "t", shape: [2, 6], expected: [3, 6]), "tensor \"t\" has the shape [2, 6], expected [3, 6]"),
    (.notFinite("t"), "tensor \"t\" holds NaN or infinite numbers"),
    (.tooLarge(bytes: 12, limit: 8), "12 bytes of tensors; this machine can hold 8"),
    (.unusable(path: "layer.0.query", "its indices name 9"), "layer.0.query cannot be used: its indices name 9"),
    (
      .notChosen("layer.0.query", config: "adapter_config.json"),
      "has tensors for layer.0.query, which adapter_config.json does not choose (target_modules, exclude_modules, "
        + "layers_to_transform)"
    ),
    (
      .pickle,
      "pickles are not read; convert it in Python: safetensors.torch.save_file(torch.load('adapter_model.bin', "
        + "weights_only=True), 'adapter_model.safetensors')"
    ),
    (.unknownModule("pooler", nearest: nil), "the model has no linear map pooler"),
    (.unknownModule("qeury", nearest: "query"), "the model has no linear map qeury; did you mean query?"),
  ]

  static let export: [(AdapterFormatError, String)] = [
    (
      .notPlainLoRA(format: "peft", path: "layer.0.query"),
      "--format peft: layer.0.query changes its weight by more than a low rank (a scale of its rows, sparse numbers), which a plain LoRA cannot hold; use merge"
    ),
    (
      .otherFamily("bert", supported: ["llama"]),
      "--format gguf: llama.cpp has no names for a bert adapter; supported: llama"
    ),
    (
      .head("score.weight"),
      "--format gguf: the adapter has a classification head (score.weight), for which a LoRA file of llama.cpp has no "
        + "place"
    ),
    (.needsWeights(strategy: "lora-xs"), "the strategy lora-xs needs the weights of the base model"),
    (.empty, "--format gguf: the adapter changes nothing, there is no LoRA to write"),
    (.module("lm_head"), "--format gguf: llama.cpp has no name for lm_head"),
  ]

  static let fold: [(FoldError, String)] = [
    (
      .overflow(tensor: "q.weight", type: "F16", row: 3, value: 70_000),
      "q.weight: row 3 becomes 70000.0, which F16 cannot hold"
    ),
    (.missingWeight(directory: "model", tensor: "q.weight"), "model: the checkpoint lacks q.weight"),
    (
      .ambiguous(directory: "model", tensor: "q.weight", names: ["q.weight", "bert.q.weight"]),
      "model: q.weight and bert.q.weight are both q.weight"
    ),
    (
      .noClassifier(modelType: "granite"),
      "transformers has no sequence classifier of granite, so a merged one could not be loaded; use the run with eval "
        + "and predict"
    ),
    (
      .wrongHead(found: ["score.weight"], expected: ["classifier.bias", "classifier.weight"]),
      "the adapter's head is score.weight, the model's is classifier.bias, classifier.weight"
    ),
  ]

  @Test(arguments: placement) func placementErrors(error: AdapterError, sentence: String) { check(error, sentence) }
  @Test(arguments: adapter) func adapterErrors(error: AdapterError, sentence: String) { check(error, sentence) }
  @Test(arguments: file) func fileErrors(problem: AdapterFileError.Problem, sentence: String) {
    check(
      AdapterFileError(file: "adapter_model.safetensors", problem: problem), "adapter_model.safetensors: " + sentence)
  }
  @Test(arguments: export) func exportErrors(error: AdapterFormatError, sentence: String) { check(error, sentence) }
  @Test(arguments: fold) func foldErrors(error: FoldError, sentence: String) { check(error, sentence) }

  private func check(_ error: some UserFacingError, _ sentence: String) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == .badInput)
  }
}

@Suite struct TrainableStateTests {
  static let key = TensorKey(role: .b, module: "attention.self.query", layer: 1)
  static let other = TensorKey(role: .b, module: "attention.self.query", layer: 0)

  /// Every way to write to a state.
  static let writes: [(String, @Sendable (inout TrainableState) -> Void)] = [
    ("a tensor", { $0[key] = [Float](repeating: 9, count: 8) }),
    ("the head", { $0[head: 0] = [Float](repeating: 9, count: 8) }),
    (
      "a step",
      { $0.update { values, first, second in for storage in [values, first, second] { storage.base[0] = 9 } } }
    ),
    (
      "a tensor's moments",
      { $0.restoreMoments(key, first: [Float](repeating: 9, count: 8), second: [Float](repeating: 9, count: 8)) }
    ),
    (
      "the head's moments",
      { $0.restoreMoments(head: 0, first: [Float](repeating: 9, count: 8), second: [Float](repeating: 9, count: 8)) }
    ),
    ("a merge", { $0.tie([(lower: other, upper: key)]) }),
    ("fresh tensors", { try? $0.initializeAdapter(philox: Philox(seed: 2)) }),
    ("counters", { ($0.step, $0.skippedSteps) = (9, 9) }),
  ]

  @Test(arguments: writes.indices) func writingToACopyLeavesTheOriginalAlone(index: Int) throws {
    let table = try SiteTable(sites: queryValue(layers: 2, hidden: 4), method: .aslora, r: 2)
    var original = TrainableState(table: table, head: [HeadParameter(name: "classifier.weight", rows: 2, columns: 4)])
    try original.initializeAdapter(philox: Philox(seed: 1))
    let before = contents(original)
    var copy = original
    Self.writes[index].1(&copy)
    #expect(contents(original) == before, "\(Self.writes[index].0)")
    #expect(contents(copy) != before, "\(Self.writes[index].0)")
    // Neither does the copy follow the original.
    let written = contents(copy)
    original[table.tensors[0]] = [Float](repeating: 7, count: 8)
    #expect(contents(copy) == written)
  }

  private func contents(_ state: TrainableState) -> [[Float]] {
    let keys = state.table.tensors
    return keys.map { state[$0] } + [state[head: 0], state.moments(head: 0).first, state.moments(head: 0).second]
      + keys.compactMap(state.moments).flatMap { [$0.first, $0.second] }
      + [[Float(state.step), Float(state.skippedSteps), Float(state.parameterCount)]]
  }
}
