import Foundation
import Training

/// Shows the progress of training and scoring on stderr: a bar on a terminal, plain lines elsewhere.
struct Progress {
  /// Whether to show nothing.
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

  /// A bar for scored examples, on a terminal only.
  mutating func scored(_ done: Int, of total: Int, split: String) {
    guard isTerminal, !isQuiet, isDue() || done == total else { return }
    draw(share: Double(done) / Double(max(1, total)), text: "\(split) \(grouped(done))/\(grouped(total))")
  }

  /// A bar for written tensors, on a terminal only.
  mutating func merged(_ done: Int, of total: Int) {
    guard isTerminal, !isQuiet, isDue() || done == total else { return }
    draw(share: Double(done) / Double(max(1, total)), text: "tensor \(grouped(done))/\(grouped(total))")
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

  /// At most ten times a second.
  private mutating func isDue() -> Bool {
    let now = clock.now
    if let lastDrawn, now - lastDrawn < .milliseconds(100) { return false }
    lastDrawn = now
    return true
  }

  /// `[=====     ] text`, cut to the terminal's width.
  private func draw(share: Double, text: String) {
    let width = Terminal.columns(STDERR_FILENO) - 1
    let room = min(30, width - text.count - 3)
    var bar = ""
    if room >= 5 {
      let filled = Int(Double(room) * min(1, max(0, share)))
      bar = "[" + String(repeating: "=", count: filled) + String(repeating: " ", count: room - filled) + "] "
    }
    Console.draw("\r" + (bar + text).prefix(max(0, width)) + "\u{1B}[K")
  }
}
