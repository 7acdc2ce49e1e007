import Kernels

/// Says so in one line where matrix products run far below what this processor can do, or where a pin slows OpenBLAS.
enum SlowBLAS {
  /// The share of the instruction peak under which a product is called slow.
  static let threshold = 0.7

  /// Measures how fast products run and says so where they are slow. To be called once the inputs are read: the threads
  /// that OpenBLAS starts with, and does not need here, look for work for a tenth of a second.
  static func warn(_ library: BLASLibrary, _ progress: Progress) {
    guard !progress.isQuiet else { return }
    var rates = MachineRates.measure(seconds: 0.01)
    // Another process may have disturbed so short a look.
    if rates.efficiency < threshold { rates = MachineRates.measure() }
    if let text = message(library, rates) { progress.line(text) }
  }

  /// Whether our own C kernels are compiled without optimisation, so that the peak they measure says nothing.
  #if DEBUG
    static let isUnoptimised = true
  #else
    static let isUnoptimised = false
  #endif

  /// A warning, a note where only the pin is worth a word, or nil.
  static func message(_ library: BLASLibrary, _ rates: MachineRates) -> String? {
    let speed =
      "at \(fixed(rates.gemm, 0)) GFLOP/s a core, \(percent(rates.efficiency)) of the "
      + "\(fixed(rates.instructionPeak, 0)) that the instructions give"
    let isSlow = rates.efficiency < threshold
    guard Products.libraryName == "OpenBLAS" else {
      // OpenBLAS multiplies the head alone, so that its pin costs next to nothing.
      let pinned = library.pin.map {
        "OPENBLAS_CORETYPE=\($0) pins OpenBLAS, which multiplies the head alone; all other products run on "
      }
      guard isSlow || pinned != nil else { return nil }
      return (isSlow ? "warning: " : "note: ") + (pinned ?? "matrix products run on ") + "oneDNN " + speed
    }
    let measured = "OpenBLAS runs its \(library.core) kernels " + speed
    let pinned = library.pin.map { "OPENBLAS_CORETYPE=\($0) chose them" }
    if isSlow { return "warning: " + measured + (pinned.map { "; \($0), unsetting it may help" } ?? "") }
    return pinned.map { "note: " + measured + "; " + $0 }
  }

  private static func percent(_ share: Double) -> String { fixed(100 * share, 0) + " %" }
}
