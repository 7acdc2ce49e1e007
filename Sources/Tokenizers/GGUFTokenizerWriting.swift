import Checkpoints
import Diagnostics

extension Tokenizer {
  /// The metadata of a GGUF file that say what this tokenizer is, with `count` tokens. Throws `TokenizerError` where llama.cpp
  /// has no such tokenizer; `file` names it.
  public func ggufMetadata(count: Int, file: String) throws -> [(key: String, value: GGUFWriter.Value)] {
    guard let model = parts.model as? BytePairEncoding else {
      throw TokenizerError.malformed(
        FilePlace(file: file, line: 1), problem: "llama.cpp has no place for a vocabulary without merges")
    }
    var values: [(key: String, value: GGUFWriter.Value)] = []
    func add(_ key: String, _ value: GGUFWriter.Value) { values.append(("tokenizer.ggml.\(key)", value)) }
    if model.fallsBackToBytes {
      add("model", .string(GGUFTokenizerKind.pieces.rawValue))
      add("add_space_prefix", .bool(ids(of: "a").first.flatMap(token)?.hasPrefix("▁") ?? false))
    } else {
      guard let name = parts.preTokenizer.flatMap(WordRule.name(of:)) else {
        throw TokenizerError.unsupported(
          FilePlace(file: file, line: 1, field: "pre_tokenizer"), value: "this way of splitting texts into words",
          supported: WordRule.all.flatMap(\.names))
      }
      add("model", .string(GGUFTokenizerKind.bytePairs.rawValue))
      add("pre", .string(name))
    }
    let tokens = (0..<count).map { token(Int32(clamping: $0)) ?? "[PAD\($0)]" }
    add("tokens", .strings(tokens))
    add("token_type", .int32s((0..<count).map { kind(Int32(clamping: $0), model) }))
    let merges = model.mergeList
    if model.fallsBackToBytes {
      add("scores", .floats(scores(count, merges)))
    } else {
      add("merges", .strings(merges.map { "\(token($0.left) ?? "") \(token($0.right) ?? "")" }))
    }
    let ends = parts.postProcessor.process([-1], nil).ids
    add("add_bos_token", .bool(ends.first != -1))
    add("add_eos_token", .bool(ends.last != -1))
    for (role, name) in [
      ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"),
    ] {
      let named = parts.named.first { $0.name == role }.flatMap { id(of: $0.text) }
      // What stands before a text is the begin token, and what ends it the end token, whatever they are called.
      let framing = role == "bos_token" ? ends.first : role == "eos_token" ? ends.last : nil
      guard let id = named ?? framing, id >= 0 else { continue }
      add("\(name)_token_id", .uint32(UInt32(clamping: Int(id))))
    }
    return values
  }

  /// The type of a token by its number in SentencePiece.
  private func kind(_ id: Int32, _ model: BytePairEncoding) -> Int32 {
    guard let text = token(id) else { return 5 }
    if model.fallsBackToBytes, byteValue(ofToken: text) != nil { return 6 }
    if model.fallsBackToBytes, parts.named.contains(where: { $0.name == "unk_token" && $0.text == text }) { return 2 }
    guard isAdded(id) else { return 1 }
    return isSpecial(id) ? 3 : 4
  }

  /// The score of every token: the earlier it is merged, the higher. Tokens that nothing is merged to come last.
  private func scores(_ count: Int, _ merges: [(left: Int32, right: Int32, result: Int32)]) -> [Float] {
    var scores = [Float](repeating: -Float(count), count: count), next = 0
    var isScored = [Bool](repeating: false, count: count)
    for merge in merges where Int(merge.result) < count && !isScored[Int(merge.result)] {
      (scores[Int(merge.result)], isScored[Int(merge.result)]) = (-Float(next), true)
      next += 1
    }
    return scores
  }
}
