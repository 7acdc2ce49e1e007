/// A text that equals another, and is ordered, by its code points.
///
/// Swift's `String`s are equal, and have the same hash, if they are canonically equivalent: "é" in one code point and in
/// two. Labels, words and keys are not, in Python and in files.
public struct ExactText: Hashable, Comparable, Sendable {
  /// The text.
  public let text: String

  /// A text to be compared.
  public init(_ text: String) { self.text = text }

  /// Whether both have the same code points.
  public static func == (one: Self, other: Self) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

  /// The order of the code points, which is that of the UTF-8.
  public static func < (one: Self, other: Self) -> Bool {
    one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
  }

  /// Hashes the UTF-8.
  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension Sequence<String> {
  /// Whether `others` are the same texts in the same order, compared by code points.
  public func areExactly(_ others: some Sequence<String>) -> Bool {
    elementsEqual(others) { ExactText($0) == ExactText($1) }
  }

  /// The first text that stands for a second time, compared by code points.
  public var firstRepeated: String? {
    var seen = Set<ExactText>()
    return first { !seen.insert(ExactText($0)).inserted }
  }
}

extension Collection<String> {
  /// The place of `text`, compared by code points.
  public func place(of text: String) -> Index? { firstIndex { ExactText($0) == ExactText(text) } }
}
