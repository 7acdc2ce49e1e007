import Foundation

extension Sandbox {
  /// A sandbox with a copy of a tiny model in `model`, data in `data`, and `config.json` that trains on it.
  static func trainable(_ model: String = "bert-tiny") throws -> Sandbox {
    let sandbox = try Sandbox()
    for file in try FileManager.default.contentsOfDirectory(atPath: golden(model))
    where ["config.json", "vocab.txt", "vocab.json", "merges.txt", "model.safetensors"].contains(file)
      || file.hasPrefix("tokenizer")
    {
      try sandbox.write("model/\(file)", Data(contentsOf: URL(fileURLWithPath: golden(model) + "/" + file)))
    }
    try sandbox.write("data/train.tsv", table(rows: 60, from: 1))
    try sandbox.write("data/dev.tsv", table(rows: 30, from: 1000))
    try sandbox.write("config.json", config)
    return sandbox
  }

  static func golden(_ name: String) -> String { "\(Repository.path)/Tests/TrainingTests/Golden/\(name)" }

  /// Trains for 16 steps.
  static let config = """
    // A comment, as configs may have.
    {
      "name": "tiny",
      "model": "model",
      "task": { "name": "sst2", "data_dir": "data", "max_seq_length": 32 },
      "adapter": { "strategy": "share-a", "r": 2 },
      "training": { "num_train_epochs": 2, "train_batch_size": 8, "learning_rate": 1e-2, "logging_steps": 5 },
      "output_dir": "run",
      "database": "runs.sqlite",
    }
    """

  /// Sentences of the tiny vocabulary that are good or bad, in SST-2's layout.
  static func table(rows: Int, from start: Int) -> String {
    let words = ["the", "movie", "is", "good", "and", "film", "bad", "very", "great", "story", "not", "time"]
    return "sentence\tlabel\n"
      + (start..<(start + rows)).map { row in
        let length = 2 + row * 7 % 11
        let text = (0..<length).map { words[(row * 31 + $0 * ($0 + row)) % words.count] }
        return text.joined(separator: " ") + "\t\(text.contains("good") || text.contains("great") ? 1 : 0)\n"
      }.joined()
  }

  /// A model directory that holds the sizes of the model that the config `name` is for, and nothing else.
  func writeModelOfConfig(_ name: String, _ directory: String) throws {
    let decoders = [
      "gpt2-medium": #"{"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16}"#,
      "llama-7b": #"{"model_type": "llama"}"#,
      "llama-2-7b": #"{"model_type": "llama", "max_position_embeddings": 4096}"#,
      "llama-3-8b": """
      {"model_type": "llama", "intermediate_size": 14336, "num_key_value_heads": 8, "vocab_size": 128256,
       "max_position_embeddings": 8192, "rope_theta": 500000.0, "bos_token_id": 128000, "eos_token_id": 128001}
      """,
      "smollm2-135m": """
      {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
       "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192,
       "tie_word_embeddings": true}
      """,
    ]
    // "Qwen/Qwen2.5-0.5B" is the model of "qwen2.5-0.5b-alpaca-share-a.json".
    let hub = FamilySizeTests.models.first { model in
      name.hasPrefix(model.name.split(separator: "/").last.map { "\($0.lowercased())-" } ?? "/")
    }
    guard let config = decoders.first(where: { name.hasPrefix($0.key + "-") })?.value ?? hub?.config else {
      return try writeRobertaBase(directory)
    }
    try write("\(directory)/config.json", config)
  }

  /// A model directory that holds RoBERTa-base's sizes and nothing else.
  func writeRobertaBase(_ directory: String) throws {
    try write(
      "\(directory)/config.json",
      """
      {
        "model_type": "roberta", "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514, "type_vocab_size": 1,
        "hidden_act": "gelu", "layer_norm_eps": 1e-05, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2
      }
      """)
  }

  /// Replaces `old` in the file `name`.
  func edit(_ name: String, _ old: String, _ new: String) throws {
    try write(name, text(name).replacingOccurrences(of: old, with: new))
  }
}
