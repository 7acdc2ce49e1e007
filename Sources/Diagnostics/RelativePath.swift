extension String {
  /// Whether this is a relative path that leads nowhere but into the directory that it is put behind, links aside.
  ///
  /// Told by its bytes, as the system reads it: to Swift a slash with a combining mark behind it is another character.
  public var isPathInside: Bool {
    let parts = utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return !utf8.contains(0) && !parts.contains { $0.isEmpty || $0.elementsEqual("..".utf8) }
  }
}
