import Adapters
import Diagnostics
import Testing

@testable import Models

@Suite struct TargetSelectionTests {
  let bert = stack(
    layers: 2,
    [
      ("attention.self.query", 8, 8), ("attention.self.value", 8, 8), ("attention.output.dense", 8, 8),
      ("intermediate.dense", 8, 32), ("output.dense", 32, 8),
    ])
  let fused = [
    Site(layer: 0, module: "attn.c_attn", path: "h.0.attn.c_attn", inFeatures: 8, outFeatures: 24),
    Site(
      layer: 0, module: "attn.c_attn.q", path: "h.0.attn.c_attn.q", inFeatures: 8, outFeatures: 8,
      slice: .init(path: "h.0.attn.c_attn", firstRow: 0)),
    Site(layer: 0, module: "mlp.c_fc", path: "h.0.mlp.c_fc", inFeatures: 8, outFeatures: 32),
  ]

  @Test(arguments: [
    (["query"], 2), (["value", "query"], 4), (["dense"], 6), (["output.dense"], 4), (["attention.output.dense"], 2),
    (["1.attention.self.query"], 1), (["encoder.layer.0.attention.self.query"], 1),
    (["bert.encoder.layer.0.attention.self.query"], 1), (["all-linear"], 10),
  ])
  func matchesAsPEFTDoes(targets: [String], count: Int) throws {
    let selected = try TargetSelection(targets).select(from: bert, basePrefix: "bert")
    #expect(selected.count == count)
    #expect(selected == bert.filter(selected.contains))
  }

  @Test func unmatchedTargetsAreReportedTogetherWithTheNearestNames() {
    let error = #expect(throws: ErrorList.self) {
      try TargetSelection(["qeury", "value", "uery", "banana"]).select(from: bert)
    }
    #expect(
      error?.description == """
        adapter.target_modules: "qeury" matches no linear map of the model; near it: "query"
        adapter.target_modules: "uery" matches no linear map of the model; near it: "query"
        adapter.target_modules: "banana" matches no linear map of the model; near it: "query", "value", "dense"
        """)
    #expect(throws: AdapterError.noTargets) { try TargetSelection([]).select(from: bert) }
  }

  @Test func slicesAreNamedInFullOnly() throws {
    #expect(try TargetSelection(["c_attn.q"]).select(from: fused) == [fused[1]])
    #expect(try TargetSelection(["attn.c_attn.q"]).select(from: fused) == [fused[1]])
    #expect(try TargetSelection(["c_attn"]).select(from: fused) == [fused[0]])
    #expect(try TargetSelection(["all-linear"]).select(from: fused) == [fused[0], fused[2]])
    #expect(throws: AdapterError.self) { try TargetSelection(["q"]).select(from: fused) }
    #expect(throws: AdapterError.overlappingTargets(fused: "h.0.attn.c_attn", slice: "h.0.attn.c_attn.q")) {
      try TargetSelection(["c_attn", "c_attn.q"]).select(from: fused)
    }
  }
}
