import ArgumentParser
import Cluster
import Foundation
import Kernels
import StrictJSON
import Training

/// `swift-peft doctor`.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show this machine's BLAS, instruction sets and measured speed.",
    discussion: """
      EXAMPLE: swift-peft doctor --json

      Measures for about a second. Speeds are for one processor, in 10⁹ floating-point operations per second. Started by \
      mpirun or srun, also shows all processes and measures how fast they exchange gradients.
      """)

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    try withCluster("doctor") { cluster in
      let report = DoctorReport(cluster)
      guard cluster.leads else { return }
      cluster.notices.forEach { Console.note("note: \($0)") }
      try Console.print(json ? JSONWriter.text(report.json, pretty: true) : report.text)
    }
  }
}

/// Everything that `doctor` prints.
private struct DoctorReport {
  let library: BLASLibrary
  let rates: MachineRates
  let lowRank: Double
  /// Speed of the large product in bfloat16; nil if bfloat16 training is not supported here.
  let bfloat16: Double?
  /// Speed of the large product in eight bits; nil if int8 training is not supported here.
  let int8: Double?
  let openBLAS: Double
  let facts: SystemFacts
  /// The default of `--threads`.
  let threads: Int
  /// The other processes; nil alone.
  let cluster: ClusterReport?

  /// Measures, on all ranks at once.
  init(_ cluster: Cluster) {
    library = BLASLibrary.prepare()
    rates = MachineRates.measure(seconds: 0.3)
    lowRank = MachineRates.measureProduct(512, 8, 768, seconds: 0.1)
    bfloat16 =
      Products.hasBFloat16 ? MachineRates.measureProduct(512, 768, 768, .bfloat16, seconds: 0.3) : nil
    int8 = Int8Products.isAvailable ? MachineRates.measureInt8(512, 768, 768, seconds: 0.3) : nil
    openBLAS = MachineRates.measureOpenBLAS(512, 768, 768, seconds: 0.2)
    facts = SystemFacts()
    threads = cluster.threads
    self.cluster = cluster.isAlone ? nil : ClusterReport(cluster, speed: rates.gemm)
  }

  private var bfloat16Instructions: [String] {
    ["avx512_bf16", "amx_bf16", "bf16"].filter(facts.flags.contains)
  }

  private var int8Instructions: [String] {
    ["avx512_vnni", "avx_vnni", "amx_int8"].filter(facts.flags.contains)
  }

  var text: String {
    let percent = fixed(100 * rates.efficiency, 0)
    let entries: [(String, String)] = [
      ("swift-peft", "\(ProductVersion.current), compiled by Swift \(CompilerVersion.text)"),
      ("processor", facts.processor),
      (
        "processors available",
        "\(ProcessorCount.available), "
          + (threads == ProcessorCount.available ? "the default of --threads" : "--threads is \(threads) by default")
      ),
      ("memory", "\(size(facts.memory)), \(size(facts.availableMemory)) available"),
      ("BLAS", library.configuration),
      ("BLAS speed", "\(fixed(openBLAS, 1)) GFLOP/s (512 x 768 by 768 x 768)"),
      ("products", Products.libraryName),
      ("BLAS kernels", library.core + (library.pin.map { ", pinned by OPENBLAS_CORETYPE=\($0)" } ?? ", not pinned")),
      ("own kernels", BLASLibrary.instructionSet),
      ("instruction peak", "\(fixed(rates.instructionPeak, 1)) GFLOP/s per processor"),
      ("matrix product", "\(fixed(rates.gemm, 1)) GFLOP/s, \(percent) % of the peak (512 x 768 by 768 x 768)"),
      ("rank-8 product", "\(fixed(lowRank, 1)) GFLOP/s (512 x 768 by 768 x 8)"),
      (
        "bfloat16",
        (bfloat16Instructions.isEmpty ? "no instructions" : bfloat16Instructions.joined(separator: ", "))
          + (bfloat16.map {
            "; \(fixed($0, 1)) GFLOP/s (512 x 768 by 768 x 768), \(fixed($0 / rates.gemm, 2)) x float32"
          } ?? "; bfloat16 training is not supported here")
      ),
      (
        "int8",
        (int8Instructions.isEmpty ? "no instructions" : int8Instructions.joined(separator: ", "))
          + (int8.map {
            "; \(fixed($0, 1)) GOP/s (512 x 768 by 768 x 768, rounding included)"
              + (bfloat16.map { [int8] in ", \(fixed((int8 ?? 0) / $0, 2)) x bfloat16" } ?? "")
          } ?? "; int8 training is not supported here")
      ),
    ]
    let debug = SlowBLAS.isUnoptimised ? "note: a debug build: the instruction peak is far too low\n" : ""
    return listing(entries + (cluster?.entries ?? [])) + (cluster?.table ?? "") + debug
      + (SlowBLAS.message(library, rates).map { $0 + "\n" } ?? "")
  }

  var json: JSONValue {
    [
      "version": .string(ProductVersion.current), "swift_version": .string(CompilerVersion.text),
      "processor": .string(facts.processor), "processors": .integer(ProcessorCount.available),
      "default_threads": .integer(threads),
      "memory_bytes": facts.memory.map { .integer($0) } ?? .null,
      "available_memory_bytes": facts.availableMemory.map { .integer($0) } ?? .null,
      "blas": [
        "configuration": .string(library.configuration), "core": .string(library.core),
        "pin": library.pin.map { .string($0) } ?? .null,
      ],
      "instruction_set": .string(BLASLibrary.instructionSet),
      "instruction_peak_gflops": .number(rates.instructionPeak), "gemm_gflops": .number(rates.gemm),
      "gemm_efficiency": .number(rates.efficiency), "rank_8_gflops": .number(lowRank),
      "bfloat16_instructions": .strings(bfloat16Instructions), "bfloat16_training": .bool(bfloat16 != nil),
      "bfloat16_gflops": bfloat16.map { .number($0) } ?? .null,
      "int8_instructions": .strings(int8Instructions), "int8_training": .bool(int8 != nil),
      "int8_gops": int8.map { .number($0) } ?? .null,
      "openblas_gflops": .number(openBLAS), "products": .string(Products.libraryName),
      "cluster": cluster?.json ?? .null,
    ]
  }

  private func size(_ bytes: Int?) -> String { bytes.map(byteSize) ?? "unknown" }
}

/// The compiler that built this program.
enum CompilerVersion {
  #if compiler(>=6.4)
    static let text = "6.4 or later"
  #elseif compiler(>=6.3)
    static let text = "6.3"
  #else
    static let text = "6.2"
  #endif
}
