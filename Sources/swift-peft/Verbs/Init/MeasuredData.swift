import Configuration
import Kernels
import Metrics
import Models
import Tasks
import Training

/// The examples of a data set, counted and tokenized as training will read them.
struct MeasuredData {
  /// What the examples are labelled with; nil for a language model.
  let labels: LabelSpace?
  /// Training examples; nil where only the first were counted. For texts in blocks those of `maxLength` tokens.
  let count: Int?
  /// Tokens of the first examples, uncut, sorted; none where texts are cut into blocks.
  let lengths: [Int]
  /// `max_seq_length`.
  let maxLength: Int
  /// What the data's reader left out.
  let leftOut: [String]

  /// This many examples tell how long texts are.
  private static let sampleSize = 2000
  /// No longer example is looked at.
  private static let longest = 1 << 16
  /// Language models are not given more unasked.
  private static let mostOfLanguage = 1024

  /// Reads what `look` describes for a run of `model`, all of whose rules hold. Throws what the run would.
  init(_ look: DataLook, name: String, modelPath: String, model: ModelConfig, strategy: String) throws {
    let task = look.task, limit = min(Self.longest, model.maximumSequenceLength / task.textsPerExample)
    let draft = InitialConfig(
      name: name, modelPath: modelPath, model: model, look: look, strategy: strategy, maxLength: limit)
    var config = try RunConfig.load(text: draft.text, file: "the config", name: name)
    let all = config
    if task.name != Task.causalLM.name { config.task.maxTrainSamples = Self.sampleSize }
    config.task.maxEvalSamples = Self.sampleSize
    let inspection = try DataInspection(config, threads: ProcessorCount.available)
    let part = inspection.parts[0], items = part.data.items
    labels = try inspection.run.task().labels
    leftOut = inspection.parts.flatMap(\.data.leftOut)
    if task.name == Task.causalLM.name {
      let tokens = part.summary.lengths.total
      // Small texts make more steps in shorter blocks.
      let fitting = [Self.mostOfLanguage, 512, 256, 128].filter { $0 <= limit }
      maxLength = fitting.first { tokens / $0 >= 100 } ?? min(limit, 128)
      (count, lengths) = ((tokens + maxLength - 1) / maxLength, [])
      return
    }
    lengths = items.map { $0.ids.count + $0.cutTokens }.sorted()
    // Rows of tables; conversations and tagged sentences are none.
    let rows =
      task.isLanguageModelling ? 0 : try PreparedRun(all, inputs: .text).task().load(.train).examples.count
    count = rows > 0 ? rows : items.count < Self.sampleSize ? items.count : nil
    // What at most 1 of 100 examples exceeds, in steps of 16; language tasks leave out what does not fit.
    let long = lengths.dropLast(task.isLanguageModelling ? 0 : lengths.count / 100).last ?? 128
    let most = task.isLanguageModelling ? min(limit, Self.mostOfLanguage) : limit
    maxLength = min(most, (long + 15) / 16 * 16)
  }
}
