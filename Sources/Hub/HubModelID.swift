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

  static func isCommit(_ text: String) -> Bool { isHex(text, count: 40) }

  static func isHex(_ text: String, count: Int) -> Bool {
    text.utf8.count == count && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
  }

  /// The rules of huggingface_hub: letters, digits, `-`, `_` and `.`; no `--`, no `..`, no `-` or `.` at an end.
  private static func isName(_ part: Substring) -> Bool {
    let isOpen = part.hasPrefix("-") || part.hasPrefix(".") || part.hasSuffix("-") || part.hasSuffix(".")
    return isPlain(part) && !isOpen && !part.contains("--") && !part.contains("..") && !part.hasSuffix(".git")
  }

  /// Whether `text` is a safe path inside `refs`.
  private static func isRevision(_ text: String) -> Bool {
    text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isPlain($0) && $0 != "." && $0 != ".." }
  }

  private static func isPlain(_ part: Substring) -> Bool { !part.isEmpty && part.utf8.allSatisfy(plain.contains) }

  private static let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.".utf8)
}
