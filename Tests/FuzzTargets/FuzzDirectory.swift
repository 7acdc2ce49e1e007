import Foundation

/// A directory for the files that an input stands for.
public final class FuzzDirectory {
  let path: String
  private var names: Set<String> = []
  private var folders: Set<String> = []

  /// A new directory in `parent`.
  public init(in parent: String = NSTemporaryDirectory()) throws {
    path = (parent.hasSuffix("/") ? parent : parent + "/") + "swift-peft-fuzz-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Makes the directory hold `files`, whose names may lead into folders, and no others of an earlier call.
  func fill(_ files: [String: [UInt8]]) throws {
    for name in names.subtracting(files.keys) { unlink("\(path)/\(name)") }
    let folders = Set(files.keys.filter { $0.contains("/") }.map { ($0 as NSString).deletingLastPathComponent })
    for folder in folders.subtracting(self.folders) {
      try FileManager.default.createDirectory(atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
    }
    self.folders.formUnion(folders)
    names = Set(files.keys)
    for (name, bytes) in files {
      guard let file = fopen("\(path)/\(name)", "w") else { throw FuzzFinding(problem: "cannot write \(name)") }
      defer { fclose(file) }
      if fwrite(bytes, 1, bytes.count, file) != bytes.count { throw FuzzFinding(problem: "cannot write \(name)") }
    }
  }
}

/// The parts of an input that stands for several files: they are separated by `<%%>`.
func parts(_ input: some Collection<UInt8>) -> [[UInt8]] {
  let mark = Array("<%%>".utf8), input = Array(input)
  var parts: [[UInt8]] = [[]]
  var position = 0
  while position < input.count {
    if input[position...].starts(with: mark) {
      parts.append([])
      position += mark.count
    } else {
      parts[parts.count - 1].append(input[position])
      position += 1
    }
  }
  return parts
}

/// A safetensors file. Mutation seldom gets a header's length right, so text in braces stands for a header with its
/// length put before it, and the data after a `}` and `<%%>`.
func safetensorsBytes(_ parts: some Collection<[UInt8]>) -> [UInt8] {
  guard let header = parts.first, header.first == UInt8(ascii: "{") else { return Array(parts.joined()) }
  let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
  return length + header + parts.dropFirst().joined()
}

extension Array {
  /// The element, where there is one.
  subscript(optional index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
