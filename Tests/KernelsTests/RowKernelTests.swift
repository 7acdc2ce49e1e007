import CKernels
import Foundation
import Kernels
import Testing

@Suite struct RowKernelTests {
  static let lengths = [1, 2, 15, 16, 17, 31, 32, 33, 128, 301]

  @Test(arguments: lengths, [0.125, 1, 30] as [Float])
  func softmaxIsThatOfTheFormula(count: Int, scale: Float) {
    let scores = Philox(seed: 1).normal(count, deviation: 4, stream: UInt64(count))
    var p = scores
    let logSum = ck_softmax(&p, scale, count)
    let scaled = scores.map { Double($0) * Double(scale) }
    let top = scaled.max() ?? 0
    let sum = scaled.reduce(0) { $0 + exp($1 - top) }
    #expect(abs(Double(logSum) - (top + log(sum))) < 1e-6 * max(1, abs(top)))
    // A difference of scores d, rounded, changes e^d by d ulps.
    for (value, s) in zip(p, scaled) {
      let exact = exp(s - top) / sum
      #expect(abs(Double(value) - exact) < 1e-6 * exact * max(1, top - s) + 1e-37)
    }
    #expect(abs(p.reduce(0) { $0 + Double($1) } - 1) < 1e-6)

    var again = scores, unused = [Float](repeating: 0, count: count)
    ck_attention_gradient(&again, &unused, nil, nil, nil, nil, scale, 1, logSum, 0, count)
    for (a, b) in zip(again, p) {
      #expect(abs(a - b) <= 4e-7 * b * Float(max(1, abs(top))) + 1e-37)
    }
  }

  @Test func softmaxStandsLargeScores() {
    var p: [Float] = [30_000, 29_999, -30_000]
    let logSum = ck_softmax(&p, 1, 3)
    #expect(abs(p[0] - 0.731_058_6) < 1e-6)
    #expect(abs(p[1] - 0.268_941_4) < 1e-6)
    #expect(p[2] == 0)
    #expect(abs(logSum - 30_000.31) < 0.01)
    var one: [Float] = [-1e30]
    #expect(ck_softmax(&one, 1, 1) == -1e30)
    #expect(one == [1])
  }

  @Test(arguments: lengths) func softmaxLetsNaNThrough(count: Int) {
    for place in Set([0, count / 2, count - 1]) {
      var p = [Float](repeating: 0.5, count: count)
      p[place] = .nan
      _ = ck_softmax(&p, 1, count)
      #expect(p.allSatisfy { $0.isNaN })
    }
  }

  /// With dropout multipliers m: p m, and p (m g − δ) times a rate and a cap's slope, in float32 and rounded.
  @Test(arguments: lengths) func softmaxDerivativeIsThatOfTheFormula(count: Int) {
    let philox = Philox(seed: 2)
    let scores = philox.uniform(count, bound: 1, stream: 1), start = philox.uniform(count, bound: 1, stream: 2)
    let mask = philox.uniform(count, bound: 1, stream: 3), slope = philox.uniform(count, bound: 1, stream: 4)
    for (hasMask, hasSlope) in [(false, false), (true, false), (false, true), (true, true)] {
      func run(
        _ p: inout [Float], _ dp: inout [Float], _ p16: UnsafeMutablePointer<UInt16>?,
        _ dp16: UnsafeMutablePointer<UInt16>?
      ) {
        mask.withUnsafeBufferPointer { mask in
          slope.withUnsafeBufferPointer { slope in
            ck_attention_gradient(
              &p, &dp, p16, dp16, hasMask ? mask.baseAddress : nil, hasSlope ? slope.baseAddress : nil, 0.5, 0.125, 0.7,
              0.3, count)
          }
        }
      }
      var p = scores, dp = start, scratch = scores, other = start
      var p16 = [UInt16](repeating: 0, count: count), dp16 = p16
      run(&p, &dp, nil, nil)
      run(&scratch, &other, &p16, &dp16)
      for i in 0..<count {
        let e = exp(0.5 * Double(scores[i]) - 0.7), m = hasMask ? Double(mask[i]) : 1
        let exact = e * (m * Double(start[i]) - 0.3) * 0.125 * (hasSlope ? Double(slope[i]) : 1)
        #expect(abs(Double(p[i]) - e * m) < 2e-7)
        #expect(abs(Double(dp[i]) - exact) < 6e-8)
        #expect(abs(Double(widened(p16[i])) - e * m) <= 0.004 * abs(e * m))
        #expect(abs(Double(widened(dp16[i])) - exact) <= 0.004 * abs(exact) + 1e-7)
      }
    }
  }

