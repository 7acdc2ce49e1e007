import Diagnostics
import StrictJSON
import Tasks
import Tokenizers
import Training

/// What `data` shows, for people and for programs.
struct DataText {
  let inspection: DataInspection
  let tokenizer: Tokenizer
  let colours: Bool

  /// At most so many classes are listed.
  private static let mostClasses = 40

  init(_ inspection: DataInspection, colours: Bool) throws {
    (self.inspection, self.colours) = (inspection, colours)
    tokenizer = try inspection.run.tokenizer()
  }

  private var limit: Int { inspection.run.maxLength }
  private var labels: LabelSpace? { (try? inspection.run.task().labels) ?? nil }

  // MARK: - Numbers

  /// The numbers of all splits.
  var summary: String {
    let config = inspection.run.config
    var entries = [
      ("model", config.model), ("task", "\(config.task.name), at most \(grouped(limit)) tokens (task.max_seq_length)"),
    ]
    for part in inspection.parts { entries.append((part.split.rawValue, part.files.joined(separator: ", "))) }
    if let steps = inspection.totalSteps {
      entries.append(
        (
          "training",
          "\(grouped(steps)) steps of \(grouped(config.training.trainBatchSize * config.training.gradientAccumulationSteps)) examples"
        ))
    }
    return [listing(entries), lengths, classes, scores, leftOut].filter { !$0.isEmpty }.joined(separator: "\n")
  }

  private var lengths: String {
    let parts = inspection.parts.map(\.summary), isLanguage = parts.contains { $0.targets != nil }
    let isPacked = parts.contains { ($0.packedRows ?? 0) > 0 }
    let titles =
      ["tokens of", "examples", "min", "median", "mean", "90 %", "99 %", "max", "with \(limit)"]
      + (isLanguage ? ["to predict"] : ["cut", "max uncut"]) + (isPacked ? ["documents", "packed rows"] : [])
    let rows = inspection.parts.map { part in
      let summary = part.summary, lengths = summary.lengths
      let mean = Double(lengths.total) / Double(max(1, summary.examples))
      let numbers = [lengths.median].map(grouped) + [fixed(mean, 1)]
      let targets = summary.targets ?? 0, share = 100 * Double(targets) / Double(max(1, lengths.total))
      return [part.split.rawValue, grouped(summary.examples), grouped(lengths.least)] + numbers
        + [lengths.nineTenths, lengths.most, lengths.greatest, summary.atLimit].map(grouped)
        + (isLanguage
          ? ["\(grouped(targets)) of \(grouped(lengths.total)) (\(fixed(share, 1)) %)"]
          : [summary.cut, summary.longestUncut].map(grouped))
        + (isPacked ? [summary.documents ?? 0, summary.packedRows ?? 0].map(grouped) : [])
    }
    return TextTable([titles] + rows, .left, .right).plain
  }

  private var classes: String {
    let parts = inspection.parts.compactMap { part in
      if case .classes(let counts, let unlabelled) = part.summary.labels {
        (split: part.split.rawValue, counts: counts, unlabelled: unlabelled, examples: part.summary.examples)
      } else {
        nil
      }
    }
    guard let most = parts.max(by: { $0.counts.count < $1.counts.count })?.counts else { return "" }
    func cells(_ count: Int, of all: Int) -> [String] {
      [grouped(count), fixed(100 * Double(count) / Double(max(1, all)), 1)]
    }
    var rows = [["label"] + parts.flatMap { [$0.split, "%"] }]
    for (index, name) in most.map(\.name).enumerated().prefix(Self.mostClasses) {
      rows.append(
        [shown(name)] + parts.flatMap { cells(index < $0.counts.count ? $0.counts[index].count : 0, of: $0.examples) })
    }
    if parts.contains(where: { $0.unlabelled > 0 }) {
      rows.append(["none"] + parts.flatMap { cells($0.unlabelled, of: $0.examples) })
    }
    let more = most.count - Self.mostClasses
    return TextTable(rows, .left, .right).plain + (more > 0 ? "and \(grouped(more)) labels more: --json has all\n" : "")
  }

  private var scores: String {
    inspection.parts.compactMap { part in
      guard case .scores(let least, let mean, let greatest, let unlabelled) = part.summary.labels else { return nil }
      return
        "labels of \(part.split.rawValue): numbers from \(least) to \(greatest), \(significant(mean, 6)) on average"
        + (unlabelled > 0 ? "; \(grouped(unlabelled)) examples without" : "") + "\n"
    }.joined()
  }

