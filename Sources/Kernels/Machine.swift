import CKernels
import COpenBLAS
import Dispatch
import Foundation

/// OpenBLAS as it was loaded.
public struct BLASLibrary: Sendable {
  /// Version and build options.
  public let configuration: String
  /// The kernels it chose for this processor: `Cooperlake`, `Haswell`, `Zen`, …
  public let core: String
  /// The value of `OPENBLAS_CORETYPE` that pinned the choice, if any.
  public let pin: String?

  /// Describes the library. Nothing needs to be prepared: the first product makes OpenBLAS single-threaded.
  public static func prepare() -> BLASLibrary {
    makeSingleThreaded
    let pin = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"]
    return BLASLibrary(
      configuration: String(cString: openblas_get_config()), core: String(cString: openblas_get_corename()),
      pin: pin.flatMap { $0.isEmpty ? nil : $0 })
  }

  /// Evaluated once, before the first product, whichever thread needs it first: the workers are the threads.
  static let makeSingleThreaded: Void = openblas_set_num_threads(1)

  /// The instruction set of our own vector kernels: `avx512`, `avx2` or `portable`.
  public static var instructionSet: String { String(cString: ck_instruction_set()) }
}

/// The number of processors for this process.
public enum ProcessorCount {
  /// Processors that the scheduler may use for this process (a container or `taskset` may limit them); at least 1.
  public static var available: Int { max(1, allowed.count) }

  /// Their numbers.
  public static var allowed: [Int] {
    // Room for more processors than any Linux knows of: too small a set is refused.
    var words = [UInt](repeating: 0, count: 1024)
    guard ck_allowed_processors(&words, 8 * words.count) != 0 else {
      return Array(0..<ProcessInfo.processInfo.activeProcessorCount)
    }
    return words.indices.flatMap { index in
      (0..<UInt.bitWidth).filter { words[index] >> $0 & 1 == 1 }.map { index * UInt.bitWidth + $0 }
    }
  }
}

/// Rates of one core in GFLOP/s (10⁹ floating-point operations a second).
public struct MachineRates: Sendable {
  /// Fused multiply-adds in registers: the most that the hardware can do.
  public let instructionPeak: Double
  /// A 512×768×768 product in float32, the most common shape in RoBERTa-base.
  public let gemm: Double

  /// The product's share of the peak, from 0 to 1.
  public var efficiency: Double { gemm / instructionPeak }

  /// Measures both in about `seconds`. Each figure is the best of several tries, since the machine may be busy.
  public static func measure(seconds: Double = 0.05) -> MachineRates {
    MachineRates(
      instructionPeak: measurePeak(seconds: seconds / 4), gemm: measureProduct(512, 768, 768, seconds: seconds))
  }

  /// GFLOP/s of an m×k by k×n product with the second matrix transposed, as in linear maps, in the library that models
  /// use.
  public static func measureProduct(
    _ m: Int, _ n: Int, _ k: Int, _ precision: Precision = .float32, seconds: Double
  ) -> Double {
    let workspace = Workspace()
    func operand(_ rows: Int, _ columns: Int) -> (operand: Operand, owner: Buffer) {
      let buffer = workspace.allocateZeros(rows * columns)
      return (Operand(UnsafeMutableRawPointer(buffer.base), precision, stride: columns), buffer)
    }
    let a = operand(m, k), b = operand(n, k), c = operand(m, n)
    return withExtendedLifetime((a, b, c)) {
      best(seconds: seconds) {
        workspace.products.multiply(m, n, k, a.operand, b.operand.transposed, into: c.operand)
        return 2 * Double(m) * Double(n) * Double(k)
      }
    }
  }

  /// The rate of products in a run's precision, of large ones.
  public static func measureProduct(
    _ m: Int, _ n: Int, _ k: Int, in precision: RunPrecision, seconds: Double
  ) -> Double {
    precision == .int8
      ? measureInt8(m, n, k, seconds: seconds) : measureProduct(m, n, k, precision.activations, seconds: seconds)
  }

