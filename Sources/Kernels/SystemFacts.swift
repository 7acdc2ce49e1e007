import Foundation

/// The machine as Linux describes it.
public struct SystemFacts: Sendable {
  /// The processor's name, or its architecture if it has none.
  public let processor: String
  /// Instruction sets and features, as `/proc/cpuinfo` names them.
  public let flags: Set<String>
  /// Bytes of memory; nil if unknown.
  public let memory: Int?
  /// The bytes of it that programs can get; nil if unknown.
  public let availableMemory: Int?

  /// Reads them.
  public init() {
    let processors = Self.fields("/proc/cpuinfo")
    processor = processors["model name"] ?? processors["Hardware"] ?? Self.architecture
    flags = Set((processors["flags"] ?? processors["Features"] ?? "").split(separator: " ").map(String.init))
    let sizes = Self.fields("/proc/meminfo")
    memory = Self.kibibytes(sizes["MemTotal"])
    availableMemory = Self.kibibytes(sizes["MemAvailable"])
  }

  /// The first value of every `name : value` line.
  private static func fields(_ path: String) -> [String: String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
    var fields: [String: String] = [:]
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let name = line[..<colon].trimmingCharacters(in: .whitespaces)
      if fields[name] == nil {
        fields[name] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return fields
  }

  private static func kibibytes(_ text: String?) -> Int? {
    text?.split(separator: " ").first.flatMap { Int($0) }.map { $0 * 1024 }
  }

  private static var architecture: String {
    #if arch(x86_64)
      "x86-64"
    #elseif arch(arm64)
      "arm64"
    #else
      "unknown"
    #endif
  }
}
