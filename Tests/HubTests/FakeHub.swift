import Foundation
import Synchronization

/// A Hub on 127.0.0.1 that knows one model, and can be made to misbehave. Large files lie on a second port.
final class FakeHub: Sendable {
  struct Request: Sendable, Equatable {
    let method: String
    let path: String
    let range: String?
    let authorization: String?
    let isStorage: Bool
  }

  struct File: Sendable {
    var bytes: [UInt8]
    /// The SHA-256 that it is announced with, where it lies in the large-file storage.
    var sha256: String?
  }

  struct Behaviour: Sendable {
    var files: [String: File] = [:]
    var commit = String(repeating: "c", count: 40)
    var name = "owner/tiny"
    var revisions = ["main"]
    var token: String?
    /// The status of every answer.
    var status: Int?
    /// Statuses of the next answers, before it behaves.
    var failures: [Int] = []
    /// Connections of downloads that break off, each after so many bytes of the body.
    var cuts: [Int] = []
    var knowsRanges = true
  }

  let port: UInt16
  private let storagePort: UInt16
  private let sockets: [Int32]
  private let behaviour = Mutex(Behaviour())
  private let log = Mutex<[Request]>([])

  init() throws {
    let (hub, storage) = (try Self.listening(), try Self.listening())
    sockets = [hub.socket, storage.socket]
    (port, storagePort) = (hub.port, storage.port)
    for (socket, isStorage) in [(hub.socket, false), (storage.socket, true)] {
      Thread.detachNewThread { [weak self] in
        while true {
          let connection = accept(socket, nil, nil)
          guard connection >= 0 else { return }
          guard let server = self else { return }
          Thread.detachNewThread { server.answer(connection, isStorage: isStorage) }
        }
      }
    }
  }

  deinit { stop() }

  func stop() { for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) } }

  var endpoint: String { "http://127.0.0.1:\(port)" }
  var requests: [Request] { log.withLock { $0 } }
  func forgetRequests() { log.withLock { $0 = [] } }
  func change(_ body: (inout Behaviour) -> Void) { behaviour.withLock { body(&$0) } }

  private static func listening() throws -> (socket: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard bound else { throw POSIXError(.EADDRINUSE) }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  // MARK: - Answering

  private func answer(_ connection: Int32, isStorage: Bool) {
    defer { close(connection) }
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !text.contains("\r\n\r\n") {
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { return }
      text += String(decoding: buffer[0..<count], as: UTF8.self)
    }
    let lines = text.components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ").map(String.init)
    func header(_ name: String) -> String? {
      lines.dropFirst().first { $0.lowercased().hasPrefix(name + ":") }
        .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
    }
    let request = Request(
      method: words[0], path: words[1], range: header("range"), authorization: header("authorization"),
      isStorage: isStorage)
    log.withLock { $0.append(request) }
    respond(to: request, on: connection)
  }

  private func respond(to request: Request, on connection: Int32) {
    let now = behaviour.withLock { $0 }
    let failure = behaviour.withLock { $0.failures.isEmpty ? nil : $0.failures.removeFirst() }
    if let status = failure ?? now.status { return send(status, [:], [], request, connection) }
    if request.isStorage {
      let found = now.files.values.first { request.path == "/\($0.sha256 ?? "")" }
      return body(found?.bytes, request, connection)
    }
    if let token = now.token, request.authorization != "Bearer \(token)" {
      return send(401, ["X-Error-Code": "RepoNotFound"], [], request, connection)
    }
    let (api, files) = ("/api/models/\(now.name)/revision/", "/\(now.name)/resolve/\(now.commit)/")
    if request.path.hasPrefix(api) {
      let revision = String(request.path.dropFirst(api.count)).removingPercentEncoding ?? ""
      guard (now.revisions + [now.commit]).contains(revision) else {
        return send(404, ["X-Error-Code": "RevisionNotFound"], [], request, connection)
      }
      let names = now.files.keys.sorted().map { #"{"rfilename":"\#($0)"}"# }.joined(separator: ",")
      return send(200, [:], Array(#"{"sha":"\#(now.commit)","siblings":[\#(names)]}"#.utf8), request, connection)
    }
    guard request.path.hasPrefix(files), let file = now.files[String(request.path.dropFirst(files.count))] else {
      return send(404, ["X-Error-Code": "RepoNotFound"], [], request, connection)
    }
    let commit = ["X-Repo-Commit": now.commit]
    if let sha256 = file.sha256 {
      let headers = [
        "Location": "http://127.0.0.1:\(storagePort)/\(sha256)", "X-Linked-Etag": "\"\(sha256)\"",
        "X-Linked-Size": "\(file.bytes.count)", "ETag": "\"other\"",
      ]
      return send(302, headers.merging(commit) { $1 }, [], request, connection)
    }
    body(file.bytes, request, connection, ["ETag": "\"\(tag(file.bytes))\""].merging(commit) { $1 })
  }

  /// Something of 40 hexadecimal digits, as a Git hash has.
  private func tag(_ bytes: [UInt8]) -> String {
    let hash = bytes.reduce(UInt64(bytes.count) &+ 99) { $0 &* 31 &+ UInt64($1) }
    return (String(repeating: "0", count: 40) + String(hash, radix: 16)).suffix(40).description
  }

  private func body(_ bytes: [UInt8]?, _ request: Request, _ connection: Int32, _ headers: [String: String] = [:]) {
    guard let bytes else { return send(404, [:], [], request, connection) }
    guard behaviour.withLock({ $0.knowsRanges }), let range = request.range else {
      return send(200, headers, bytes, request, connection)
    }
    let ends = range.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
    let start = ends[0], end = min(ends.count > 1 ? ends[1] : bytes.count - 1, bytes.count - 1)
    guard start <= end else { return send(416, [:], [], request, connection) }
    let more = ["Content-Range": "bytes \(start)-\(end)/\(bytes.count)"]
    send(206, headers.merging(more) { $1 }, Array(bytes[start...end]), request, connection)
  }

  private func send(
    _ status: Int, _ headers: [String: String], _ body: [UInt8], _ request: Request, _ connection: Int32
  ) {
    var text = "HTTP/1.1 \(status) Status\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    var bytes = Array((text + "\r\n").utf8)
    if request.method != "HEAD" {
      let cut =
        body.isEmpty || !(200..<300).contains(status) || request.path.hasPrefix("/api/")
        ? nil : behaviour.withLock { $0.cuts.isEmpty ? nil : $0.cuts.removeFirst() }
      bytes += body.prefix(cut ?? .max)
    }
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      done += count
    }
  }
}
