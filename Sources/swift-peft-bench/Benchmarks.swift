import ArgumentParser
import Foundation

/// Measurements that are no tests: `scripts/bench.sh` runs the steps beside the peer.
@main
struct Benchmarks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-peft-bench", abstract: "Time training steps, single kernels or decoding.",
    subcommands: [StepBenchmark.self, KernelBenchmark.self, DecodeBenchmark.self], defaultSubcommand: StepBenchmark.self
  )
}

/// How long this process has run, by the kernel's count.
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
