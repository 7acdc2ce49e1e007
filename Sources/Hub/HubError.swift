import Diagnostics

/// Why a model cannot be downloaded.
public enum HubError: UserFacingError, Equatable {
  /// 401: the model does not exist or is private.
  case unauthorized(model: String, endpoint: String, hasToken: Bool)
  /// 403: the model is gated, or the token has no access.
  case forbidden(model: String, endpoint: String, hasToken: Bool, reason: String?)
  case noModel(model: String, endpoint: String)
  case noRevision(model: String, revision: String, endpoint: String)
  case noFile(model: String, file: String)
  /// `HF_HUB_OFFLINE` is set and the cache lacks something.
  case offline(model: String, cache: String, missing: String?)
  /// The model has not been downloaded.
  case notCached(model: String, cache: String, missing: String?)
  /// No answer after all retries.
  case unreachable(url: String, reason: String)
  /// An unexpected status after all retries.
  case status(url: String, status: Int)
  /// The server is not a Hub.
  case notAHub(url: String, reason: String)
  case wrongChecksum(file: String, found: String, expected: String)
  case wrongSize(file: String, found: Int, expected: Int)
  /// No safetensors weights.
  case noSafetensors(model: String, found: String?)
  case noTokenizer(model: String)
  /// A file of the cache cannot be read or written.
  case cache(path: String, reason: String)

  /// What is wrong, and what would be right.
  public var description: String {
    switch self {
    case .unauthorized(let model, let endpoint, let hasToken):
      hasToken
        ? "\(model): \(endpoint) answers 401: invalid token (HF_TOKEN or \"hf auth login\")"
        : "\(model): \(endpoint) answers 401: no such model, or it is private (then set HF_TOKEN)"
    case .forbidden(let model, let endpoint, let hasToken, let reason):
      "\(model): \(endpoint) answers 403: "
        + (reason.map { "\($0); " } ?? "")
        + (hasToken
          ? "request access on \(endpoint)/\(Self.bare(model)), or use a token that has access"
          : "request access on \(endpoint)/\(Self.bare(model)) and set HF_TOKEN")
    case .noModel(let model, let endpoint): "\(model): \(endpoint) has no such model (404)"
    case .noRevision(let model, let revision, let endpoint):
      "\(model): no revision \(revision) on \(endpoint) (404)"
    case .noFile(let model, let file): "\(model): no \(file) on the Hub (404)"
    case .offline(let model, let cache, let missing):
      "\(model): HF_HUB_OFFLINE is set, and \(Self.lack(cache, missing))"
    case .notCached(let model, let cache, let missing):
      "\(model): no such directory, and \(Self.lack(cache, missing)); run \"swift-peft download \(model)\" first"
    case .unreachable(let url, let reason): "\(url): no answer: \(reason)"
    case .status(let url, let status): "\(url): the server answers \(status)"
    case .notAHub(let url, let reason): "\(url): not a Hugging Face Hub: \(reason)"
    case .wrongChecksum(let file, let found, let expected):
      "\(file): the download is damaged: SHA-256 \(found), expected \(expected); it has been deleted, try again"
    case .wrongSize(let file, let found, let expected):
      "\(file): the download is damaged: \(found) bytes, expected \(expected); it has been deleted, try again"
    case .noSafetensors(let model, let found):
      "\(model): no model.safetensors" + (found.map { ", only \($0), which is not supported" } ?? "")
    case .noTokenizer(let model): "\(model): no tokenizer.json, vocab.txt, or vocab.json with merges.txt"
    case .cache(let path, let reason): "\(path): \(reason)"
    }
  }

  /// 66: missing; 65: unusable; 73: the cache; 74: the network.
  public var exitStatus: ExitStatus {
    switch self {
    case .unauthorized, .forbidden, .noModel, .noRevision, .noFile, .offline, .notCached: .missingInput
    case .noSafetensors, .noTokenizer: .badInput
    case .unreachable, .status, .notAHub, .wrongChecksum, .wrongSize: .ioError
    case .cache: .cannotCreate
    }
  }

  /// Whether a cached copy may be used instead: the Hub does not answer or denies access.
  var allowsCache: Bool {
    switch self {
    case .unreachable, .status, .notAHub, .unauthorized, .forbidden: true
    default: false
    }
  }

  private static func lack(_ cache: String, _ missing: String?) -> String {
    missing.map { "its copy in the cache \(cache) lacks \($0)" } ?? "it is not in the cache \(cache)"
  }

  private static func bare(_ model: String) -> String { String(model.prefix { $0 != "@" }) }
}
