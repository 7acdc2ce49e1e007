import Diagnostics
import Foundation
import StrictJSON

/// Which files of a model are needed: its config; also its tokenizer; also its weights.
package enum ModelFiles: Sendable {
  case config, tokenizer, all

  private static let tokenizerFiles =
    [
      "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
      "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json",
    ] + sentencePieceFiles
  private static let sentencePieceFiles = [
    "tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "spm.model",
  ]
  static let single = "model.safetensors"
  static let index = "model.safetensors.index.json"

  /// The files to download first, among those of the repository. The index then names the shards.
  func wanted(among files: [String]) -> [String] {
    let present = Set(files)
    var wanted = ["config.json"]
    if self != .config { wanted += Self.tokenizerFiles }
    if self == .all { wanted += present.contains(Self.single) ? [Self.single] : [Self.index] }
    return wanted.filter(present.contains)
  }

  /// The shards that an index names.
  static func shards(index: String) throws -> [String] {
    do {
      let bytes = try InputFile.read(index, limit: InputFile.textLimit)
      let map = try JSONField(parsing: bytes, file: index).member("weight_map")
      return Set(try map.members().map { try $0.field.string() }).sorted()
    } catch let failure as InputFile.Failure {
      throw HubError.cache(path: index, reason: failure.description)
    }
  }

  /// Throws if the repository's `files` lack something that is needed.
  func requireUsable(_ files: [String], model: String) throws {
    let present = Set(files)
    guard present.contains("config.json") else { throw HubError.noFile(model: model, file: "config.json") }
    if self != .config, !Self.hasTokenizer(present.contains) { throw HubError.noTokenizer(model: model) }
    guard self == .all, !present.contains(Self.single), !present.contains(Self.index) else { return }
    let other = files.first { $0.hasSuffix(".bin") || $0.hasSuffix(".h5") || $0.hasSuffix(".msgpack") }
    throw HubError.noSafetensors(model: model, found: other)
  }

  /// A needed file that the directory lacks, or nil.
  func missing(in directory: String) -> String? {
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(directory)/\(name)") }
    if !has("config.json") { return "config.json" }
    if self != .config, !Self.hasTokenizer(has) { return "tokenizer.json" }
    guard self == .all, !has(Self.single) else { return nil }
    guard has(Self.index) else { return Self.single }
    guard let shards = try? Self.shards(index: "\(directory)/\(Self.index)"), !shards.isEmpty else { return Self.index }
    return shards.first { !has($0) }
  }

  private static func hasTokenizer(_ has: (String) -> Bool) -> Bool {
    has("tokenizer.json") || has("vocab.txt") || has("vocab.json") && has("merges.txt")
      || sentencePieceFiles.contains(where: has)
  }
}