  @Test(arguments: [1, 2, 15, 16, 17, 33, 768, 769], [0, 1, 2, 3, 4, 5, 6, 7])
  func layerNormIsThatOfTheFormula(columns: Int, parts: Int) {
    let philox = Philox(seed: 3)
    // Far from zero, so that a variance by Σx² − (Σx)² would fail.
    let start = philox.normal(columns, deviation: 1, stream: 1).map { $0 + 50 }
    let gamma = philox.normal(columns, deviation: 1, stream: 2), beta = philox.normal(columns, deviation: 1, stream: 3)
    let bias = parts & 1 == 0 ? nil : philox.normal(columns, deviation: 1, stream: 4)
    let mask = parts & 2 == 0 ? nil : philox.uniform(columns, bound: 2, stream: 5)
    let residual = parts & 4 == 0 ? nil : philox.normal(columns, deviation: 1, stream: 6)
    var x = start, y = [Float](repeating: 0, count: columns), mean: Float = 0, reciprocal: Float = 0
    withOptional(bias) { bias in
      withOptional(mask) { mask in
        withOptional(residual) { residual in
          ck_residual_layer_norm(
            &x, bias, mask, residual, gamma, beta, 1e-5, &y, &mean, &reciprocal, columns)
        }
      }
    }
    let sum = (0..<columns).map { c in
      (Double(start[c]) + (bias.map { Double($0[c]) } ?? 0)) * (mask.map { Double($0[c]) } ?? 1)
        + (residual.map { Double($0[c]) } ?? 0)
    }
    // What is normalised is the float32 sum; its own rounding is checked here and taken as given below.
    for c in 0..<columns { #expect(abs(Double(x[c]) - sum[c]) <= 4e-7 * 150) }
    let given = x.map(Double.init)
    let center = given.reduce(0, +) / Double(columns)
    let variance = given.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(columns)
    let rate = 1 / (variance + 1e-5).squareRoot()
    #expect(abs(Double(mean) - center) < 2e-5)
    #expect(abs(Double(reciprocal) - rate) < 1e-5 * rate)
    for c in 0..<columns {
      let exact = (given[c] - center) * rate * Double(gamma[c]) + Double(beta[c])
      #expect(abs(Double(y[c]) - exact) < 2e-5 * rate * max(1, abs(Double(gamma[c]))) + 1e-6)
    }
  }

  @Test(arguments: [1, 7, 16, 37, 768]) func sumsAreThoseOfDoublePrecision(count: Int) {
    let philox = Philox(seed: 4)
    let a = philox.normal(count, deviation: 1, stream: 1), b = philox.normal(count, deviation: 1, stream: 2)
    let products = zip(a, b).map { Double($0) * Double($1) }
    var dots: [Float] = [0, 0]
    ck_dots(a + b, b + a, &dots, 2, count)
    for dot in dots {
      #expect(abs(Double(dot) - products.reduce(0, +)) < 2e-7 * products.reduce(0) { $0 + abs($1) })
    }
    let exact = products.reduce(0, +), size = products.reduce(0) { $0 + abs($1) }
    #expect(abs(ck_sum_of_products(a, b, count) - exact) < 1e-14 * size)
    let squares = a.reduce(0) { $0 + Double($1) * Double($1) }
    #expect(abs(ck_sum_of_squares(a, count) - squares) < 1e-14 * squares)

    let storage = FloatStorage(zeros: count), other = FloatStorage(zeros: count)
    storage[0..<count] = a
    other[0..<count] = b
    #expect(abs(storage.norm - squares.squareRoot()) < 1e-14 * squares.squareRoot())
    storage.add(other)
    #expect(storage[0..<count] == zip(a, b).map { $0 + $1 })
  }

  @Test func squaresOfLargeNumbersDoNotOverflow() {
    #expect(
      ck_sum_of_squares([3e30, 4e30], 2).squareRoot() == 5e30
        || abs(ck_sum_of_squares([3e30, 4e30], 2).squareRoot() / 5e30 - 1) < 1e-7)
  }

  @Test(arguments: [1, 17, 40]) func elementwiseKernelsTouchTheirRangeOnly(count: Int) {
    var y = (0..<count).map { Float($0) } + [7]
    let x = [Float](repeating: 3, count: count)
    ck_add(&y, x, count)
    ck_multiply(&y, x, count)
    ck_scale(&y, 0.5, count)
    #expect(y == (0..<count).map { (Float($0) + 3) * 1.5 } + [7])
    var rows = [Float](repeating: 1, count: 2 * count) + [7]
    ck_add_bias(&rows, (0..<count).map { Float($0) }, 2, count)
    #expect(rows == (0..<2 * count).map { 1 + Float($0 % count) } + [7])
  }

  @Test func theMachineIsMeasured() {
    let rates = MachineRates.measure(seconds: 0.02)
    // Debug builds on busy machines are slow; what counts is that something was timed.
    #expect(rates.instructionPeak > 0.01)
    #expect(rates.gemm > 0.01)
    #expect(rates.efficiency == rates.gemm / rates.instructionPeak)
    #expect(["avx512", "avx2", "portable"].contains(BLASLibrary.instructionSet))
    #expect(!BLASLibrary.prepare().core.isEmpty)
  }
}

private func withOptional(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
  guard let values else { return body(nil) }
  values.withUnsafeBufferPointer { body($0.baseAddress) }
}
