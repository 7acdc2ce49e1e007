import Diagnostics
import Metrics

/// A task: its data, its objective and its metrics, under the name that a config gives.
///
/// Everything that lists tasks (config, JSON Schema, `init`, `eval`, `predict`) lists `Task.all`. A task of your own is
/// one value:
///
///     let reviews = Task.classification(
///       "reviews", summary: "Film reviews, one a line", files: [.train: ["train.txt"], .validation: ["dev.txt"]],
///       labels: .classes(["bad", "good"])
///     ) { path, _ in try readReviews(path) }
public struct Task: Sendable {
  /// What the examples are labelled with.
  public enum Labels: Sendable, Equatable {
    /// Nothing: the task trains a language model.
    case none
    /// Always these.
    case fixed(LabelSpace)
    /// What stands in the training file.
    case inTrainingFile
  }

  /// The name in a config.
  public let name: String
  /// What it is, in one sentence.
  public let summary: String
  /// The splits, and the names of their files within `data_dir`, in the order in which they are looked for. No names:
  /// the config must name the file.
  public let files: [Split: [String]]
  /// Whether the data is distributed as a directory under these names, by which `init` recognises it.
  public var comesAsDirectory = false
  /// The options it takes beside files and limits.
  public var options: Set<TaskOption> = []
  /// Those it cannot do without.
  public var requiredOptions: Set<TaskOption> = []
  /// What the examples are labelled with.
  public let labels: Labels
  /// Every metric that an evaluation can report, the main one first, the loss last. Which ones it reports may depend on
  /// the labels.
  public let metrics: [Metric]
  /// How many texts of `max_seq_length` tokens an example may have.
  public var textsPerExample = 1
  /// Whether `eval` generates a text for each example and compares it with its references.
  public var isScoredByTexts = false
  /// Finds the labels and makes what reads the splits.
  public let open: @Sendable (TaskOpening) throws -> TaskReader

  /// A task of its parts; the loss is added to `metrics`.
  public init(
    _ name: String, summary: String, files: [Split: [String]], labels: Labels, metrics: [Metric],
    open: @escaping @Sendable (TaskOpening) throws -> TaskReader
  ) {
    (self.name, self.summary, self.files, self.labels) = (name, summary, files, labels)
    (self.metrics, self.open) = (metrics.endingWithLoss, open)
  }

  /// Every task.
  public static let all = glue + [table, causalLM, e2e, instruct, multipleChoice]

  /// Whether the task trains a language model to predict text.
  public var isLanguageModelling: Bool { labels == .none }

  /// The splits that it can have.
  public var splits: [Split] { Split.allCases.filter { files[$0] != nil } }

  /// Whether its files have names of their own.
  public var hasFileNames: Bool { files.values.contains { !$0.isEmpty } }

  /// The metrics that fit `labels`.
  public func metrics(for labels: LabelSpace) -> [Metric] {
    metrics.filter { $0.needs == .none || $0.needs == (labels == .regression ? .scores : .classes) }
  }

  /// The objective of texts with `labels`.
  public func objective(for labels: LabelSpace) -> any Objective {
    let metrics = metrics(for: labels)
    return labels == .regression
      ? Regression(metrics: metrics) : Classification(classes: labels.outputs, metrics: metrics)
  }
}

extension Sequence<Task> {
  /// The task called `name`. Throws where there is none.
  public func named(_ name: String) throws -> Task {
    guard let task = first(where: { $0.name == name }) else {
      throw TaskError.unknownTask(name, known: map(\.name))
    }
    return task
  }
}

extension Task {
  /// A task that labels texts or pairs of texts. `read` gives the examples of a file, numbered by class as in `labels`.
  public static func classification(
    _ name: String, summary: String, files: [Split: [String]], labels: LabelSpace, metrics: [Metric] = [.accuracy],
    read: @escaping @Sendable (_ path: String, _ split: Split) throws -> [Example]
  ) -> Task {
    let objective =
      labels == .regression
      ? Regression(metrics: metrics) as any Objective : Classification(classes: labels.outputs, metrics: metrics)
    return Task(name, summary: summary, files: files, labels: .fixed(labels), metrics: metrics) { opening in
      let own = labels, labels = try opening.ordered(own)
      return TaskReader(labels: labels, objective: objective) { request in
        let examples = try read(request.path, request.split).prefix(request.limit)
        return SplitData(examples.map { $0.relabelled(own, as: labels) }, file: request.path, labels: labels)
      } predict: { input in
        SplitData(try input.lines(asPairs: false), file: input.name, labels: labels)
      }
    }
  }
}

extension Example {
  /// The same example with the number that its class has in `other`.
  fileprivate func relabelled(_ own: LabelSpace, as other: LabelSpace) -> Example {
    guard own != other, case .classIndex(let index) = label, case .classes(let names) = own,
      case .classes(let others) = other, let number = others.firstIndex(of: names[index])
    else { return self }
    return Example(text: text, pair: pair, label: .classIndex(number), line: line)
  }
}
