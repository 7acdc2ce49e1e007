import Diagnostics

/// A model that the Hub does not give.
public enum HubError: UserFacingError, Equatable {
  /// 401: not there, or not for everybody.
  case unauthorized(model: String, endpoint: String, hasToken: Bool)
  /// 403: a gated model, or a token without the right to it.
  case forbidden(model: String, endpoint: String, hasToken: Bool, reason: String?)
  case noModel(model: String, endpoint: String)
  case noRevision(model: String, revision: String, endpoint: String)
  case noFile(model: String, file: String)
  /// `HF_HUB_OFFLINE`, and the cache lacks something.
  case offline(model: String, cache: String, missing: String?)
  /// Nothing has been downloaded yet.
  case notCached(model: String, cache: String, missing: String?)
  /// No answer, after all retries.
  case unreachable(url: String, reason: String)
  /// An answer that is no file, after all retries.
  case status(url: String, status: Int)
  /// Something else than a Hub answers.
  case notAHub(url: String, reason: String)
  case wrongChecksum(file: String, found: String, expected: String)
  case wrongSize(file: String, found: Int, expected: Int)
  /// Only weights that need Python's pickle.
  case noSafetensors(model: String, found: String?)
  case noTokenizer(model: String)
  /// A file of the cache that cannot be written.
  case cache(path: String, reason: String)

  /// What is wrong, and what would be right.
  public var description: String {
    switch self {
    case .unauthorized(let model, let endpoint, let hasToken):
      hasToken
        ? "\(model): \(endpoint) answers 401: the token (HF_TOKEN or \"hf auth login\") is not valid"
        : "\(model): \(endpoint) answers 401: there is no such model, or it is private; for a private one set HF_TOKEN"
    case .forbidden(let model, let endpoint, let hasToken, let reason):
      "\(model): \(endpoint) answers 403: "
        + (reason.map { "\($0); " } ?? "")
        + (hasToken
          ? "ask for access on \(endpoint)/\(Self.bare(model)), or use a token that has it"
          : "ask for access on \(endpoint)/\(Self.bare(model)) and set HF_TOKEN")
    case .noModel(let model, let endpoint): "\(model): \(endpoint) has no such model (404)"
    case .noRevision(let model, let revision, let endpoint):
      "\(model): \(endpoint) has no revision \(revision) of it (404)"
    case .noFile(let model, let file): "\(model): the Hub has no \(file) of it (404)"
    case .offline(let model, let cache, let missing):
      "\(model): HF_HUB_OFFLINE is set, and \(Self.lack(cache, missing))"
    case .notCached(let model, let cache, let missing):
      "\(model): is no directory, and \(Self.lack(cache, missing)); \"swift-peft download \(model)\" gets it"
    case .unreachable(let url, let reason): "\(url): no answer: \(reason)"
    case .status(let url, let status): "\(url): the server answers \(status)"
    case .notAHub(let url, let reason): "\(url): is no Hugging Face Hub: \(reason)"
    case .wrongChecksum(let file, let found, let expected):
      "\(file): the download is damaged: SHA-256 \(found), expected \(expected); it was deleted, try again"
    case .wrongSize(let file, let found, let expected):
      "\(file): the download is damaged: \(found) bytes, expected \(expected); it was deleted, try again"
    case .noSafetensors(let model, let found):
      "\(model): has no model.safetensors" + (found.map { ", only \($0), which cannot be read" } ?? "")
    case .noTokenizer(let model): "\(model): has no tokenizer.json, vocab.txt, or vocab.json with merges.txt"
    case .cache(let path, let reason): "\(path): \(reason)"
    }
  }

  /// 66 for what is not there, 65 for what is not usable, 73 and 74 for the cache and the network.
  public var exitStatus: ExitStatus {
    switch self {
    case .unauthorized, .forbidden, .noModel, .noRevision, .noFile, .offline, .notCached: .missingInput
    case .noSafetensors, .noTokenizer: .badInput
    case .unreachable, .status, .notAHub, .wrongChecksum, .wrongSize: .ioError
    case .cache: .cannotCreate
    }
  }

  private static func lack(_ cache: String, _ missing: String?) -> String {
    missing.map { "the cache \(cache) has no \($0) of it" } ?? "it is not in the cache \(cache)"
  }

  private static func bare(_ model: String) -> String { String(model.prefix { $0 != "@" }) }
}
