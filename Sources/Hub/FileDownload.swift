import Foundation
import Synchronization

/// Downloads one file into the cache: in pieces, resuming an earlier attempt, and checks its checksum.
struct FileDownload {
  let client: HubClient
  let id: HubModelID
  let commit: String
  let file: String
  let pieceSize: Int
  let onEvent: @Sendable (Hub.Event) -> Void

  /// Downloads the file to `path`. Returns the number of bytes received.
  func run(_ info: HubFileInfo, to path: String) throws -> Int {
    let partial = try PartialFile(path: path + ".incomplete")
    let kept = partial.size
    if let size = info.size, kept > size { try partial.clear() }
    var bytes = try fill(partial, info)
    if let problem = problem(partial, info) {
      guard partial.isResumed else {
        unlink(partial.path)
        throw problem
      }
      // The part from the earlier attempt may be damaged.
      onEvent(.notice("\(file): the partial download is damaged; starting again"))
      try partial.clear()
      bytes += try fill(partial, info)
      if let problem = self.problem(partial, info) {
        unlink(partial.path)
        throw problem
      }
    }
    try partial.finish(as: path)
    return bytes
  }

  /// Prepares for the body. A server without ranges sends the whole file.
  private static func begin(_ partial: PartialFile, _ answer: HTTPAnswer, at start: Int) throws {
    if answer.status == 200 {
      if start > 0 { try partial.clear() }
    } else if let range = answer.headers["content-range"], !range.hasPrefix("bytes \(start)-") {
      throw HTTPFailure(url: answer.url, reason: "the server sent \(range) instead of bytes \(start)-")
    }
  }

  private func problem(_ partial: PartialFile, _ info: HubFileInfo) -> HubError? {
    let name = "\(id)/\(file)"
    if let size = info.size, partial.size != size {
      return .wrongSize(file: name, found: partial.size, expected: size)
    }
    guard let expected = info.sha256 else { return nil }
    let found = partial.sha256
    return found == expected ? nil : .wrongChecksum(file: name, found: found, expected: expected)
  }

  /// Appends what is missing, piece by piece. Each piece that makes progress resets the count of attempts.
  private func fill(_ partial: PartialFile, _ info: HubFileInfo) throws -> Int {
    var location = info.location, attempt = 0, bytes = 0
    while info.size.map({ partial.size < $0 }) ?? true {
      let start = partial.size
      let end = info.size.map { String(min(start + pieceSize, $0) - 1) } ?? ""
      var answer: HTTPAnswer?
      var failure: HubError
      do {
        let isBegun = Mutex(false)
        let given = try client.get(location, range: "\(start)-\(end)") { [file, onEvent] answer, data in
          if !isBegun.withLock({ was in
            defer { was = true }
            return was
          }) {
            try Self.begin(partial, answer, at: start)
          }
          try partial.append(data)
          onEvent(.progress(file: file, bytes: partial.size, total: info.size))
        }
        answer = given
        failure = .status(url: location.absoluteString, status: given.status)
        bytes += max(0, partial.size - (given.status == 200 ? 0 : start))
        if given.status == 200 || given.status == 206 {
          if info.size == nil || partial.size > start { attempt = 0 }
          if info.size == nil { return bytes }
          if partial.size > start { continue }
        }
        if given.status == 416 { try partial.clear() }
      } catch let broken as HTTPFailure {
        failure = .unreachable(url: broken.url.absoluteString, reason: broken.reason)
        bytes += max(0, partial.size - start)
        if partial.size > start { attempt = 0 }
      }
      attempt += 1
      if attempt >= HubClient.attempts { throw failure }
      if let status = answer?.status, status == 404 { throw HubError.noFile(model: id.description, file: file) }
      client.wait(attempt: attempt, answer: answer)
      // Signed addresses in large-file storage expire.
      if let status = answer?.status, status == 401 || status == 403 {
        location = try client.info(id, commit: commit, file: file).location
      }
    }
    return bytes
  }
}
