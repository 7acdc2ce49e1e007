import Foundation
import Metrics

/// The text of a predictions file: TSV with a header, one line an example, in file order.
///
///     index  prediction  label  score_0  score_1
///     0      1           1      -1.02539062  1.17382812
///
/// `index` counts from 0. `prediction` is a class's name, or the value of a regression. `label` is empty where it is
/// unknown. Scores are raw, with nine significant digits, which give back the same float32.
public struct PredictionTable: Sendable {
  /// What is predicted.
  public let labels: LabelSpace

  /// A table of predictions of `labels`.
  public init(labels: LabelSpace) { self.labels = labels }

  /// A table of answers to questions with at most `choices` choices each, by their letters; scores are log-likelihoods.
  public init(choices: Int) { labels = .classes(Array(ChoiceQuestion.letters.prefix(choices))) }

  /// The first line, with its LF.
  public var header: String {
    (["index", "prediction", "label"] + (0..<labels.outputs).map { "score_\($0)" }).joined(separator: "\t") + "\n"
  }

  /// The line of one example, with its LF.
  public func line(index: Int, scores: [Float], label: Label?) -> String {
    let known =
      switch label {
      case .classIndex(let index): name(index)
      case .score(let score): Self.digits(score)
      case nil: ""
      }
    // A question may have fewer choices than another.
    let cells = scores.map(Self.digits) + Array(repeating: "", count: max(0, labels.outputs - scores.count))
    return ([String(index), prediction(scores), known] + cells).joined(separator: "\t") + "\n"
  }

  /// The whole file. `labels` are as many as `scores`, and so are the numbers of the examples where some were left out.
  public func text(scores: [[Float]], labels: [Label?], numbers: [Int]? = nil) -> String {
    zip(scores, labels).enumerated().reduce(into: header) { text, row in
      text += line(index: numbers?[row.offset] ?? row.offset, scores: row.element.0, label: row.element.1)
    }
  }

  /// What `prediction` says of these scores.
  public func prediction(_ scores: [Float]) -> String {
    switch labels {
    case .classes: name(argmax(scores))
    case .regression: scores.first.map(Self.digits) ?? ""
    }
  }

  private func name(_ index: Int) -> String {
    if case .classes(let names) = labels, names.indices.contains(index) { names[index] } else { String(index) }
  }

  /// Nine significant digits, trailing zeros included.
  static func digits(_ value: Float) -> String { String(format: "%#.9g", Double(value)) }
}
