import Foundation
import Metrics
import StrictJSON

/// Puts the scores of items together to sentences with their tags, in the order of the sentences, and writes each as it is
/// complete.
///
///     var tagger = SentenceTagger(data.sentences, tags: labels.names, style: .columns)
///     text += try tagger.add(item, scores: row)
///     text += try tagger.finish()
public struct SentenceTagger: Sendable {
  /// How sentences are written.
  public enum Style: Sendable {
    /// A word a line with its tags, with a TAB between them and a blank line after the sentence: the word, the known tag
    /// where there is one, the predicted tag. A word that became no token has the tag `_`.
    case columns
    /// One JSON object a line: `tokens`, `tags`, `labels` where they are known, and of entity tags `entities`, each with
    /// its `type`, the number of its first word (`start`) and of the one after its last (`end`), its words and the mean
    /// probability of their tags. A word that became no token has the tag null.
    case json
  }

  private let sentences: [TaggedSentence]
  private let names: [String]
  private let style: Style
  private let entityTags: EntityTags?
  /// The sentence that is being put together.
  private var current = 0
  private var tags: [Int: (tag: Int, probability: Double)] = [:]

  /// A tagger of `sentences` with tags called `tags`.
  public init(_ sentences: [TaggedSentence], tags: [String], style: Style) {
    (self.sentences, names, self.style) = (sentences, tags, style)
    entityTags = EntityTags.areEntities(tags) ? EntityTags(tags) : nil
  }

  /// Takes an item with the scores of its words; returns the text of the sentences before it.
  public mutating func add(_ item: EncodedDataset.Item, scores: [Float]) throws -> String {
    guard let words = item.words else { return "" }
    let text = try write(upTo: words.sentence)
    for (number, row) in zip(words.numbers, TokenClassification.words(scores, outputs: names.count)) {
      let tag = argmax(row)
      tags[number] = (tag, Self.probability(of: tag, row))
    }
    return text
  }

  /// The text of all sentences that are left.
  public mutating func finish() throws -> String { try write(upTo: sentences.count) }

  private mutating func write(upTo end: Int) throws -> String {
    var text = ""
    while current < end {
      text += style == .json ? json(sentences[current]) : try columns(sentences[current])
      tags = [:]
      current += 1
    }
    return text
  }

  private func columns(_ sentence: TaggedSentence) throws -> String {
    var text = ""
    for (number, word) in sentence.words.enumerated() {
      if word.utf8.contains(where: { [0x09, 0x0A, 0x0D].contains($0) }) {
        throw TaskError.badRecord(
          file: sentence.file, line: sentence.line,
          problem: "word \(number) has a TAB or a line break in it, which columns cannot hold; use --json")
      }
      let known = sentence.tags.map { "\t" + names[$0[number]] } ?? ""
      text += "\(word)\(known)\t\(tags[number].map { names[$0.tag] } ?? "_")\n"
    }
    return text + "\n"
  }

  private func json(_ sentence: TaggedSentence) -> String {
    let predicted = sentence.words.indices.map { tags[$0] }
    var members: [(String, JSONValue)] = [
      ("tokens", .strings(sentence.words)),
      ("tags", .list(predicted.map { $0.map { .string(names[$0.tag]) } ?? .null })),
    ]
    if let known = sentence.tags { members.append(("labels", .strings(known.map { names[$0] }))) }
    if let entityTags {
      // A word without a tag ends an entity, as one outside does.
      let runs = predicted.indices.split { predicted[$0] == nil }
      let entities = runs.flatMap { run in
        entityTags.entities(run.compactMap { predicted[$0]?.tag }).map { entity in
          (
            type: entity.type,
            words: (entity.words.lowerBound + run.startIndex)..<(entity.words.upperBound + run.startIndex)
          )
        }
      }
      members.append(("entities", .list(entities.map { self.json($0.type, $0.words, sentence.words, predicted) })))
    }
    return JSONWriter.text(.members(members), pretty: false) + "\n"
  }

  private func json(
    _ type: String, _ words: Range<Int>, _ text: [String], _ predicted: [(tag: Int, probability: Double)?]
  ) -> JSONValue {
    let sum = words.reduce(0) { $0 + (predicted[$1]?.probability ?? 0) }
    return [
      "type": .string(type), "start": .integer(words.lowerBound), "end": .integer(words.upperBound),
      "text": .string(text[words].joined(separator: " ")), "score": .number(sum / Double(max(1, words.count))),
    ]
  }

  /// The softmax of one score.
  private static func probability(of tag: Int, _ scores: [Float]) -> Double {
    let top = Double(scores[tag])
    return 1 / scores.reduce(0) { $0 + exp(Double($1) - top) }
  }
}

/// The text of a predictions file of words: TSV with a header, one line a scored word, in file order.
///
///     index  word  prediction  label  score_0  score_1
///     0      0     B-PER       B-PER  -1.02539062  1.17382812
///
/// `index` counts sentences and `word` the words of each, both from 0. Words that are not scored have no line.
public struct WordPredictionTable: Sendable {
  private let names: [String]

  /// A table of tags called `tags`.
  public init(tags: [String]) { names = tags }

  /// The whole file, from the items and their rows of scores.
  public func text(_ items: [EncodedDataset.Item], scores: [[Float]]) -> String {
    let header = ["index", "word", "prediction", "label"] + names.indices.map { "score_\($0)" }
    return zip(items, scores).reduce(into: header.joined(separator: "\t") + "\n") { text, pair in
      guard let words = pair.0.words else { return }
      for (index, row) in TokenClassification.words(pair.1, outputs: names.count).enumerated() {
        let known = words.tags.map { names[$0[index]] } ?? ""
        let cells = [String(words.sentence), String(words.numbers[index]), names[argmax(row)], known]
        text += (cells + row.map(PredictionTable.digits)).joined(separator: "\t") + "\n"
      }
    }
  }
}
