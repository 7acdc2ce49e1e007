extension String {
  /// Whether this is a relative path that stays inside a directory it is appended to, apart from links.
  ///
  /// Checks bytes, like the system: for Swift, a slash and a combining mark form another character.
  public var isPathInside: Bool {
    let parts = utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return !utf8.contains(0) && !parts.contains { $0.isEmpty || $0.elementsEqual("..".utf8) }
  }
}
