import Diagnostics

/// What can be wrong with a run config or its overrides.
public enum ConfigError: UserFacingError, Equatable {
  /// There is no such file.
  case missing(file: String)
  /// The file is there but can't be read.
  case unreadable(file: String, reason: String)
  /// An argument of `--set` that is not `path.to.key=value`.
  case malformedOverride(String)
  /// `--set` names a key that no config has.
  case unknownOverride(path: String, suggestion: String)
  /// A key or value of the file. `place` is `file:line`, or the flag that gave the value.
  case invalid(place: String, path: String, problem: String)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .missing(let file): "\(file): no such file"
    case .unreadable(let file, let reason): "\(file): cannot be read: \(reason)"
    case .malformedOverride(let text): "--set \(text): must be path.to.key=value"
    case .unknownOverride(let path, let suggestion): "--set \(path): unknown key\(suggestion)"
    case .invalid(let place, let path, let problem) where place == "--set \(path)": "\(place): \(problem)"
    case .invalid(let place, let path, let problem) where path.isEmpty: "\(place): \(problem)"
    case .invalid(let place, let path, let problem): "\(place): \(path): \(problem)"
    }
  }

  /// 66 for the file itself, 64 for a malformed `--set`, 65 for what the config says.
  public var exitStatus: ExitStatus {
    switch self {
    case .missing, .unreadable: .missingInput
    case .malformedOverride, .unknownOverride: .usage
    case .invalid: .badInput
    }
  }
}
