import CKernels
import Kernels
import Testing

@Suite struct BFloat16KernelTests {
  /// Every upper half of a float with lower halves around the middle, NaN and infinities among them.
  @Test func narrowingRoundsToNearestEven() {
    for low in [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF] as [UInt32] {
      let floats = (0..<0x10000 as Range<UInt32>).map { Float(bitPattern: $0 << 16 | low) }
      var bf16 = [UInt16](repeating: 0, count: floats.count)
      ck_narrow_bfloat16(&bf16, floats, floats.count)
      for (x, bf16) in zip(floats, bf16) {
        if x.isNaN {
          #expect(widened(bf16).isNaN)
        } else if bf16 != bfloat16(x) {
          Issue.record("\(x) became \(widened(bf16))")
          return
        }
      }
    }
  }

  @Test(arguments: [1, 15, 16, 17, 100]) func elementwiseKernelsRoundOnce(count: Int) {
    let a = numbers(count, stream: 1), b = numbers(count, stream: 2)
    let x = a.map(bfloat16), y = b.map(bfloat16)
    var sum = y, product = y, both16 = y, scaled = x, both = x, alone = x
    ck_bf16_add(&sum, x, count)
    ck_bf16_multiply(&product, a, count)
    ck_bf16_multiply_bf16(&both16, x, count)
    ck_narrow_scaled(&scaled, a, 0.3, count)
    ck_narrow_product(&both, a, b, count)
    ck_narrow_product(&alone, a, nil, count)
    for i in 0..<count {
      #expect(sum[i] == bfloat16(widened(y[i]) + widened(x[i])))
      #expect(product[i] == bfloat16(widened(y[i]) * a[i]))
      #expect(both16[i] == bfloat16(widened(y[i]) * widened(x[i])))
      #expect(scaled[i] == bfloat16(a[i] * 0.3))
      #expect(both[i] == bfloat16(a[i] * b[i]))
      #expect(alone[i] == bfloat16(a[i]))
    }
    let exact = zip(x, y).reduce(0.0) { $0 + Double(widened($1.0)) * Double(widened($1.1)) }
    var dots: [Float] = [0, 0]
    ck_bf16_dots(x + y, y + x, &dots, 2, count)
    for dot in dots { #expect(abs(Double(dot) - exact) < 1e-5 * Double(count).squareRoot() * 4) }
  }

  @Test(arguments: [(1, 1), (8, 768), (3, 17), (16, 33)]) func transposedIsAdded(rows: Int, columns: Int) {
    let input = numbers(rows * columns, stream: 3), before = numbers(rows * columns, stream: 4)
    var out = before
    ck_add_transposed(&out, input, 0.5, rows, columns)
    for r in 0..<rows {
      for c in 0..<columns { #expect(out[c * rows + r] == before[c * rows + r] + 0.5 * input[r * columns + c]) }
    }
  }

  /// Against the float32 kernels, which have tests of their own.
  @Test(arguments: [1, 5, 16, 70, 384]) func layerNormIsFloat32s(columns: Int) {
    let input = numbers(columns, stream: 5).map(bfloat16), residual = numbers(columns, stream: 6)
    let bias = numbers(columns, stream: 7), gamma = numbers(columns, stream: 8), beta = numbers(columns, stream: 9)
    let mask = (0..<columns).map { $0 % 3 == 0 ? 0 : Float(1.5) }
    var x = input.map(widened), y = [Float](repeating: 0, count: columns), mean: Float = 0, deviation: Float = 0
    ck_residual_layer_norm(&x, bias, mask, residual, gamma, beta, 1e-5, &y, &mean, &deviation, columns)
    var bf16 = input, z = y, image = input, sum = y
    let reciprocal = ck_bf16_residual_layer_norm(
      &bf16, bias, mask, residual, gamma, beta, 1e-5, &z, &image, &sum, columns)
    #expect(reciprocal == deviation)
    for c in 0..<columns {
      #expect(abs(z[c] - y[c]) <= 1e-6 * max(1, abs(y[c])))
      #expect(image[c] == bfloat16(z[c]))
      #expect(abs(widened(bf16[c]) - (x[c] - mean) * deviation) <= 0.004 * max(1e-3, abs(widened(bf16[c]))))
    }

    let dy = numbers(columns, stream: 10)
    var expected = dy, found = dy
    // The float32 kernel of the same normalised numbers: mean 0, deviation 1.
    ck_layer_norm_backward(dy, bf16.map(widened), gamma, 0, 1, &expected, columns)
    ck_bf16_layer_norm_backward(dy, bf16, gamma, 2, &found, columns)
    for c in 0..<columns { #expect(abs(found[c] - 2 * expected[c]) <= 2e-5 * max(1, abs(found[c]))) }
  }

  private func numbers(_ count: Int, stream: UInt64) -> [Float] {
    Philox(seed: 5).normal(count, deviation: 1, stream: stream)
  }
}
