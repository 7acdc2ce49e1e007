import Foundation

/// A shell pattern, matched by `fnmatch(3)`: `*` matches any text, `?` any character, `[…]` one of several.
public struct Glob: Sendable {
  private let pattern: String

  /// Any text is a pattern.
  public init(_ pattern: String) { self.pattern = pattern }

  /// Whether the pattern matches all of `text`, slashes and leading dots included.
  public func matches(_ text: String) -> Bool {
    // In the C locale a character is a byte.
    guard let locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nil) else { return fnmatch(pattern, text, 0) == 0 }
    let before = uselocale(locale)
    defer {
      uselocale(before)
      freelocale(locale)
    }
    return fnmatch(pattern, text, 0) == 0
  }
}

extension Glob {
  /// Whether `text` has a character that means something in a pattern.
  public static func isPattern(_ text: String) -> Bool { text.utf8.contains { "*?[".utf8.contains($0) } }

  /// The files whose paths `pattern` matches, in the order of their code points.
  ///
  /// Between two slashes a pattern matches as in a shell: names with a leading dot only where it has one too. `**` stands
  /// for any directories, or none.
  public static func files(matching pattern: String) -> [String] {
    // Bytes, since for Swift a slash and a combining mark form another character.
    let slash = UInt8(ascii: "/")
    var parts = pattern.utf8.split(separator: slash).compactMap(String.init)
    if parts.last == "**" { parts.append("*") }
    let found = parts.reduce([pattern.utf8.first == slash ? "/" : ""]) { directories, part in
      if part == "**" { return directories.flatMap { [$0] + folders(below: $0) } }
      if !isPattern(part) { return directories.map { $0 + part }.filter(exists).map(asDirectory) }
      let glob = Glob(part)
      return directories.flatMap { directory in
        names(in: directory, hidden: part.hasPrefix(".")).filter(glob.matches).map { asDirectory(directory + $0) }
      }
    }
    let files = found.filter { !$0.isEmpty && !$0.hasSuffix("/") && exists($0) }
    return files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.reduce(into: []) { unique, file in
      if unique.last.map({ !$0.utf8.elementsEqual(file.utf8) }) ?? true { unique.append(file) }
    }
  }

  private static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// `path` with a slash at its end, where it is a directory's.
  private static func asDirectory(_ path: String) -> String { path.isDirectory ? path + "/" : path }

  private static func names(in directory: String, hidden: Bool) -> [String] {
    guard directory.isEmpty || directory.utf8.last == UInt8(ascii: "/") else { return [] }
    let names = try? FileManager.default.contentsOfDirectory(atPath: directory.isEmpty ? "." : directory)
    return (names ?? []).filter { hidden || !$0.hasPrefix(".") }
  }

  /// All directories in `directory` and in those; links, which may lead in circles, are not followed.
  private static func folders(below directory: String) -> [String] {
    names(in: directory, hidden: false).flatMap { name in
      let path = directory + name
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
      return path.isDirectory && !isLink ? ["\(path)/"] + folders(below: "\(path)/") : []
    }
  }
}
