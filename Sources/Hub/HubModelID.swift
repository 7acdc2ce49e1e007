import Foundation

/// A model on the Hub: `owner/name`, or `owner/name@revision` for a branch, a tag or a commit.
public struct HubModelID: Sendable, Equatable, CustomStringConvertible {
  /// `owner/name`.
  public let name: String
  /// The text after `@`.
  public let revision: String?

  /// Nil if `text` cannot be the name of a model.
  public init?(_ text: String) {
    let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy(Self.isName), halves[0].utf8.count <= 96 else { return nil }
    name = halves[0]
    revision = halves.count == 2 ? halves[1] : nil
    if let revision, !Self.isRevision(revision) { return nil }
  }

  /// As written.
  public var description: String { revision.map { "\(name)@\($0)" } ?? name }

  /// The revision, by default `main`.
  public var wanted: String { revision ?? "main" }

  /// Whether the revision is a full commit hash, which never changes.
  public var isCommit: Bool { Self.isCommit(wanted) }

  static func isCommit(_ text: String) -> Bool { text.utf8.count == 40 && text.utf8.allSatisfy(isHexDigit) }

  /// The rules of huggingface_hub: letters, digits, `-`, `_` and `.`; no `--`, no `..`, no `-` or `.` at an end.
  private static func isName(_ part: Substring) -> Bool {
    guard let first = part.utf8.first, let last = part.utf8.last, isAlphanumeric(first) || first == UInt8(ascii: "_"),
      isAlphanumeric(last) || last == UInt8(ascii: "_"), !part.contains("--"), !part.contains(".."),
      !part.hasSuffix(".git")
    else { return false }
    return part.utf8.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
  }

  /// Whether `text` is a safe path inside `refs`.
  private static func isRevision(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    return parts.allSatisfy { part in
      !part.isEmpty && part != "." && part != ".."
        && part.utf8.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
    }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: false
    }
  }

  static func isHexDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
    default: false
    }
  }
}
