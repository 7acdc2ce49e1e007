import ArgumentParser
import Configuration

/// What `sweep` does beside training everything here: a part of the work, so that several machines can share it.
enum SweepPart: Equatable {
  case plan
  case only(ClosedRange<Int>)
  case worker
  case slurm
  case collect
}

/// The flags for sweeps over several machines.
struct SweepPartOptions: ParsableArguments {
  @Flag(help: "List the runs with their numbers.")
  var plan = false

  @Option(
    help: ArgumentHelp("Train only run i, or runs a to b; 0 is the first.", valueName: "i|a-b"), transform: Self.range)
  var only: ClosedRange<Int>?

  @Flag(help: "Train runs that no other process is training, until none is left.")
  var worker = false

  @Flag(help: "Print a Slurm job array that trains the runs.")
  var slurm = false

  @Flag(help: "Gather the results of --only and --worker, and print the table.")
  var collect = false

  /// The flags that are given, with their names.
  private var given: [(flag: String, part: SweepPart)] {
    let all: [(String, SweepPart?)] = [
      ("--plan", plan ? .plan : nil), ("--only", only.map { .only($0) }), ("--worker", worker ? .worker : nil),
      ("--slurm", slurm ? .slurm : nil), ("--collect", collect ? .collect : nil),
    ]
    return all.compactMap { flag, part in part.map { (flag, $0) } }
  }

  /// Nil for an ordinary sweep.
  var part: SweepPart? { given.first?.part }

  /// Throws if two of these flags are given, or one with another flag that it cannot obey: `flags` are those given.
  func validate(with flags: [(flag: String, isGiven: Bool)]) throws {
    let given = given
    if given.count > 1 { throw Self.exclusion(given[0].flag, given[1].flag) }
    guard let first = given.first else { return }
    let excluded: Set<String> =
      switch first.part {
      case .plan, .collect: ["--overwrite", "--dry-run", "--jobs", "--threads"]
      case .only: []
      case .worker: ["--overwrite", "--dry-run", "--jobs"]
      case .slurm: ["--overwrite", "--dry-run", "--json"]
      }
    if let other = flags.first(where: { $0.isGiven && excluded.contains($0.flag) }) {
      throw Self.exclusion(first.flag, other.flag)
    }
  }

  private static func exclusion(_ one: String, _ other: String) -> ValidationError {
    ValidationError("\(one) and \(other) exclude each other")
  }

  private static func range(_ text: String) throws -> ClosedRange<Int> {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { part in
      part.allSatisfy { ("0"..."9").contains($0) } ? Int(part) : nil
    }
    guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last else {
      throw ValidationError("must be a number like 3, or a range like 0-5")
    }
    return first...last
  }
}

extension SweepConfig {
  /// The runs with these numbers. Throws if there are not so many.
  func members(_ range: ClosedRange<Int>) throws -> [Member] {
    guard range.upperBound < members.count else {
      throw SweepError.noSuchMember(index: range.upperBound, count: members.count)
    }
    return Array(members[range])
  }
}
