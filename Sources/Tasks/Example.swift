import Metrics

extension Split {
  /// The config key under `task` that gives the split's file, as far as there is one.
  var fileKey: String {
    switch self {
    case .train: "train_file"
    case .validation, .validationMismatched: "validation_file"
    case .test: "test_file"
    }
  }
}

/// One text or pair of texts, verbatim, with its label where that is known.
public struct Example: Sendable, Equatable {
  /// The only or the first text.
  public let text: String
  /// The second text of a pair, which may be empty; nil in tasks of one text.
  public let pair: String?
  /// Nil in unlabelled files.
  public let label: Label?
  /// 1-based line in the file.
  public let line: Int

  /// An example from its parts.
  public init(text: String, pair: String? = nil, label: Label? = nil, line: Int) {
    (self.text, self.pair, self.label, self.line) = (text, pair, label, line)
  }
}

/// What an example's text is labelled with.
public enum Label: Sendable, Equatable {
  /// A number into `LabelSpace.classes`.
  case classIndex(Int)
  /// A regression target.
  case score(Float)
}

/// The examples of one split, in file order.
public struct Dataset: Sendable {
  /// The first `max_*_samples` examples of the file, or all.
  public let examples: [Example]
  /// Which split they are.
  public let split: Split
  /// Where they come from.
  public let file: String
  /// Rows that were left out: the broken lines of QQP's official training file. To be shown, never to be hidden.
  public let skipped: [TaskError]
}
