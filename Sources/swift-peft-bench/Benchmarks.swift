import ArgumentParser
import Foundation

/// Benchmarks. `scripts/bench.sh` compares the steps with PyTorch, `scripts/tokenizer_bench.py` the
/// tokenizers with Hugging Face's.
@main
struct Benchmarks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-peft-bench",
    abstract: "Time training steps, single kernels, decoding or tokenizers; write the page of evidence.",
    subcommands: [
      StepBenchmark.self, KernelBenchmark.self, DecodeBenchmark.self, TokenizerBenchmark.self, EvidenceCommand.self,
    ],
    defaultSubcommand: StepBenchmark.self)
}

/// A number with `digits` places after the point.
func fixed(_ value: Double, _ digits: Int = 1) -> String { String(format: "%.\(digits)f", value) }

/// The age of this process, measured by the kernel.
enum SystemClock {
  static var secondsSinceStart: Double {
    let fields = (try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8))?.split(separator: " ") ?? []
    let uptime = (try? String(contentsOfFile: "/proc/uptime", encoding: .utf8))?.split(separator: " ").first
    guard fields.count > 21, let started = Double(fields[21]), let now = uptime.flatMap({ Double($0) }) else {
      return .nan
    }
    return now - started / Double(sysconf(Int32(_SC_CLK_TCK)))
  }
}
