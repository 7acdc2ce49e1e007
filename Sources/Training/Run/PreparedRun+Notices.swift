import Adapters
import Configuration
import Models
import Tasks
import Tokenizers

extension PreparedRun {
  /// Notes for the user about what has been read of the model and its tokenizer.
  public var notices: [String] {
    ((try? network().notices) ?? []) + methodNotices + rotaryNotices + wordNotices + magnitudeNotices
      + ((try? tokenizer().notes) ?? [])
  }

  /// A note where PEFT computes something else.
  private var magnitudeNotices: [String] {
    guard config.adapter.useDoRA == true, config.adapter.loraDropout > 0 else { return [] }
    return [
      "adapter.use_dora with lora_dropout: dropout acts on the inputs of A, as without use_dora; PEFT also drops inputs of "
        + "the frozen weight, in the part of its product by which the magnitudes differ from its norms"
    ]
  }

  /// Notes where the config gives what the method has no use for.
  private var methodNotices: [String] {
    var notices: [String] = []
    if case .fixed(let scale) = method.design.scale, config.adapter.loraAlpha != AdapterConfig().loraAlpha {
      notices.append("adapter.lora_alpha has no effect: \(method.name) scales by \(scale == 1 ? "1" : "\(scale)")")
    }
    if method.procedure?.mergesLayers != true, config.adapter.aslora != ASLoRAOptions() {
      notices.append("adapter.aslora has no effect: strategy \(method.name) merges nothing")
    }
    return notices
  }

  /// A note where words look to the model as if nothing stood before them.
  private var wordNotices: [String] {
    guard taskKind.headKind == .tokens, let tokenizer = try? tokenizer(), !tokenizer.encodesWordsAsInText else {
      return []
    }
    return [
      "words are tokenized one by one without the space before them, as transformers does with this model's tokenizer"
    ]
  }

  /// A note where a batch of the run could go another way than transformers', which pads.
  private var rotaryNotices: [String] {
    guard let length = model.design.usualRotaryLength, length < maxLength else { return [] }
    return [
      "sequences of more than \(length) tokens have rotary frequencies of their own here; in transformers the longest "
        + "of a batch decides for all of it"
    ]
  }
}
