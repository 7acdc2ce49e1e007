import Kernels

/// Says so in one line where matrix products run far below what this processor can do.
enum SlowBLAS {
  /// The share of the instruction peak under which a product is called slow.
  static let threshold = 0.7

  /// Makes OpenBLAS single-threaded, which must come before any computing; then measures, unless `isQuiet`.
  static func prepare(_ progress: Progress, isQuiet: Bool) {
    let library = BLASLibrary.prepare()
    guard !isQuiet, let text = message(library, MachineRates.measure()) else { return }
    progress.line(text)
  }

  /// Whether our own C kernels are compiled without optimisation, so that the peak they measure says nothing.
  #if DEBUG
    static let isUnoptimised = true
  #else
    static let isUnoptimised = false
  #endif

  /// A warning, a note where only the pin is worth a word, or nil.
  static func message(_ library: BLASLibrary, _ rates: MachineRates) -> String? {
    let measured =
      "OpenBLAS runs its \(library.core) kernels at \(fixed(rates.gemm, 0)) GFLOP/s a core, "
      + "\(percent(rates.efficiency)) of the \(fixed(rates.instructionPeak, 0)) that the instructions give"
    let pinned = library.pin.map { "OPENBLAS_CORETYPE=\($0) chose them" }
    if rates.efficiency < threshold {
      return "warning: " + measured + (pinned.map { "; \($0), unsetting it may help" } ?? "")
    }
    return pinned.map { "note: " + measured + "; " + $0 }
  }

  private static func percent(_ share: Double) -> String { fixed(100 * share, 0) + " %" }
}
