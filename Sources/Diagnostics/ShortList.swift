extension Collection<String> {
  /// The elements for a message, of which it names at most three: `a, b, c and 62 more`.
  public var firstThree: String {
    prefix(3).joined(separator: ", ") + (count > 3 ? " and \(count - 3) more" : "")
  }
}
