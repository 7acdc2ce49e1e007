import Kernels

/// Warns in one line if matrix products run far below the processor's peak, or if a pin slows OpenBLAS.
enum SlowBLAS {
  /// Below this share of the instruction peak, products count as slow.
  static let threshold = 0.7

  /// Measures the speed of products and warns if they are slow. Call it once the inputs are read: for a tenth of a
  /// second after its start, OpenBLAS's own threads still poll for work.
  static func warn(_ library: BLASLibrary, _ progress: Progress) {
    guard !progress.isQuiet else { return }
    var rates = MachineRates.measure(seconds: 0.01)
    // Another process may have disturbed so short a measurement.
    if rates.efficiency < threshold { rates = MachineRates.measure() }
    if let text = message(library, rates) { progress.line(text) }
  }

  /// Whether our C kernels are compiled without optimisation, which makes the measured peak meaningless.
  #if DEBUG
    static let isUnoptimised = true
  #else
    static let isUnoptimised = false
  #endif

  /// A warning; a note if only the pin is worth mentioning; or nil.
  static func message(_ library: BLASLibrary, _ rates: MachineRates) -> String? {
    let speed =
      "at \(fixed(rates.gemm, 0)) GFLOP/s per core, \(percent(rates.efficiency)) of the instruction peak "
      + "(\(fixed(rates.instructionPeak, 0)))"
    let isSlow = rates.efficiency < threshold
    guard Products.libraryName == "OpenBLAS" else {
      // OpenBLAS computes only the head, so its pin costs next to nothing.
      let pinned = library.pin.map {
        "OPENBLAS_CORETYPE=\($0) pins OpenBLAS, which computes only the head; all other products run on "
      }
      guard isSlow || pinned != nil else { return nil }
      return (isSlow ? "warning: " : "note: ") + (pinned ?? "matrix products run on ") + "oneDNN " + speed
    }
    let measured = "OpenBLAS runs its \(library.core) kernels " + speed
    let pinned = library.pin.map { "OPENBLAS_CORETYPE=\($0) selects them" }
    if isSlow { return "warning: " + measured + (pinned.map { "; \($0); unsetting it may help" } ?? "") }
    return pinned.map { "note: " + measured + "; " + $0 }
  }

  private static func percent(_ share: Double) -> String { fixed(100 * share, 0) + " %" }
}
