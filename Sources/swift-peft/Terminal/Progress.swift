import Cluster
import Foundation
import Kernels
import Training

/// Shows the progress of training and scoring on stderr: a bar on a terminal, plain lines elsewhere.
struct Progress {
  let isQuiet: Bool
  private let isTerminal: Bool
  private let clock = ContinuousClock()
  private var started: ContinuousClock.Instant?
  private var lastDrawn: ContinuousClock.Instant?
  private var tokensPerSecond = 0.0

  /// Shows nothing if `isQuiet`.
  init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    isTerminal = isatty(STDERR_FILENO) == 1
  }

  /// Prints a separate line above the bar.
  func line(_ text: String) {
    guard !isQuiet else { return }
    Console.note((isTerminal ? "\r\u{1B}[K" : "") + text)
  }

  /// Prints `note: …`.
  func notice(_ text: String) { line("note: \(text)") }

  /// Removes the bar, if there is one.
  mutating func clear() {
    if lastDrawn != nil { Console.draw("\r\u{1B}[K") }
    lastDrawn = nil
  }

  /// Shows an event of a run of `totalSteps`, which began at `firstStep`.
  mutating func show(_ event: TrainingEvent, totalSteps: Int, firstStep: Int = 0) {
    guard !isQuiet else { return }
    switch event {
    case .step(let report): step(report, totalSteps, firstStep)
    case .log(let report): if !isTerminal { log(report, totalSteps, firstStep) }
    case .evaluated(let report):
      let metrics = report.metrics.map { " \($0.name) \(significant($0.value, 6))" }.joined()
      line(
        "step \(report.step)/\(totalSteps) \(report.split.rawValue)\(metrics) "
          + "(\(grouped(report.examples)) examples)")
    case .merged(let event):
      let groups = event.groupsLeft == 1 ? "1 group" : "\(event.groupsLeft) groups"
      line(
        "step \(event.step)/\(totalSteps) merged \(event.module): layer \(event.lowerLayer) now uses the B of layer "
          + "\(event.upperLayer), distance \(significant(event.distance, 4)), \(groups) left")
    case .checkpoint: break
    case .notice(let text): notice(text)
    }
  }

  /// A bar for `done` of `total` examples or tensors, on a terminal only.
  mutating func count(_ done: Int, of total: Int, _ what: String) {
    guard isTerminal, !isQuiet, isDue() || done == total else { return }
    draw(share: Double(done) / Double(max(1, total)), text: "\(what) \(grouped(done))/\(grouped(total))")
  }

  /// A bar for the downloaded bytes of a file; if stderr is not a terminal, one line at the end.
  mutating func downloaded(_ bytes: Int, of total: Int?, file: String) {
    guard !isQuiet else { return }
    guard isTerminal else {
      if bytes == total { line("downloaded \(file), \(byteSize(bytes))") }
      return
    }
    guard isDue() || bytes == total else { return }
    let text = "\(file) \(byteSize(bytes))" + (total.map { " of \(byteSize($0))" } ?? "")
    draw(share: Double(bytes) / Double(max(1, total ?? bytes)), text: text)
  }

  // MARK: - Steps

  private mutating func step(_ report: StepReport, _ totalSteps: Int, _ firstStep: Int) {
    let now = clock.now
    if started == nil { started = now - .seconds(report.seconds) }
    let rate = Double(report.tokens) / max(report.seconds, 1e-9)
    tokensPerSecond = tokensPerSecond == 0 ? rate : 0.9 * tokensPerSecond + 0.1 * rate
    guard isTerminal, isDue() || report.step == totalSteps else { return }
    let text =
      "\(report.step)/\(totalSteps) epoch \(fixed(report.epoch, 2)) loss \(significant(report.loss, 4)) "
      + "\(Int(tokensPerSecond.rounded())) tokens/s eta \(eta(report.step, totalSteps, firstStep))"
    draw(share: Double(report.step) / Double(max(1, totalSteps)), text: text)
  }

  private func log(_ report: LogReport, _ totalSteps: Int, _ firstStep: Int) {
    func value(_ name: String) -> Double { report.metrics.first { $0.name == name }?.value ?? 0 }
    line(
      "step \(report.step)/\(totalSteps) epoch \(fixed(report.epoch, 2)) loss \(significant(value("loss"), 4)) "
        + "lr \(String(format: "%.1e", value("learning_rate"))) grad_norm \(significant(value("grad_norm"), 3)) "
        + "tokens/s \(Int(value("tokens_per_second").rounded())) eta \(eta(report.step, totalSteps, firstStep))")
  }

  private func eta(_ step: Int, _ totalSteps: Int, _ firstStep: Int) -> String {
    guard let started, step > firstStep else { return "?" }
    let perStep = (clock.now - started) / (step - firstStep)
    return duration(perStep * max(0, totalSteps - step))
  }

  // MARK: - Drawing

  private mutating func isDue() -> Bool {
    let now = clock.now
    if let lastDrawn, now - lastDrawn < .milliseconds(100) { return false }
    lastDrawn = now
    return true
  }

  /// `[=====     ] text`, cut to the terminal's width.
  private func draw(share: Double, text: String) {
    let width = columns(STDERR_FILENO) - 1
    let room = min(30, width - text.count - 3)
    var bar = ""
    if room >= 5 {
      let filled = Int(Double(room) * min(1, max(0, share)))
      bar = "[" + String(repeating: "=", count: filled) + String(repeating: " ", count: room - filled) + "] "
    }
    Console.draw("\r" + (bar + text).prefix(max(0, width)) + "\u{1B}[K")
  }
}

/// The columns of the terminal on `descriptor`; 80 if it is not a terminal.
func columns(_ descriptor: Int32) -> Int {
  var size = winsize()
  return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
}

/// Warns in one line if matrix products run far below the processor's peak, or if a pin slows OpenBLAS.
enum SlowBLAS {
  /// Below this share of the instruction peak, products count as slow.
  static let threshold = 0.7

  /// Measures the speed of products and warns if they are slow. Call it once the inputs are read: for a tenth of a
  /// second after its start, OpenBLAS's own threads still poll for work.
  static func warn(_ library: BLASLibrary, _ progress: Progress) {
    if !progress.isQuiet, let text = measured(library) { progress.line(text) }
  }

  /// The same on every rank of `cluster`: each measures, unless its user wants it quiet, and rank 0 warns for all.
  static func warn(_ library: BLASLibrary, _ progress: Progress, isQuiet: Bool, on cluster: Cluster) {
    cluster.collect(note: isQuiet ? nil : measured(library)).forEach(progress.line)
  }

  private static func measured(_ library: BLASLibrary) -> String? {
    var rates = MachineRates.measure(seconds: 0.01)
    // Another process may have disturbed so short a measurement.
    if rates.efficiency < threshold { rates = MachineRates.measure() }
    return message(library, rates)
  }

  /// Whether our C kernels are compiled without optimisation, which makes the measured peak meaningless.
  #if DEBUG
    static let isUnoptimised = true
  #else
    static let isUnoptimised = false
  #endif

  /// A warning; a note if only the pin is worth mentioning; or nil.
  static func message(_ library: BLASLibrary, _ rates: MachineRates) -> String? {
    // Products may use wider instructions than the loop that measures the peak, which then is none.
    let share =
      rates.efficiency > 1
      ? ""
      : ", \(percent(rates.efficiency)) of the instruction peak (\(fixed(rates.instructionPeak, 0)))"
    let speed = "at \(fixed(rates.gemm, 0)) GFLOP/s per core" + share
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
