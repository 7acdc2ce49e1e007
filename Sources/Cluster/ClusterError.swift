import Diagnostics

/// Why the processes of a cluster do not come together, or no longer are.
public enum ClusterError: UserFacingError, Equatable {
  /// No library of MPI is installed under the usual names.
  case noLibrary(Launcher, names: [String])
  /// The library that the user names cannot be loaded.
  case cannotLoad(reason: String)
  /// A library has not what MPI has.
  case missingFunction(library: String, name: String)
  /// A function of MPI failed.
  case failed(library: String, function: String, code: Int32)
  /// The library allows only programs with one thread.
  case singleThreaded(library: String)
  /// The library sees other processes than the launcher started.
  case wrongSize(Launcher, library: String, seen: Int)
  /// `$SWIFT_PEFT_MPI_TIMEOUT` is not a number of seconds.
  case badTimeout(String)
  /// The watchdog's limit has passed.
  case waited(rank: Int, seconds: Int, place: ClusterPlace)

  /// One sentence.
  public var description: String {
    switch self {
    case .noLibrary(let launcher, let names):
      "\(launcher.program) started \(launcher.ranks) processes, but there is no \(names.listed): set "
        + "\(MPILibrary.variable) to your MPI library"
    case .cannotLoad(let reason):
      "\(MPILibrary.variable): \(reason)"
    case .missingFunction(let library, let name):
      "\(library) has no \(name): set \(MPILibrary.variable) to a library of MPI 3 or later"
    case .failed(let library, let function, let code):
      "\(function) of \(library) failed with code \(code)"
    case .singleThreaded(let library):
      "\(library) allows no threads: use a library that is built with them"
    case .wrongSize(let launcher, let library, let seen):
      "\(launcher.program) started \(launcher.ranks) processes, but \(library) sees \(seen): \(launcher.advice)"
    case .badTimeout(let text):
      "\(Watchdog.variable) must be a number of seconds above 0, not \"\(text)\""
    case .waited(let rank, let seconds, let place):
      "rank \(rank) has waited \(seconds) s for the others \(place); \(Watchdog.variable) sets how long it waits at least"
    }
  }

  /// Whether all ranks have it alike.
  public var isCommon: Bool {
    switch self {
    case .wrongSize, .badTimeout: true
    default: false
    }
  }

  /// Usage, missing input or an I/O error.
  public var exitStatus: ExitStatus {
    switch self {
    case .noLibrary, .cannotLoad, .missingFunction, .singleThreaded, .wrongSize: .missingInput
    case .badTimeout: .usage
    case .failed, .waited: .ioError
    }
  }
}

extension [String] {
  fileprivate var listed: String {
    count < 2 ? joined() : dropLast().joined(separator: ", ") + " or " + self[count - 1]
  }
}
