/// Words with tags: what the tags are called, and how many words each sentence has.
public struct TagSequences: Sendable, Equatable {
  /// The names of the tags, by class number.
  public let names: [String]
  /// The words of every sentence.
  public let lengths: [Int]

  /// Sentences of `lengths` words with tags called `names`.
  public init(names: [String], lengths: [Int]) { (self.names, self.lengths) = (names, lengths) }
}

/// A stretch of words that tags mark.
public struct Entity: Sendable, Hashable {
  /// What the words are: `PER`.
  public let type: String
  /// The numbers of its words, from 0.
  public let words: Range<Int>
}

/// Reads entities out of tags as seqeval's `get_entities` does in its default mode: IOB2, IOB1, IOBES and IOE alike.
///
///     let tags = EntityTags(["O", "B-PER", "I-PER"])
///     tags.entities([1, 2, 0])    // one PER of the words 0 and 1
///
/// The first character of a tag is its prefix, and what follows a `-` its type. Tags without prefixes, as those of parts of
/// speech, are read by the same rule, as seqeval does with a warning: nothing but their accuracy is of use.
public struct EntityTags: Sendable {
  private struct Tag {
    let prefix: Unicode.Scalar
    /// The number of the type's name in `types`.
    let type: Int
  }

  private let tags: [Tag]
  private let types: [String]

  /// Tags called `names`.
  public init(_ names: [String]) {
    // The type of "O" and of what stands between two sentences; in front of all stands none (−1).
    var types = ["_"], numbers: [[UInt8]: Int] = [Array("_".utf8): 0]
    tags = names.map { name in
      let scalars = name.unicodeScalars
      let rest = scalars.dropFirst(), parts = rest.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
      let type = parts.last.map { String($0) } ?? ""
      let key = Array((type.isEmpty ? "_" : type).utf8)
      let number = numbers[key] ?? types.count
      if number == types.count {
        types.append(type)
        numbers[key] = number
      }
      return Tag(prefix: scalars.first ?? "O", type: number)
    }
    self.types = types
  }

  /// Whether every tag is `O` or begins with B-, I-, E- or S-.
  public static func areEntities(_ names: [String]) -> Bool {
    names.allSatisfy { name in
      name.utf8.elementsEqual("O".utf8) || ["B-", "I-", "E-", "S-"].contains { name.utf8.starts(with: $0.utf8) }
    }
  }

  /// The entities of one sentence.
  public func entities(_ sequence: [Int]) -> [Entity] {
    spans([sequence]).filter { $0.end < sequence.count }.map {
      Entity(type: types[$0.type], words: $0.start..<$0.end + 1)
    }
  }

  struct Span: Hashable {
    let type: Int
    let start: Int
    let end: Int
  }

  /// The entities of all sentences, one after the other with an `O` behind each.
  func spans(_ sequences: [[Int]]) -> [Span] {
    let outside = Tag(prefix: "O", type: 0)
    let flat = sequences.flatMap { $0.map { tags[$0] } + [outside] }
    var spans: [Span] = [], start = 0, last = Tag(prefix: "O", type: -1)
    for (index, tag) in (flat + [outside]).enumerated() {
      if Self.ends(last, before: tag) { spans.append(Span(type: last.type, start: start, end: index - 1)) }
      if Self.starts(tag, after: last) { start = index }
      last = tag
    }
    return spans
  }

  private static func ends(_ last: Tag, before next: Tag) -> Bool {
    if last.prefix == "E" || last.prefix == "S" { return true }
    let isInside = last.prefix == "B" || last.prefix == "I"
    if isInside, next.prefix == "B" || next.prefix == "S" || next.prefix == "O" { return true }
    return last.prefix != "O" && last.prefix != "." && last.type != next.type
  }

  private static func starts(_ tag: Tag, after last: Tag) -> Bool {
    if tag.prefix == "B" || tag.prefix == "S" { return true }
    let isAlone = last.prefix == "E" || last.prefix == "S" || last.prefix == "O"
    if isAlone, tag.prefix == "E" || tag.prefix == "I" { return true }
    return tag.prefix != "O" && tag.prefix != "." && last.type != tag.type
  }
}

extension Metric {
  /// seqeval's precision: of the predicted entities the share with the right type and exactly the right words.
  public static let entityPrecision = entityMetric("precision") { $0.precision }
  /// seqeval's recall: the same share of the right entities.
  public static let entityRecall = entityMetric("recall") { $0.recall }
  /// seqeval's F1: 2 · precision · recall / (precision + recall).
  public static let entityF1 = entityMetric("f1") { $0.f1 }

  private static func entityMetric(
    _ name: String, _ value: @escaping @Sendable (EntityScores) -> Double
  ) -> Metric {
    Metric(name, greaterIsBetter: true, needs: .classes) { value(EntityScores($0)) }
  }
}

/// How many entities were found; 0 over 0 is 0, as in seqeval.
struct EntityScores {
  let precision: Double
  let recall: Double
  var f1: Double { precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall) }

  init(_ predictions: Predictions) {
    let sequences = predictions.tagSequences ?? TagSequences(names: [], lengths: [])
    let tags = EntityTags(sequences.names), classes = predictions.classes
    var start = 0, predicted: [[Int]] = [], right: [[Int]] = []
    for length in sequences.lengths {
      let words = classes[start..<min(start + length, classes.count)]
      predicted.append(words.map(\.predicted))
      right.append(words.map(\.label))
      start += length
    }
    let found = Set(tags.spans(predicted)), wanted = Set(tags.spans(right))
    let hits = Double(found.intersection(wanted).count)
    precision = found.isEmpty ? 0 : hits / Double(found.count)
    recall = wanted.isEmpty ? 0 : hits / Double(wanted.count)
  }
}