  /// GOP/s of the same product of rounded numbers, with what it takes to round the first matrix and to scale the sums.
  public static func measureInt8(_ m: Int, _ n: Int, _ k: Int, seconds: Double) -> Double {
    let workspace = Workspace(), x = workspace.allocate(m * k, .bfloat16), y = workspace.allocate(m * n, .bfloat16)
    for (buffer, count) in [(x, m * k), (y, m * n)] { buffer.bf16.update(repeating: 0x3F80, count: count) }
    let matrix = Int8Matrix(
      FrozenTensor([Float](repeating: 1, count: n * k), shape: [n, k]), outputs: 0..<n,
      factors: ColumnFactors([Float](repeating: 1, count: k)), isPacked: true)
    return best(seconds: seconds) {
      let rows = matrix.rounded(x.bf16, rows: m, in: workspace)
      matrix.multiply(
        rows, into: Operand(UnsafeMutableRawPointer(y.base), .bfloat16, stride: n), accumulate: false, bias: nil,
        in: workspace)
      return 2 * Double(m) * Double(n) * Double(k)
    }
  }

  /// The rate of the same product in OpenBLAS, in float32.
  public static func measureOpenBLAS(_ m: Int, _ n: Int, _ k: Int, seconds: Double) -> Double {
    let (a, b, c) = (FloatStorage(zeros: m * k), FloatStorage(zeros: n * k), FloatStorage(zeros: m * n))
    return best(seconds: seconds) {
      multiply(
        m, n, k, MatrixView(a.base, stride: k), MatrixView(b.base, stride: k).transposed, MatrixView(c.base, stride: n))
      return 2 * Double(m) * Double(n) * Double(k)
    }
  }

  private static func measurePeak(seconds: Double) -> Double {
    var sink: Float = 0
    return best(seconds: seconds) { ck_peak_fma(20_000, &sink) }
  }

  static func best(seconds: Double, _ work: () -> Double) -> Double {
    _ = work()
    var best = 0.0
    let clock = ContinuousClock(), start = clock.now
    repeat {
      let before = clock.now
      let operations = work()
      best = max(best, operations / (clock.now - before).inSeconds * 1e-9)
    } while (clock.now - start).inSeconds < seconds
    return best
  }
}

extension Duration {
  /// The length in seconds.
  public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension MachineRates {
  /// GB/s (10⁹ bytes a second) at which `threads` threads together read uncached memory: the best of several passes over
  /// `bytes` bytes.
  public static func measureReading(bytes: Int = 1 << 30, threads: Int, seconds: Double) -> Double {
    let workspace = Workspace()
    let count = bytes / 4 / (64 * threads) * 64
    let values = workspace.allocateZeros(count * threads).base
    values.update(repeating: 1, count: count * threads)
    let data = ReadOnlyFloats(base: values)
    return best(seconds: seconds) {
      DispatchQueue.concurrentPerform(iterations: threads) { thread in
        withExtendedLifetime(data.sum(from: thread * count, count: count)) {}
      }
      return 4 * Double(count * threads)
    }
  }
}

/// Numbers that no thread writes.
private struct ReadOnlyFloats: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>

  /// Four independent sums, so that additions do not wait for each other. `count` is a multiple of 64.
  @inline(never)
  func sum(from start: Int, count: Int) -> Float {
    let rows = UnsafeRawPointer(base + start)
    var sums = (SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>(), SIMD16<Float>())
    for offset in stride(from: 0, to: 4 * count, by: 256) {
      sums.0 += rows.loadUnaligned(fromByteOffset: offset, as: SIMD16<Float>.self)
      sums.1 += rows.loadUnaligned(fromByteOffset: offset + 64, as: SIMD16<Float>.self)
      sums.2 += rows.loadUnaligned(fromByteOffset: offset + 128, as: SIMD16<Float>.self)
      sums.3 += rows.loadUnaligned(fromByteOffset: offset + 192, as: SIMD16<Float>.self)
    }
    return (sums.0 + sums.1 + sums.2 + sums.3).sum()
  }
}
