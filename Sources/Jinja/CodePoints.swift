import Foundation

// Text as Python sees it: a sequence of code points, which in UTF-8 are compared and found as bytes.

extension String {
  /// Whether both have the same code points. `==` would also hold for different ones that look alike.
  func isSame(as other: String) -> Bool {
    guard utf8.count == other.utf8.count else { return false }
    return utf8.withContiguousStorageIfAvailable { a in
      other.utf8.withContiguousStorageIfAvailable { b in
        guard let a = a.baseAddress, let b = b.baseAddress else { return true }
        return memcmp(a, b, utf8.count) == 0
      }
    }.flatMap { $0 } ?? utf8.elementsEqual(other.utf8)
  }

  /// Whether the code points of this come before the other's.
  func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }

  /// A text of bytes that are UTF-8.
  init(bytes: some Collection<UInt8>) { self.init(decoding: bytes, as: UTF8.self) }

  /// Whether every code point is one byte.
  var isASCIIOnly: Bool { utf8.allSatisfy { $0 < 0x80 } }

  /// The code points `range`, counted from 0.
  func codePoints(_ range: Range<Int>) -> String {
    if isASCIIOnly {
      let start = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
      return String(self[start..<utf8.index(start, offsetBy: range.count)])
    }
    let start = unicodeScalars.index(unicodeScalars.startIndex, offsetBy: range.lowerBound)
    let end = unicodeScalars.index(start, offsetBy: range.count)
    return String(unicodeScalars[start..<end])
  }

  /// Calls `body` with the byte offsets at which `part` begins, from left to right without overlaps, until it returns
  /// false. `part` must not be empty.
  func forEachOccurrence(of part: String, _ body: (Int) throws -> Bool) rethrows {
    var whole = self, part = part
    try whole.withUTF8 { whole in
      try part.withUTF8 { part in
        guard let first = part.first, part.count <= whole.count else { return }
        if part.count <= 16 {
          try forEachOccurrence(of: part, startingWith: first, in: whole, body)
        } else {
          try forEachOccurrence(ofLong: part, in: whole, body)
        }
      }
    }
  }

  private func forEachOccurrence(
    of part: UnsafeBufferPointer<UInt8>, startingWith first: UInt8, in whole: UnsafeBufferPointer<UInt8>,
    _ body: (Int) throws -> Bool
  ) rethrows {
    guard let base = whole.baseAddress, let needle = part.baseAddress else { return }
    var position = 0
    while position <= whole.count - part.count {
      guard let found = memchr(base + position, Int32(first), whole.count - part.count - position + 1) else { return }
      position = UnsafeRawPointer(base).distance(to: found)
      if memcmp(base + position, needle, part.count) == 0 {
        guard try body(position) else { return }
        position += part.count
      } else {
        position += 1
      }
    }
  }

  /// In time proportional to the lengths, whatever the texts are (Knuth, Morris, Pratt).
  private func forEachOccurrence(
    ofLong part: UnsafeBufferPointer<UInt8>, in whole: UnsafeBufferPointer<UInt8>, _ body: (Int) throws -> Bool
  ) rethrows {
    // How much of the part's start a match keeps that fails after so many bytes.
    var kept = [0]
    for position in 1..<part.count {
      var length = kept[position - 1]
      while length > 0, part[length] != part[position] { length = kept[length - 1] }
      kept.append(part[length] == part[position] ? length + 1 : 0)
    }
    var matched = 0
    for (position, byte) in whole.enumerated() {
      while matched > 0, part[matched] != byte { matched = kept[matched - 1] }
      if part[matched] == byte { matched += 1 }
      if matched == part.count {
        guard try body(position + 1 - part.count) else { return }
        matched = 0
      }
    }
  }

  /// Whether `part` occurs; the empty text occurs everywhere.
  func has(_ part: String) -> Bool {
    if part.isEmpty { return true }
    var found = false
    forEachOccurrence(of: part) { _ in
      found = true
      return false
    }
    return found
  }

  func starts(withText prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

  func ends(withText suffix: String) -> Bool {
    utf8.count >= suffix.utf8.count && utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  /// This without the code points at either end for which `isOuter` holds.
  func stripped(left: Bool = true, right: Bool = true, _ isOuter: (Unicode.Scalar) -> Bool) -> String {
    let scalars = unicodeScalars
    var start = scalars.startIndex, end = scalars.endIndex
    if left { while start < end, isOuter(scalars[start]) { start = scalars.index(after: start) } }
    while right, start < end {
      let last = scalars.index(before: end)
      guard isOuter(scalars[last]) else { break }
      end = last
    }
    return start == scalars.startIndex && end == scalars.endIndex ? self : String(scalars[start..<end])
  }
}

extension Unicode.Scalar {
  /// What Python's `str.isspace` counts as space.
  var isPythonSpace: Bool {
    switch value {
    case 9...13, 28...32, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  /// What ends a line for Python's `str.splitlines`.
  var endsLine: Bool {
    switch value {
    case 10...13, 28...30, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// What `str.isalpha` accepts.
  var isPythonLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  var isPythonAlphanumeric: Bool { isPythonLetter || properties.numericType != nil }

  /// Whether `repr` leaves it as it is.
  var isPrintable: Bool {
    if value < 0x7F { return value >= 0x20 }
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator:
      return false
    default: return true
    }
  }

  var isCased: Bool {
    properties.isLowercase || properties.isUppercase || properties.generalCategory == .titlecaseLetter
  }
}
