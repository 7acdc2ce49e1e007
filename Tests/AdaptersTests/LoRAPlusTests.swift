import Models
import Testing

@testable import Adapters

@Suite struct LoRAPlusTests {
  private func factors(_ method: AdapterMethod) throws -> [String: Double] {
    let sites = stack(layers: 1, [("attention.self.query", 8, 8)])
    let table = try SiteTable(sites: sites, method: method.withLoRAPlus(ratio: 4), r: 4)
    return Dictionary(table.tensors.map { ($0.role.name, table.tensor($0).rateFactor) }) { first, _ in first }
  }

  /// By PEFT's rule, for which `gralora_B` is a B too.
  @Test func everyBAndEveryVectorIsFaster() throws {
    #expect(try factors(.lora) == ["A": 1, "B": 4])
    #expect(try factors(.gralora) == ["A": 1, "B": 4])
    #expect(try factors(.tiedLoRA) == ["A": 1, "B": 4, "u": 4, "v": 4])
    #expect(try factors(.miss) == ["D": 1])
  }

  @Test func methodsWithoutEitherAreRefused() throws {
    let geometry = try Configs.geometry(Configs.miniLM)
    let placement = AdapterPlacement(TargetSelection(["query"]), r: 4, loraAlpha: 16)
    #expect(throws: AdapterError.option("lora_plus_ratio", problem: "miss trains neither a B nor a vector")) {
      try placement.table(geometry, method: AdapterMethod.miss.withLoRAPlus(ratio: 4))
    }
    // MiCA freezes B.
    var additions = MethodAdditions()
    additions.start = .mica
    let problem = "lora with init_lora_weights \"mica\" trains neither a B nor a vector"
    #expect(throws: AdapterError.option("lora_plus_ratio", problem: problem)) {
      try placement.table(geometry, method: AdapterMethod.lora.with(additions).withLoRAPlus(ratio: 4))
    }
  }
}
