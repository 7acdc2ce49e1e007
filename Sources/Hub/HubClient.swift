import Diagnostics
import Foundation
import StrictJSON

/// What a Hub says about a file before it gives it.
struct HubFileInfo: Sendable {
  /// The name of its contents: the SHA-256 of large files, a Git hash of others.
  let tag: String
  let size: Int?
  /// Where it is, the Hub itself or another server.
  let location: URL

  /// The checksum, for files in large-file storage.
  var sha256: String? { tag.utf8.count == 64 && tag.utf8.allSatisfy(HubModelID.isHexDigit) ? tag : nil }
}

/// The requests to a Hub, with retries.
struct HubClient: Sendable {
  let environment: HubEnvironment
  let http: HTTPClient
  /// Seconds before the first of the retries; each waits twice as long as the one before.
  let firstDelay: Double
  /// Requests that fail without any progress, before it is given up.
  static let attempts = 5

  init(_ environment: HubEnvironment, firstDelay: Double = 0.5, timeout: Double = 30) {
    self.environment = environment
    self.firstDelay = firstDelay
    http = HTTPClient(timeout: timeout)
  }

  /// The commit of a revision, and the names of its files.
  func info(_ id: HubModelID) throws -> (commit: String, files: [String]) {
    let url = try url("api/models/\(id.name)/revision/\(Self.escaped(id.wanted, keeping: ""))")
    let body = Body()
    let answer = try retrying(url) {
      body.clear()
      return try following(url, "GET") { answer, piece in
        guard body.append(piece) else {
          throw HubError.notAHub(url: answer.url.absoluteString, reason: "its answer does not end")
        }
      }
    }
    try check(answer, id, file: nil)
    let commit: String, files: [String]
    do {
      let model = try JSONField(parsing: body.bytes, file: "the answer")
      commit = try model.member("sha").value("a commit") { $0.string.flatMap { HubModelID.isCommit($0) ? $0 : nil } }
      files = try model.member("siblings").elements().map { try $0.member("rfilename").string() }
    } catch {
      throw HubError.notAHub(url: url.absoluteString, reason: "\(error)")
    }
    if let file = files.first(where: { !$0.isPathInside }) {
      throw HubError.notAHub(url: url.absoluteString, reason: "it names the file \(file.clipped)")
    }
    return (commit, files)
  }

  /// What the Hub says about a file of a commit.
  func info(_ id: HubModelID, commit: String, file: String) throws -> HubFileInfo {
    let url = try url("\(id.name)/resolve/\(commit)/\(Self.escaped(file, keeping: "/"))")
    let answer = try retrying(url) { try following(url, "HEAD") }
    try check(answer, id, file: file)
    guard let tag = Self.tag(answer.headers["x-linked-etag"] ?? answer.headers["etag"]) else {
      throw HubError.notAHub(url: url.absoluteString, reason: "its answer has no usable ETag")
    }
    let length = answer.headers["x-linked-size"] ?? (answer.location == nil ? answer.headers["content-length"] : nil)
    return HubFileInfo(tag: tag, size: length.flatMap { Int($0) }, location: answer.location ?? answer.url)
  }

  /// One request for the bytes `range` of a file; `onBody` gets the pieces. The token stays with the Hub.
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

  /// Waits before attempt number `attempt`, from 1, as long as the server says or twice as long as before.
  func wait(attempt: Int, answer: HTTPAnswer?) {
    let asked = answer?.headers["retry-after"].flatMap { Double($0) }.map { $0 >= 0 ? min($0, 60) : 0 }
    Thread.sleep(forTimeInterval: asked ?? firstDelay * Double(1 << (attempt - 1)))
  }

  /// Whether asking again may help.
  static func isPassing(_ status: Int) -> Bool { status == 408 || status == 429 || (500..<600).contains(status) }

  // MARK: -

  private func retrying(_ url: URL, _ send: () throws -> HTTPAnswer) throws -> HTTPAnswer {
    for attempt in 1... {
      do {
        let answer = try send()
        guard Self.isPassing(answer.status) else { return answer }
        if attempt == Self.attempts { throw HubError.status(url: url.absoluteString, status: answer.status) }
        wait(attempt: attempt, answer: answer)
      } catch let failure as HTTPFailure {
        if attempt == Self.attempts {
          throw HubError.unreachable(url: failure.url.absoluteString, reason: failure.reason)
        }
        wait(attempt: attempt, answer: nil)
      }
    }
    throw HubError.unreachable(url: url.absoluteString, reason: "no answer")
  }

  /// Follows redirections inside the Hub (renamed models); one to another server is the answer.
  private func following(
    _ url: URL, _ method: String, onBody: @escaping @Sendable (HTTPAnswer, Data) throws -> Void = { _, _ in }
  ) throws -> HTTPAnswer {
    var target = url
    for _ in 0..<5 {
      let answer = try http.send(method, target, headers: headers(for: target), onBody: onBody)
      guard let location = answer.location, isHub(location) else { return answer }
      // What a large file's storage is asked for stands in the headers of the redirection.
      if answer.headers["x-linked-etag"] != nil { return answer }
      target = location
    }
    throw HubError.notAHub(url: url.absoluteString, reason: "it redirects in circles")
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
    else { throw HubError.notAHub(url: environment.endpoint, reason: "HF_ENDPOINT is no web address") }
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

  /// An ETag as a file's name: without `W/` and quotes. Nil for what could lead out of the directory.
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
