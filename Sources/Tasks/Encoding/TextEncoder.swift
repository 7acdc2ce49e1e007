import Checkpoints
import Kernels
import Models
import Tokenizers

/// Turns texts into the token ids that a model reads.
public struct TextEncoder: Sendable {
  /// Text to ids.
  public let tokenizer: Tokenizer
  /// `max_seq_length`.
  public let maxLength: Int
  /// The workers.
  public let pool: WorkerPool
  private let model: ModelConfig
  private let directory: String

  /// An encoder for the model in `directory`.
  public init(_ tokenizer: Tokenizer, maxLength: Int, model: ModelConfig, directory: String, pool: WorkerPool) {
    (self.tokenizer, self.maxLength, self.pool) = (tokenizer, maxLength, pool)
    (self.model, self.directory) = (model, directory)
  }

  /// What stands for a text without a token, where a tokenizer adds none of its own (GPT-2's).
  var emptyText: [Int32] { [Int32(model.eosTokenID ?? model.bosTokenID ?? model.padTokenID ?? 0)] }

  /// The token that ends a text. Throws where the model's config names none.
  public func end() throws -> Int32 {
    guard let end = model.eosTokenID else { throw TaskError.noEndOfText(directory: directory) }
    return Int32(end)
  }

  /// The ids of what comes before an answer; `ends` puts the end-of-text token after it.
  public func prompt(_ text: String, ends: Bool) throws -> [Int32] {
    tokenizer.encode(text).ids + (ends ? [try end()] : [])
  }

  /// The ids that end an answer.
  public func ending(_ ending: PromptedText.Ending) throws -> [Int32] {
    switch ending {
    case .endOfText: [try end()]
    case .text(let text): tokenizer.ids(of: text)
    }
  }
}
