import Foundation

/// The machine as Linux describes it.
struct SystemFacts {
  /// The processor's name, or its architecture if it has none.
  let processor: String
  /// Instruction sets and features, as `/proc/cpuinfo` names them.
  let flags: Set<String>
  /// Bytes of memory, and the available part of it; nil if unknown.
  let memory: Int?
  let availableMemory: Int?

  /// Reads `/proc`.
  init() {
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

/// The compiler that built this program.
enum CompilerVersion {
  #if compiler(>=6.4)
    static let text = "6.4 or later"
  #elseif compiler(>=6.3)
    static let text = "6.3"
  #else
    static let text = "6.2"
  #endif
}
