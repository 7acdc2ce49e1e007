import Kernels
import Models
import Testing

@testable import Adapters

@Suite struct CLoRATests {
  private let site = SiteTensors(
    site: queryValue(layers: 1, hidden: 4)[0], rank: 2, scale: 1, maps: AdaptedMaps([], ranks: []), values: [:],
    baseWeight: nil)
  private let method: AdapterMethod = {
    var options = CLoRAOptions()
    (options.lambda, options.k) = (0.3, 5)
    return AdapterMethod.lora.withCLoRA(options)
  }()

  /// λ ‖A P‖² and λ ‖Bᵀ P‖², and their slopes.
  @Test(arguments: [TensorRole.a, .b, SharingLevel.a(2), SharingLevel.b(1)])
  func penaltyAndGradient(role: TensorRole) throws {
    let regulariser = try #require(method.design.regulariser), philox = Philox(seed: 2)
    let tensor = AdapterTensor(
      TensorKey(role: role, module: "m", layer: 0), shape: role.factor == .a ? [3, 8] : [8, 3], start: .zeros)
    let values = philox.normal(24, deviation: 1, stream: 1)
    let (loss, gradient) = try #require(regulariser.penalty(tensor, values, site))
    #expect(loss > 0 && gradient.count == 24)
    for index in [0, 7, 23] {
      var above = values, below = values
      above[index] += 0.01
      below[index] -= 0.01
      let up = try #require(regulariser.penalty(tensor, above, site)).loss
      let down = try #require(regulariser.penalty(tensor, below, site)).loss
      #expect(abs((up - down) / 0.02 - Double(gradient[index])) < 1e-3)
    }
    // Quadratic: twice the tensor, four times the penalty.
    let doubled = try #require(regulariser.penalty(tensor, values.map { 2 * $0 }, site)).loss
    #expect(abs(doubled - 4 * loss) < 1e-4 * loss)
  }

  @Test func otherTensorsHaveNone() throws {
    let regulariser = try #require(method.design.regulariser)
    let vector = AdapterTensor(TensorKey(role: TensorRole("d"), module: "m", layer: 0), shape: [4], start: .zeros)
    #expect(regulariser.penalty(vector, [1, 2, 3, 4], self.site) == nil)
    let site = queryValue(layers: 1, hidden: 4)[0]
    #expect(
      regulariser.penalty(.a(site, 2, layer: nil, trains: false), [Float](repeating: 1, count: 8), self.site) == nil)
  }

  /// DEAL's hold stays.
  @Test func penaltiesAddUp() throws {
    let philox = Philox(seed: 2), site = queryValue(layers: 1, hidden: 4)[0]
    let tensor = AdapterTensor.a(site, 2), values = philox.normal(8, deviation: 1, stream: 1)
    var options = CLoRAOptions()
    options.k = 5
    let held = TensorRole("A_held"), zeros = [Float](repeating: 0, count: 8)
    let tensors = SiteTensors(
      site: site, rank: 2, scale: 1, maps: AdaptedMaps([], ranks: []), values: [held: zeros], baseWeight: nil)
    func penalty(_ method: AdapterMethod) throws -> (loss: Double, gradient: [Float]) {
      try #require(method.design.regulariser?.penalty(tensor, values, tensors))
    }
    let both = try penalty(AdapterMethod.deal.withCLoRA(options)), hold = try penalty(.deal)
    let clora = try penalty(AdapterMethod.lora.withCLoRA(options))
    #expect(hold.loss > 0 && clora.loss > 0 && both.loss == hold.loss + clora.loss)
    #expect(both.gradient == zip(hold.gradient, clora.gradient).map { $0 + $1 })
  }

  @Test func methodsWithoutAAndBAreRefused() throws {
    let geometry = try Configs.geometry(Configs.miniLM)
    let placement = AdapterPlacement(TargetSelection(["query"]), r: 4, loraAlpha: 16)
    let bare = AdapterMethod(name: "vectors", summary: "") { site, _ in
      [.vector(TensorRole("d"), site, count: 4, start: .zeros)]
    }
    #expect(throws: AdapterError.option("clora", problem: "vectors trains neither an A or B nor a part of one")) {
      try placement.table(geometry, method: bare.withCLoRA(CLoRAOptions()))
    }
  }
}
