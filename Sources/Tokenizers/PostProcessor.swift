/// The last step of encoding: the ids of one or two texts in, special tokens put around them out.
struct PostProcessor: Sendable {
  /// A part of the result.
  enum Part: Sendable, Equatable {
    /// The first (0) or the second (1) text.
    case text(Int, typeID: Int32)
    case special([Int32], typeID: Int32)
  }

  var single: [Part]
  var pair: [Part]

  /// The texts one after the other, the second of type 1, nothing added.
  static let none = PostProcessor(
    single: [.text(0, typeID: 0)], pair: [.text(0, typeID: 0), .text(1, typeID: 1)])

  /// BERT's: `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, type 1 from B on.
  static func bert(cls: Int32, sep: Int32) -> PostProcessor {
    let single: [Part] = [.special([cls], typeID: 0), .text(0, typeID: 0), .special([sep], typeID: 0)]
    return PostProcessor(single: single, pair: single + [.text(1, typeID: 1), .special([sep], typeID: 1)])
  }

  /// RoBERTa's: `<s> A </s>` and `<s> A </s></s> B </s>`, all of type 0.
  static func roberta(cls: Int32, sep: Int32) -> PostProcessor {
    let single: [Part] = [.special([cls], typeID: 0), .text(0, typeID: 0), .special([sep], typeID: 0)]
    return PostProcessor(
      single: single,
      pair: single + [.special([sep], typeID: 0), .text(1, typeID: 0), .special([sep], typeID: 0)])
  }

  /// How many special tokens are added to one text, or to two.
  func addedCount(isPair: Bool) -> Int {
    (isPair ? pair : single).reduce(0) { count, part in
      if case .special(let ids, _) = part { count + ids.count } else { count }
    }
  }

  /// Puts the texts together.
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

/// The lengths that `longest_first` truncation leaves of two texts: the shorter keeps what it has up to half the room,
/// and of two that are cut the longer gets the odd token.
func truncatedLengths(_ first: Int, _ second: Int, room: Int) -> (first: Int, second: Int) {
  if first + second <= room { return (first, second) }
  let shorter = min(first, second)
  let kept = shorter <= room / 2 ? (shorter, room - shorter) : (room / 2, room / 2 + room % 2)
  return first <= second ? kept : (kept.1, kept.0)
}
