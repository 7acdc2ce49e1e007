import ArgumentParser
import StrictJSON
import Tasks
import Training

/// `swift-peft score TEXTS REFERENCES`.
struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score generated texts against references, as the E2E challenge does.",
    discussion: """
      EXAMPLE: swift-peft score texts.txt devset.csv

      TEXTS has one text a line, or is what eval --predictions wrote: one for each meaning representation of REFERENCES, a \
      CSV with the columns mr and ref, in the order of their first rows. Prints BLEU, NIST, ROUGE-L and CIDEr, and METEOR \
      where METEOR_JAR names meteor-1.5.jar (PyPI's pycocoevalcap holds one) and Java is on the PATH.
      """)

  @Argument(help: "The texts.")
  var texts: String

  @Argument(help: "The E2E file that they were written for.")
  var references: String

  @OptionGroup var report: ReportOptions

  func run() throws {
    let texts = try GeneratedTexts(path: texts)
    let references = try PromptedDataset(e2e: references, groups: true)
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
        : columns([
          scores.metrics.map(\.name) + ["examples"], scores.metrics.map { fixed($0.value, 6) } + [grouped(count)],
        ]))
  }
}
