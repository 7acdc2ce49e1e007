/// The last step of encoding: puts special tokens around the ids of one or two texts.
struct PostProcessor: Sendable {
  /// A part of the result.
  enum Part: Sendable, Equatable {
    /// The first (0) or the second (1) text.
    case text(Int, typeID: Int32)
    case special([Int32], typeID: Int32)
  }

  var single: [Part]
  var pair: [Part]

  /// Adds nothing; the second text has type 1.
  static let none = PostProcessor(
    single: [.text(0, typeID: 0)], pair: [.text(0, typeID: 0), .text(1, typeID: 1)])

  /// BERT: `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, type 1 from B on.
  static func bert(cls: Int32, sep: Int32) -> PostProcessor {
    let single: [Part] = [.special([cls], typeID: 0), .text(0, typeID: 0), .special([sep], typeID: 0)]
    return PostProcessor(single: single, pair: single + [.text(1, typeID: 1), .special([sep], typeID: 1)])
  }

  /// RoBERTa: `<s> A </s>` and `<s> A </s></s> B </s>`, all type 0.
  static func roberta(cls: Int32, sep: Int32) -> PostProcessor {
    let single: [Part] = [.special([cls], typeID: 0), .text(0, typeID: 0), .special([sep], typeID: 0)]
    return PostProcessor(
      single: single,
      pair: single + [.special([sep], typeID: 0), .text(1, typeID: 0), .special([sep], typeID: 0)])
  }

  /// The number of special tokens added to one text, or to two.
  func addedCount(isPair: Bool) -> Int {
    (isPair ? pair : single).reduce(0) { count, part in
      if case .special(let ids, _) = part { count + ids.count } else { count }
    }
  }

  /// Encodes one text or two.
  func process(_ first: ArraySlice<Int32>, _ second: ArraySlice<Int32>?) -> Encoding {
    var encoding = Encoding(ids: [], typeIDs: [])
    for part in second == nil ? single : pair {
      let (ids, typeID) =
        switch part {
        case .text(let index, let typeID): (index == 0 ? first : second ?? [], typeID)
        case .special(let ids, let typeID): (ids[...], typeID)
        }
      encoding.ids += ids
      encoding.typeIDs += repeatElement(typeID, count: ids.count)
    }
    return encoding
  }
}

/// The lengths of two texts after `longest_first` truncation. The shorter is cut only to half the room; if both are cut,
/// the longer gets the odd token.
func truncatedLengths(_ first: Int, _ second: Int, room: Int) -> (first: Int, second: Int) {
  if first + second <= room { return (first, second) }
  let shorter = min(first, second)
  let kept = shorter <= room / 2 ? (shorter, room - shorter) : (room / 2, room / 2 + room % 2)
  return first <= second ? kept : (kept.1, kept.0)
}
