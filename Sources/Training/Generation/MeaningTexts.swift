import Foundation
import Metrics
import Tasks
import TextMetrics

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
  /// What the model writes for each meaning representation of an `e2e` split, and their references. `progress` gets how
  /// many are done, of how many.
  public func texts(
    _ split: Split, _ options: GenerationOptions, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> (texts: GeneratedTexts, references: PromptedDataset) {
    guard case .language(let task) = run.task, task.source.task == .e2e else {
      throw RunError.noMeanings(task: run.task.name)
    }
    let references = try task.meanings(split), examples = references.examples
    let tokens = try run.languageTokens()
    let writer = try GenerationRun(self)
    let prompts = try examples.map { example in
      let ids = tokens.prompt(example.prompt, ends: example.endsPrompt), limit = writer.generator.longestText
      try run.plan.model.check(ids: ids, path: run.plan.modelDirectory)
      guard ids.count < limit else {
        let problem = RunError.promptTooLong(tokens: ids.count, limit: limit).description
        throw TaskError.badRecord(file: references.file, line: example.line, problem: problem)
      }
      return ids
    }
    var texts: [String] = []
    let size = 4 * run.pool.threads
    for start in stride(from: 0, to: prompts.count, by: size) {
      let batch = Array(prompts[start..<min(start + size, prompts.count)])
      texts += writer.generator.continuations(of: batch, first: start, options).map {
        tokens.tokenizer.decode($0.tokens).trimmingCharacters(in: .whitespacesAndNewlines)
      }
      progress(texts.count, prompts.count)
    }
    return (GeneratedTexts(texts: texts, file: split.rawValue), references)
  }
}

extension LanguageTaskData {
  /// The first `max_eval_samples` meaning representations of an `e2e` split, with all their references.
  fileprivate func meanings(_ split: Split) throws -> PromptedDataset {
    let all = try PromptedDataset(e2e: source.path(split), groups: true)
    let limit = (split == .train ? config.maxTrainSamples : config.maxEvalSamples) ?? .max
    return PromptedDataset(examples: Array(all.examples.prefix(limit)), file: all.file, skipped: all.skipped)
  }
}

/// Generated texts against what people wrote: the scores of the E2E challenge.
public struct TextScores: Sendable {
  /// `bleu`, `nist`, `rouge_l`, `cider`, and `meteor` where that can be had.
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
