import Algorithms
import Foundation
import Metrics
import Tasks

extension GenerationOptions {
  /// The published settings of GPT-2 on E2E (LoRA, arXiv 2106.09685): 10 beams, length penalty 0.8, no four tokens twice,
  /// at most 64 of them.
  public static var e2e: GenerationOptions {
    var options = GenerationOptions()
    (options.beams, options.lengthPenalty, options.noRepeatNGramSize, options.maxNewTokens) = (10, 0.8, 4, 64)
    return options
  }
}

extension ScoringRun {
  /// The meaning representations of a split, ready to be continued.
  public struct Meanings {
    /// What people wrote about them.
    public let references: PromptedDataset
    fileprivate let prompts: [[Int32]]
    fileprivate let writer: GenerationRun
  }

  /// Reads the meaning representations of an `e2e` split. Throws if there are none, or if one leaves no room for a text.
  public func meanings(_ split: Split) throws -> Meanings {
    guard let references = try task.references(split) else { throw RunError.noMeanings(task: task.name) }
    let encoder = try run.encoder(), writer = try GenerationRun(self)
    let prompts = try references.examples.map { example in
      let ids = try encoder.prompt(example.prompt, ends: example.endsPrompt), limit = writer.generator.longestText
      try run.model.check(ids: ids, path: run.modelDirectory)
      guard ids.count < limit else {
        let problem = RunError.promptTooLong(tokens: ids.count, limit: limit).description
        throw TaskError.badRecord(file: example.file, line: example.line, problem: problem)
      }
      return ids
    }
    return Meanings(references: references, prompts: prompts, writer: writer)
  }

  /// What the model writes for each. `progress` gets how many are done, of how many.
  public func texts(
    _ meanings: Meanings, _ split: Split, _ options: GenerationOptions, progress: (Int, Int) -> Void = { _, _ in }
  ) -> GeneratedTexts {
    let writer = meanings.writer
    var texts: [String] = []
    for portion in meanings.prompts.chunks(ofCount: writer.portion(4)) {
      texts += writer.continuations(of: portion, options).map {
        writer.tokenizer.decode($0.tokens).trimmingCharacters(in: .whitespacesAndNewlines)
      }
      progress(texts.count, meanings.prompts.count)
    }
    return GeneratedTexts(texts: texts, file: split.rawValue)
  }
}

/// Generated texts against what people wrote: the scores of the E2E challenge.
public struct TextScores: Sendable {
  /// `bleu`, `nist`, `rouge_l`, `cider` and, if available, `meteor`.
  public let metrics: [MetricValue]
  /// Why METEOR is not among them.
  public let notices: [String]

  /// Scores `texts`, one for each of `references`.
  public init(_ texts: GeneratedTexts, _ references: PromptedDataset) throws {
    try texts.requireFit(references)
    let examples = zip(texts.texts, references.examples).map {
      GenerationExample(candidate: $0, references: $1.references)
    }
    let scores = GenerationScores(examples).named.map { MetricValue(name: $0.name, value: $0.value) }
    do {
      let meteor = try Meteor().score(examples)
      (metrics, notices) = (scores + [MetricValue(name: "meteor", value: meteor)], [])
    } catch {
      (metrics, notices) = (scores, ["METEOR is left out: \(error)"])
    }
  }
}

extension EvaluationReport {
  /// The same with `more` scores behind its own.
  public func adding(_ more: [MetricValue]) -> EvaluationReport {
    EvaluationReport(
      step: step, epoch: epoch, split: split, metrics: metrics + more, examples: examples, logits: logits)
  }
}
