import Tokenizers

/// Texts that end a continuation, as transformers' `StopStringCriteria` finds them: as soon as the newest token completes
/// one, wherever it began, be it in the prompt or inside a token. Special tokens count with their text.
struct StopStrings: Sendable {
  private let stops: [[UInt8]]
  private let tokenizer: Tokenizer
  private let bytes: TokenBytes
  /// So many tokens at the end of a text can touch a stop string; a few more, as some tokens have no bytes.
  private let reach: Int

  /// Nil if there are none.
  init?(_ texts: [String], _ tokenizer: Tokenizer) {
    if texts.isEmpty { return nil }
    stops = texts.map { Array($0.utf8) }
    self.tokenizer = tokenizer
    bytes = TokenBytes(tokenizer)
    reach = 8 + (stops.map(\.count).max() ?? 0)
  }

  /// Where the text before a stop string ends.
  struct Match: Equatable {
    /// New tokens whose text lies before it.
    let shown: Int
    /// What follows them before it: the beginning of the token in which it begins.
    let rest: String
  }

  /// The first stop string that the last of `ids` completes. The last `new` of them are new.
  func match(_ ids: [Int32], new: Int) -> Match? {
    let tail = tail(ids), before = tail.count - tail.last
    let starts = stops.compactMap { stop -> Int? in
      (max(0, before - stop.count + 1)..<max(0, tail.count - stop.count + 1)).first {
        $0 + stop.count > before && tail.bytes[$0...].starts(with: stop)
      }
    }
    guard let start = starts.min() else { return nil }
    let whole = tail.tokens(upTo: start), left = tail.ends.count - whole
    guard left <= new else { return Match(shown: 0, rest: "") }
    let opening = ids[ids.count - left], end = whole == 0 ? 0 : tail.ends[whole - 1]
    let rest = tokenizer.isSpecial(opening) ? "" : String(decoding: tail.bytes[end..<start], as: UTF8.self)
    return Match(shown: new - left, rest: rest)
  }

  /// How many of the newest tokens may be the beginning of a stop string. The last `new` of `ids` are new.
  func open(_ ids: [Int32], new: Int) -> Int {
    let tail = tail(ids)
    let longest =
      stops.map { stop in
        (1..<max(1, stop.count)).last { $0 <= tail.count && tail.bytes.suffix($0).elementsEqual(stop[..<$0]) } ?? 0
      }.max() ?? 0
    return longest == 0 ? 0 : min(new, tail.ends.count - tail.tokens(upTo: tail.count - longest))
  }

  private func tail(_ ids: [Int32]) -> Tail {
    var tail = Tail()
    for id in ids.suffix(reach) {
      tail.bytes += bytes.of(id)
      tail.ends.append(tail.bytes.count)
    }
    return tail
  }
}

/// The bytes of a text's last tokens.
private struct Tail {
  var bytes: [UInt8] = []
  /// Where each token's bytes end.
  var ends: [Int] = []

  var count: Int { bytes.count }
  /// The number of bytes of the last token.
  var last: Int { count - (ends.dropLast().last ?? 0) }

  /// The number of tokens before `end` that are no part of a character that goes on behind them.
  func tokens(upTo end: Int) -> Int {
    let last = ends.lastIndex { $0 <= end && ($0 == end || bytes[$0] & 0xC0 != 0x80) }
    return last.map { $0 + 1 } ?? 0
  }
}
