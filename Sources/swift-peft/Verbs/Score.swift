import ArgumentParser
import Diagnostics
import StrictJSON
import Tasks
import Training

/// `swift-peft score TEXTS REFERENCES`.
struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score generated texts against references as in the E2E challenge.",
    discussion: """
      EXAMPLE: swift-peft score texts.txt devset.csv

      TEXTS has one text per line, or is a file written by eval --predictions. REFERENCES is a CSV with the columns mr and \
      ref. There must be one text for each distinct mr, in order of first appearance. Prints BLEU, NIST, ROUGE-L and \
      CIDEr, and also METEOR if METEOR_JAR names meteor-1.5.jar (included in PyPI's pycocoevalcap) and Java is on the PATH.
      """)

  @Argument(help: "The generated texts.")
  var texts: String

  @Argument(help: "The E2E file with the references.")
  var references: String

  @OptionGroup var report: ReportOptions

  func run() throws {
    let texts = try GeneratedTexts(path: texts)
    let references = try PromptedDataset(e2e: [references], groups: true)
    let progress = Progress(isQuiet: report.quiet)
    references.skipped.forEach { progress.notice($0.description) }
    let scores = try TextScores(texts, references)
    scores.notices.forEach(progress.notice)
    let count = references.examples.count
    try Console.print(
      report.json
        ? JSONWriter.text(
          .members(scores.metrics.map { ($0.name, .number($0.value)) } + [("examples", .integer(count))]),
          pretty: false)
        : TextTable(
          [scores.metrics.map(\.name) + ["examples"], scores.metrics.map { fixed($0.value, 6) } + [grouped(count)]],
          .left, .right
        ).plain)
  }
}
