import Foundation
import Kernels
import Testing

@Suite struct AdamWTests {
  /// torch.optim.AdamW's formula in double precision, in its order: decay, moments, step.
  @Test(arguments: [1, 16, 37]) func stepsAreThoseOfTheFormula(count: Int) {
    let rate = 2e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0.1, clip = 0.37
    let philox = Philox(seed: 1)
    let start = philox.normal(count, deviation: 0.1, stream: 1)
    let values = storage(start), gradients = storage(start), first = storage([Float](repeating: 0, count: count))
    let second = storage([Float](repeating: 0, count: count))
    var exact = start.map(Double.init), m = [Double](repeating: 0, count: count), v = m
    for step in 1...20 {
      let g = philox.normal(count, deviation: 0.01 * Double(step), stream: UInt64(100 + step))
      gradients[0..<count] = g
      AdamWStep(
        learningRate: rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: decay, step: step,
        gradientScale: clip
      ).apply(range: 0..<count, values: values, gradients: gradients, firstMoments: first, secondMoments: second)
      for i in 0..<count {
        let clipped = Double(g[i]) * clip
        exact[i] *= 1 - rate * decay
        m[i] = beta1 * m[i] + (1 - beta1) * clipped
        v[i] = beta2 * v[i] + (1 - beta2) * clipped * clipped
        let denominator = (v[i] / (1 - pow(beta2, Double(step)))).squareRoot() + epsilon
        exact[i] -= rate * m[i] / (1 - pow(beta1, Double(step))) / denominator
      }
      let size = Double(step) * 0.01
      for i in 0..<count {
        #expect(abs(Double(first[i..<i + 1][0]) - m[i]) < 5e-7 * size)
        #expect(abs(Double(second[i..<i + 1][0]) - v[i]) < 2e-6 * v[i])
        // A step is about `rate` long; each may cost 1e-6 of it and two ulps of the value.
        #expect(
          abs(Double(values[i..<i + 1][0]) - exact[i]) < Double(step) * (1e-6 * rate + 2 * Double(Float(exact[i]).ulp)))
      }
    }
  }

  @Test func onlyTheRangeIsTouched() {
    let values = storage([1, 1, 1, 1]), gradients = storage([1, 1, 1, 1]), m = storage([0, 0, 0, 0])
    let v = storage([0, 0, 0, 0])
    AdamWStep(
      learningRate: 0.5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, step: 1, gradientScale: 1
    ).apply(range: 1..<3, values: values, gradients: gradients, firstMoments: m, secondMoments: v)
    // The first step is as long as the rate, whatever the gradient.
    for (value, expected) in zip(values[0..<4], [1, 0.5, 0.5, 1] as [Float]) { #expect(abs(value - expected) < 1e-6) }
    #expect(values[0..<1] == [1])
    #expect(values[3..<4] == [1])
    #expect(m[0..<1] == [0])
    #expect(v[3..<4] == [0])
  }

  @Test func withoutGradientOnlyDecayActs() {
    let values = storage([2]), zero = storage([0]), m = storage([0]), v = storage([0])
    AdamWStep(
      learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.5, step: 1, gradientScale: 1
    ).apply(range: 0..<1, values: values, gradients: zero, firstMoments: m, secondMoments: v)
    #expect(abs(values[0..<1][0] - 1.9) < 1e-6)
  }

  private func storage(_ values: [Float]) -> FloatStorage {
    let storage = FloatStorage(zeros: values.count)
    storage[0..<values.count] = values
    return storage
  }
}
