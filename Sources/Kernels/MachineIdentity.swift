import COpenBLAS
import Foundation

/// What decides how products round: the same program gives the same bits on machines whose identity is the same.
public enum MachineIdentity {
  /// The libraries that multiply, their versions and the instructions that they use.
  public static var libraries: String {
    let library = BLASLibrary.prepare()
    let version = library.configuration.split(separator: " ").prefix(2).joined(separator: " ")
    #if ONEDNN
      return "\(OneDNN.identity), \(version) \(library.core)"
    #else
      return "\(version) \(library.core)"
    #endif
  }

  /// The processor's name, as Linux gives it, or its architecture.
  public static var processor: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") || $0.hasPrefix("CPU part") }
    let name = line?.split(separator: ":").dropFirst().joined(separator: ":").trimmingCharacters(in: .whitespaces)
    return name ?? BLASLibrary.instructionSet
  }
}
