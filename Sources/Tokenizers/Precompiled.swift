import Diagnostics
import Foundation
import StrictJSON

/// The normalizer `Precompiled` of `tokenizers`: SentencePiece's `precompiled_charsmap`, a double-array trie of byte
/// strings with their replacements.
///
/// Unlike SentencePiece, which takes the longest rule at a position, `tokenizers` looks up whole graphemes of up to five
/// bytes, then single scalars, and takes the shortest rule that begins them.
struct Precompiled: Sendable {
  private let units: [UInt32]
  private let texts: [UInt8]
  /// How many scalars a rule writes at most.
  let longestReplacement: Int
  /// What each ASCII scalar becomes.
  private let ascii: [[Unicode.Scalar]]

  /// Reads `precompiled_charsmap`: the size of the trie in bytes, the trie, and the replacements, which end in NUL.
  init(_ field: JSONField) throws {
    guard let data = Data(base64Encoded: try field.string()) else { throw field.error("must be Base64") }
    let bytes = [UInt8](data)
    let numbers = stride(from: 0, to: bytes.count - 3, by: 4).map { index in
      bytes[index..<(index + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    guard let size = numbers.first, size % 4 == 0, size > 0, Int(size) + 4 <= bytes.count else {
      throw field.error("the normalisation rules are cut off")
    }
    let units = Array(numbers[1..<(1 + Int(size) / 4)]), texts = Array(bytes[(4 + Int(size))...])
    // Unicode's rules write at most 33 bytes. Without a limit, a short text could fill the memory.
    let longest = 256, replacements = texts.split(separator: 0)
    guard replacements.allSatisfy({ $0.count <= longest }) else {
      throw field.error("a normalisation rule writes more than \(longest) bytes")
    }
    longestReplacement = replacements.map { String(decoding: $0, as: UTF8.self).unicodeScalars.count }.max() ?? 1
    (self.units, self.texts) = (units, texts)
    ascii = (UInt8(0)..<0x80).map {
      Self.replacement([$0], units, texts).map { Array($0.unicodeScalars) } ?? [Unicode.Scalar($0)]
    }
  }

  func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count + 8)
    var start = 0
    while start < text.count {
      var end = start + 1
      if text[start].isASCII, isBreak(text, at: end) {
        result += ascii[Int(text[start].value)]
      } else {
        while !isBreak(text, at: end) { end += 1 }
        for grapheme in String(scalars: text[start..<end]) { append(grapheme, to: &result) }
      }
      start = end
    }
    return result
  }

  /// Whether a grapheme surely ends before `index`.
  private func isBreak(_ text: [Unicode.Scalar], at index: Int) -> Bool {
    index >= text.count
      || text[index].isASCII && text[index - 1].isASCII && !(text[index] == "\n" && text[index - 1] == "\r")
  }

  private func append(_ grapheme: Character, to result: inout [Unicode.Scalar]) {
    let bytes = Array(grapheme.utf8)
    if bytes.count < 6, let text = Self.replacement(bytes, units, texts) {
      result += text.unicodeScalars
      return
    }
    for scalar in grapheme.unicodeScalars {
      if scalar.isASCII {
        result += ascii[Int(scalar.value)]
      } else if let text = Self.replacement(Array(String(scalar).utf8), units, texts) {
        result += text.unicodeScalars
      } else {
        result.append(scalar)
      }
    }
  }

  /// The replacement by the shortest rule that `key` begins with.
  private static func replacement(_ key: [UInt8], _ units: [UInt32], _ texts: [UInt8]) -> String? {
    guard let root = units.first else { return nil }
    var node = offset(root)
    for byte in key {
      if byte == 0 { return nil }
      node ^= Int(byte)
      guard node < units.count, units[node] & 0x8000_00FF == UInt32(byte) else { return nil }
      let unit = units[node]
      node ^= offset(unit)
      guard node < units.count else { return nil }
      if unit >> 8 & 1 == 1 {
        let start = min(Int(units[node] & 0x7FFF_FFFF), texts.count)
        return String(decoding: texts[start...].prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    return nil
  }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 0x200) >> 6)) }
}
