import Diagnostics
import Testing

@Suite struct NearestNameTests {
  @Test(arguments: [("learnign_rate", "learning_rate"), ("seeds", "seed"), ("lora_aplha", "lora_alpha")])
  func findsTheNameMeant(typed: String, meant: String) {
    #expect(nearestName(to: typed, among: ["learning_rate", "seed", "lora_alpha", "r"]) == meant)
  }

  @Test func findsNothingFarAway() {
    #expect(nearestName(to: "banana", among: ["learning_rate", "seed"]) == nil)
  }
}
