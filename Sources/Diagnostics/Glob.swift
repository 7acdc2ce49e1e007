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
