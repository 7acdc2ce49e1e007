import Diagnostics
import Foundation
import StrictJSON
import Synchronization

/// A file on the Hub.
struct HubFileInfo: Sendable {
  /// The ETag: the SHA-256 of a large file, the Git hash of another.
  let tag: String
  let size: Int?
  /// Its address, on the Hub or on another server.
  let location: URL

  /// The SHA-256, known for files in large-file storage.
  var sha256: String? { HubModelID.isHex(tag, count: 64) ? tag : nil }
}

/// Sends requests to a Hub, with retries.
struct HubClient: Sendable {
  let environment: HubEnvironment
  let http: HTTPClient
  /// The delay before the first retry, in seconds. It doubles with every retry.
  let firstDelay: Double
  /// The number of requests without progress before giving up.
  static let attempts = 5

  init(_ environment: HubEnvironment, firstDelay: Double = 0.5, timeout: Double = 30) {
    self.environment = environment
    self.firstDelay = firstDelay
    http = HTTPClient(timeout: timeout)
  }

  /// The commit of a revision and the names of its files.
  func info(_ id: HubModelID) throws -> (commit: String, files: [String]) {
    let url = try url("api/models/\(id.name)/revision/\(Self.escaped(id.wanted, keeping: ""))")
    let body = Mutex(Data())
    let answer = try retrying(url) {
      body.withLock { $0 = Data() }
      return try following(url, "GET") { answer, piece in
        try body.withLock { data in
          guard data.count + piece.count <= InputFile.textLimit else {
            throw HubError.notAHub(url: answer.url.absoluteString, reason: "the answer is too long")
          }
          data.append(piece)
        }
      }
    }
    try check(answer, id, file: nil)
    let commit: String, files: [String]
    do {
      let model = try JSONField(parsing: body.withLock { Array($0) }, file: "the answer")
      commit = try model.member("sha").value("a commit") { $0.string.flatMap { HubModelID.isCommit($0) ? $0 : nil } }
      files = try model.member("siblings").elements().map { try $0.member("rfilename").string() }
    } catch {
      throw HubError.notAHub(url: url.absoluteString, reason: "\(error)")
    }
    if let file = files.first(where: { !$0.isPathInside }) {
      throw HubError.notAHub(url: url.absoluteString, reason: "it lists the file \(file.clipped)")
    }
    return (commit, files)
  }

  /// Asks for a file of a commit.
  func info(_ id: HubModelID, commit: String, file: String) throws -> HubFileInfo {
    let url = try url("\(id.name)/resolve/\(commit)/\(Self.escaped(file, keeping: "/"))")
    let answer = try retrying(url) { try following(url, "HEAD") }
    try check(answer, id, file: file)
    guard let tag = Self.tag(answer.headers["x-linked-etag"] ?? answer.headers["etag"]) else {
      throw HubError.notAHub(url: url.absoluteString, reason: "the answer has no usable ETag")
    }
    let length = answer.headers["x-linked-size"] ?? (answer.location == nil ? answer.headers["content-length"] : nil)
    return HubFileInfo(tag: tag, size: length.flatMap { Int($0) }, location: answer.location ?? answer.url)
  }

  /// Requests the bytes `range` of a file. The token is sent only to the Hub itself.
  func get(_ url: URL, range: String, onBody: @escaping @Sendable (HTTPAnswer, Data) throws -> Void) throws
    -> HTTPAnswer
  {
    var target = url, jumps = 0
    while true {
      var headers = headers(for: target)
      headers["Range"] = "bytes=\(range)"
      let answer = try http.send("GET", target, headers: headers, onBody: onBody)
      guard let location = answer.location, jumps < 5 else { return answer }
      (target, jumps) = (location, jumps + 1)
    }
  }

