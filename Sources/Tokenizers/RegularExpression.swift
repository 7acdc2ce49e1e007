import COniguruma
import Diagnostics
import StrictJSON
import Synchronization

/// A regular expression of tokenizer.json, compiled by Oniguruma with the syntax and options of the PyPI library
/// `tokenizers`.
///
/// Any number of threads may search with one at once. A search that takes more than ten million steps at one position
/// (there `tokenizers` panics), or a hundred million at all, is given up: the rest of the text, later words too, counts as
/// unmatched, and `hasGivenUp` says so from then on. Groups in one another are refused from about 250 levels.
final class RegularExpression: Sendable {
  let source: String
  /// Where it stands.
  let place: FilePlace
  // Searches only read it.
  private nonisolated(unsafe) let compiled: OnigRegex
  private let givesUp = Atomic(false)

  private static let limits = (match: UInt(10_000_000), search: UInt(100_000_000))
  private static let isPrepared = swift_peft_onig_prepare() == ONIG_NORMAL

  init(_ source: String, place: FilePlace) throws {
    (self.source, self.place) = (source, place)
    precondition(Self.isPrepared, "Oniguruma cannot be initialised")
    var message = [UInt8](repeating: 0, count: Int(ONIG_MAX_ERROR_MESSAGE_LEN) + 1)
    let bytes = Array(source.utf8)
    guard let compiled = swift_peft_onig_compile(bytes, bytes.count, &message) else {
      let reason = String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
      throw TokenizerError.badExpression(place, expression: source, reason: reason)
    }
    self.compiled = compiled
  }

  /// Reads the member `Regex` of a pattern.
  convenience init(_ field: JSONField) throws { try self.init(field.string(), place: field.place) }

  deinit { onig_free(compiled) }

  /// Whether no match is empty, as far as a look at the source can tell.
  var surelyTakesText: Bool {
    let parts = source.split(separator: "|", omittingEmptySubsequences: false)
    return parts.allSatisfy { part in
      !part.isEmpty && !part.contains { "*?(^$".contains($0) } && !part.contains("{0") && !part.contains("{,")
        && !part.split(separator: "\\").dropFirst().contains { "bBAzZGKyY".contains($0.first ?? "b") }
    }
  }

  var hasGivenUp: Bool { givesUp.load(ordering: .relaxed) }

  /// The matches in every one of `words`, which are ranges of `scalars`. To the expression each is a text of its own.
  ///
  /// - Parameter found: called for each word with its matches from left to right. They do not overlap; an empty one
  ///   never follows another at once, as in `tokenizers`.
  func findMatches(
    in scalars: [Unicode.Scalar], words: [Range<Int>], _ found: (_ word: Range<Int>, _ matches: [Range<Int>]) -> Void
  ) {
    let text = UTF8Text(scalars), region = onig_region_new(), parameters = onig_new_match_param()
    defer {
      onig_region_free(region, 1)
      onig_free_match_param(parameters)
    }
    onig_initialize_match_param(parameters)
    onig_set_retry_limit_in_match_of_match_param(parameters, Self.limits.match)
    onig_set_retry_limit_in_search_of_match_param(parameters, Self.limits.search)
    var matches: [Range<Int>] = []
    var isGivenUp = false
    text.bytes.withUnsafeBufferPointer { buffer in
      // Empty texts have no words.
      guard let base = buffer.baseAddress else { return }
      for word in words {
        matches.removeAll(keepingCapacity: true)
        let first = base + text.byte(word.lowerBound), end = base + text.byte(word.upperBound)
        var index = word.lowerBound, start = first, last: Int?
        while start <= end, !isGivenUp {
          let result = onig_search_with_param(
            compiled, first, end, start, end, region, ONIG_OPTION_NONE, parameters)
          guard result >= 0, let region else {
            isGivenUp = result != ONIG_MISMATCH
            break
          }
          // With \K a match may begin before the search did.
          let lower = max(first + Int(region.pointee.beg[0]), start),
            upper = max(first + Int(region.pointee.end[0]), lower)
          let left = text.index(ofByte: lower - base, from: index), right = text.index(ofByte: upper - base, from: left)
          (index, start) = (right, upper)
          if lower == upper {
            // As in the Rust crate, an empty match right behind the match before is left out.
            if last != right { matches.append(left..<right) }
            last = right
            if right == word.upperBound { break }
            index = right + 1
            start = base + text.byte(index)
          } else {
            matches.append(left..<right)
            last = right
          }
        }
        found(word, matches)
      }
    }
    if isGivenUp { givesUp.store(true, ordering: .relaxed) }
  }