  private var leftOut: String {
    inspection.parts.flatMap { part in part.data.leftOut.map { "\(part.split.rawValue): \($0)\n" } }.joined()
  }

  // MARK: - Examples

  /// An example with its tokens.
  func example(_ index: Int, of part: DataInspection.Part) -> String {
    let item = part.data.items[index], targets = item.targetRanges.reduce(0) { $0 + $1.count }
    var facts = [counted(item.ids.count, "token")]
    if part.summary.targets != nil { facts.append("\(grouped(targets)) to predict") }
    if item.cutTokens > 0 { facts.append("\(grouped(item.cutTokens)) more were cut") }
    if let label = item.labelName(labels) { facts.append("label \(shown(label))") }
    return "\nexample \(index) of \(part.split.rawValue): \(facts.joined(separator: ", "))\n"
      + TokenText(tokenizer: tokenizer, colours: colours).text(item)
  }

  /// A label on one line.
  private func shown(_ label: String) -> String { TokenText.visible(label.clipped).replacing("\n", with: "") }

  private func counted(_ count: Int, _ name: String) -> String {
    count == 1 ? "1 \(name)" : "\(grouped(count)) \(name)s"
  }
}

// MARK: - JSON

extension DataText {
  /// The numbers of all splits, on one line.
  var json: String {
    let config = inspection.run.config
    return line([
      "model": .string(config.model), "task": .string(config.task.name), "max_seq_length": .integer(limit),
      "steps": inspection.totalSteps.map { .integer($0) } ?? .null,
      "labels": labels.map { .strings($0.names) } ?? .null,
      "splits": .list(inspection.parts.map(json)), "notices": .strings(inspection.notices),
    ])
  }

  private func json(_ part: DataInspection.Part) -> JSONValue {
    let summary = part.summary, lengths = summary.lengths
    func number(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
    var labels = JSONValue.null, scores = JSONValue.null, unlabelled = JSONValue.null
    switch summary.labels {
    case .classes(let counts, let without):
      labels = .list(counts.map { ["label": .string($0.name), "count": .integer($0.count)] })
      unlabelled = .integer(without)
    case .scores(let least, let mean, let greatest, let without):
      scores = ["min": .float(least), "mean": .number(mean), "max": .float(greatest)]
      unlabelled = .integer(without)
    case nil: break
    }
    return [
      "split": .string(part.split.rawValue), "files": .strings(part.files), "examples": .integer(summary.examples),
      "tokens": [
        "total": .integer(lengths.total), "min": .integer(lengths.least), "median": .integer(lengths.median),
        "mean": .number(Double(lengths.total) / Double(max(1, summary.examples))),
        "p90": .integer(lengths.nineTenths), "p99": .integer(lengths.most), "max": .integer(lengths.greatest),
      ],
      "at_max_seq_length": .integer(summary.atLimit), "cut": .integer(summary.cut),
      "max_uncut": .integer(summary.longestUncut), "targets": number(summary.targets),
      "documents": number(summary.documents), "packed_rows": number(summary.packedRows), "label_counts": labels,
      "scores": scores, "unlabelled": unlabelled, "left_out": .strings(part.data.leftOut),
    ]
  }

  /// An example, on one line.
  func json(_ index: Int, of part: DataInspection.Part) -> String {
    let item = part.data.items[index]
    var label = JSONValue.null, number = JSONValue.null
    switch item.label {
    case .classIndex(let index):
      (label, number) = (item.labelName(labels).map { .string($0) } ?? .null, .integer(index))
    case .classSet(let set):
      let names = labels?.names ?? []
      label = .strings(set.map { $0 < names.count ? names[$0] : String($0) })
      number = .list(set.map { .integer($0) })
    case .score(let score): label = .float(score)
    case nil: break
    }
    return line([
      "split": .string(part.split.rawValue), "index": .integer(index), "label": label, "label_index": number,
      "ids": .list(item.ids.map { .integer(Int($0)) }), "type_ids": .list(item.typeIDs.map { .integer(Int($0)) }),
      "tokens": .strings(item.ids.map { tokenizer.token($0) ?? "" }), "texts": .strings(tokenizer.texts(of: item.ids)),
      "targets": .list(item.targetRanges.map { [.integer($0.lowerBound), .integer($0.upperBound)] }),
      "documents": .list(item.documents.map { .integer($0.length) }), "cut_tokens": .integer(item.cutTokens),
    ])
  }

  private func line(_ value: JSONValue) -> String { JSONWriter.text(value, pretty: false) + "\n" }
}