  /// Waits after attempt number `attempt` (from 1), as long as the server demands or twice as long as the last time.
  func wait(attempt: Int, answer: HTTPAnswer?) {
    let asked = answer?.headers["retry-after"].flatMap { Double($0) }.map { $0 >= 0 ? min($0, 60) : 0 }
    Thread.sleep(forTimeInterval: asked ?? firstDelay * Double(1 << (attempt - 1)))
  }

  /// Whether a retry may help.
  static func isPassing(_ status: Int) -> Bool { status == 408 || status == 429 || (500..<600).contains(status) }

  // MARK: -

  private func retrying(_ url: URL, _ send: () throws -> HTTPAnswer) throws -> HTTPAnswer {
    var attempt = 0
    while true {
      attempt += 1
      var answer: HTTPAnswer?
      let failure: HubError
      do {
        let given = try send()
        guard Self.isPassing(given.status) else { return given }
        (answer, failure) = (given, .status(url: url.absoluteString, status: given.status))
      } catch let error as HubError {
        guard case .unreachable = error else { throw error }
        failure = error
      }
      if attempt == Self.attempts { throw failure }
      wait(attempt: attempt, answer: answer)
    }
  }

  /// Follows redirections within the Hub, as for renamed models. A redirection to another server is returned.
  private func following(
    _ url: URL, _ method: String, onBody: @escaping @Sendable (HTTPAnswer, Data) throws -> Void = { _, _ in }
  ) throws -> HTTPAnswer {
    var target = url
    for _ in 0..<5 {
      let answer = try http.send(method, target, headers: headers(for: target), onBody: onBody)
      guard let location = answer.location, isHub(location) else { return answer }
      // The redirection to large-file storage has the headers to read.
      if answer.headers["x-linked-etag"] != nil { return answer }
      target = location
    }
    throw HubError.notAHub(url: url.absoluteString, reason: "too many redirections")
  }

  private func headers(for url: URL) -> [String: String] {
    var headers = ["User-Agent": "swift-peft"]
    if let token = environment.token, isHub(url) { headers["Authorization"] = "Bearer \(token)" }
    return headers
  }

  private func isHub(_ url: URL) -> Bool {
    guard let hub = URL(string: environment.endpoint) else { return false }
    return url.scheme == hub.scheme && url.host == hub.host && url.port == hub.port
  }

  private func url(_ path: String) throws -> URL {
    guard let url = URL(string: "\(environment.endpoint)/\(path)"), url.host != nil,
      ["http", "https"].contains(url.scheme)
    else { throw HubError.notAHub(url: environment.endpoint, reason: "HF_ENDPOINT must be an http or https address") }
    return url
  }

  private func check(_ answer: HTTPAnswer, _ id: HubModelID, file: String?) throws {
    let model = id.description, endpoint = environment.endpoint, hasToken = environment.token != nil
    switch answer.status {
    case 200..<400: return
    case 401: throw HubError.unauthorized(model: model, endpoint: endpoint, hasToken: hasToken)
    case 403:
      let reason = answer.headers["x-error-message"]
      throw HubError.forbidden(model: model, endpoint: endpoint, hasToken: hasToken, reason: reason)
    case 404:
      if answer.headers["x-error-code"] == "RevisionNotFound" {
        throw HubError.noRevision(model: id.name, revision: id.wanted, endpoint: endpoint)
      }
      if let file { throw HubError.noFile(model: model, file: file) }
      throw HubError.noModel(model: model, endpoint: endpoint)
    default: throw HubError.status(url: answer.url.absoluteString, status: answer.status)
    }
  }

  /// An ETag as a file name, without `W/` and quotes. Nil if it could lead out of the directory.
  private static func tag(_ header: String?) -> String? {
    guard var tag = header else { return nil }
    if tag.hasPrefix("W/") { tag.removeFirst(2) }
    tag = tag.trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    guard !tag.isEmpty, tag.utf8.count <= 200, !tag.hasPrefix("."),
      tag.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 < 0x7F })
    else { return nil }
    return tag
  }

  private static func escaped(_ text: String, keeping more: String) -> String {
    let plain = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~" + more)
    return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
  }
}