  /// `text` with every match replaced by `content`.
  func replaceMatches(in text: [Unicode.Scalar], by content: [Unicode.Scalar]) -> [Unicode.Scalar] {
    if text.isEmpty { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    findMatches(in: text, words: [text.indices]) { word, matches in
      var end = 0
      for match in matches {
        result += text[end..<match.lowerBound]
        result += content
        end = match.upperBound
      }
      result += text[end...]
    }
    return result
  }
}

/// A text in UTF-8, whose offsets can be turned into those of its scalars.
private struct UTF8Text {
  private(set) var bytes: [UInt8] = []
  /// Where each scalar begins, and the end; empty if all are ASCII.
  private var starts: [Int32] = []

  init(_ scalars: [Unicode.Scalar]) {
    bytes.reserveCapacity(scalars.count + scalars.count / 4)
    guard let first = scalars.firstIndex(where: { !$0.isASCII }) else {
      for scalar in scalars { bytes.append(UInt8(truncatingIfNeeded: scalar.value)) }
      return
    }
    starts.reserveCapacity(scalars.count + 1)
    for (index, scalar) in scalars.enumerated() {
      starts.append(Int32(truncatingIfNeeded: bytes.count))
      if index < first || scalar.isASCII {
        bytes.append(UInt8(truncatingIfNeeded: scalar.value))
      } else {
        bytes.append(contentsOf: UTF8.encode(scalar.knownToOniguruma) ?? UTF8.EncodedScalar())
      }
    }
    starts.append(Int32(truncatingIfNeeded: bytes.count))
  }

  func byte(_ index: Int) -> Int { starts.isEmpty ? index : Int(starts[index]) }

  /// The scalar that begins at a byte, at `index` or after it.
  func index(ofByte byte: Int, from index: Int) -> Int {
    if starts.isEmpty { return byte }
    var index = index
    while starts[index] < byte { index += 1 }
    return index
  }
}

extension Unicode.Scalar {
  /// Debian's Oniguruma knows Unicode 14, that of `tokenizers` Unicode 16. A scalar that came between stands for one of
  /// the same category, without case.
  fileprivate var knownToOniguruma: Unicode.Scalar {
    if value < 0x10000 ? !Self.isRecent[Int(value)] : !isBetween { return self }
    return switch properties.generalCategory {
    case .uppercaseLetter: "\u{1D400}"
    case .lowercaseLetter: "\u{1D41A}"
    case .modifierLetter: "\u{16B40}"
    // An ideograph of an extension, or a letter of a script that no pattern names.
    case .otherLetter: properties.isIdeographic ? "\u{20000}" : "\u{16A40}"
    case .nonspacingMark: "\u{16AF0}"
    case .spacingMark: "\u{16F51}"
    case .decimalNumber: "\u{16A60}"
    case .letterNumber: "\u{10140}"
    case .otherNumber: "\u{10E60}"
    case .dashPunctuation: "\u{10EAD}"
    case .otherPunctuation: "\u{16A6E}"
    case .mathSymbol: "\u{1EEF0}"
    case .currencySymbol: "\u{1E2FF}"
    case .otherSymbol: "\u{16B3C}"
    case .format: "\u{E0001}"
    default: self
    }
  }

  private var isBetween: Bool { !isAssigned(inUnicode: 14) && isAssigned(inUnicode: 16) }

  private static let isRecent: [Bool] = (0..<0x10000).map { Unicode.Scalar(UInt16($0))?.isBetween ?? false }
}
