import ArgumentParser
import CKernels
import Foundation
import Kernels

/// Rates of single kernels on one core.
struct KernelBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "Time matrix products and vector kernels on one core.")

  @Option(help: "Only kernels whose name contains this.") var only: String?
  @Option(help: "Seconds for each.") var seconds = 0.3

  func run() throws {
    let rates = MachineRates.measure(seconds: 0.3)
    print(
      "instruction peak, float32: \(fixed(rates.instructionPeak)) GFLOP/s; products through \(Products.libraryName)")
    for precision in Precision.allCases where precision == .float32 || Products.hasBFloat16 {
      for (m, n, k) in [
        (512, 768, 768), (512, 3072, 768), (512, 768, 3072), (512, 1536, 384), (512, 16, 768), (512, 768, 16),
      ]
      where wanted("product") {
        let rate = MachineRates.measureProduct(m, n, k, precision, seconds: seconds)
        print("product \(precision.rawValue) \(m)x\(k) by \(k)x\(n): \(fixed(rate)) GFLOP/s")
      }
    }
    // The size of RoBERTa-base's inner layer, more than a second-level cache holds, as in a step.
    let rows = 512, columns = 3072, count = rows * columns
    let workspace = Workspace()
    let x = workspace.allocateZeros(count), y = workspace.allocateZeros(count), bias = workspace.allocateZeros(columns)
    for i in 0..<count { x.base[i] = Float(i % 97) * 0.05 - 2.4 }
    let a = workspace.allocateZeros(count), b = workspace.allocateZeros(count)
    ck_narrow_bfloat16(a.bf16, x.base, count)
    report("copy float32", bytes: 8 * count) { y.base.update(from: x.base, count: count) }
    report("GELU float32", bytes: 8 * count) {
      Activation.gelu.forward(.float32, pre: x.base, bias: bias.base, y: y.base, rows: rows, columns: columns)
    }
    report("GELU float32 with slopes", bytes: 12 * count) {
      Activation.gelu.forward(
        .float32, pre: x.base, bias: bias.base, y: y.base, keepsSlopes: true, rows: rows, columns: columns)
    }
    report("GELU bfloat16", bytes: 4 * count) {
      Activation.gelu.forward(.bfloat16, pre: a.bf16, bias: bias.base, y: b.bf16, rows: rows, columns: columns)
    }
    report("GELU bfloat16 with slopes", bytes: 6 * count) {
      Activation.gelu.forward(
        .bfloat16, pre: a.bf16, bias: bias.base, y: b.bf16, keepsSlopes: true, rows: rows, columns: columns)
    }
    report("bfloat16 times bfloat16", bytes: 6 * count) { ck_bf16_multiply_bf16(b.bf16, a.bf16, count) }
    report("float32 to bfloat16", bytes: 6 * count) { ck_narrow_bfloat16(b.bf16, x.base, count) }
    report("softmax, rows of 128", bytes: 8 * count) {
      for row in 0..<(count / 128) { _ = ck_softmax(y.base + 128 * row, 0.125, 128) }
    }
    report("dropout multipliers", bytes: 4 * count) {
      for row in 0..<rows {
        Philox(seed: 1).dropout(
          site: 1, step: 1, example: 1, row: row, probability: 0.1, into: y.base + row * columns, count: columns)
      }
    }
    var mean: Float = 0, deviation: Float = 0
    report("residual + layer norm float32, rows of 768", bytes: 16 * count) {
      for row in 0..<(count / 768) {
        ck_residual_layer_norm(
          x.base + 768 * row, bias.base, nil, x.base + 768 * row, bias.base, bias.base, 1e-5, y.base + 768 * row, &mean,
          &deviation, 768)
      }
    }
  }

  private func wanted(_ name: String) -> Bool { only.map { name.localizedCaseInsensitiveContains($0) } ?? true }

  private func report(_ name: String, bytes: Int, _ work: () -> Void) {
    guard wanted(name) else { return }
    work()
    var best = Double.infinity
    let clock = ContinuousClock(), start = clock.now
    repeat {
      let before = clock.now
      work()
      best = min(best, (clock.now - before).inSeconds)
    } while (clock.now - start).inSeconds < seconds
    print("\(name): \(fixed(Double(bytes) / best * 1e-9)) GB/s read and written")
  }
}
