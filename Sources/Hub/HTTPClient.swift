import Foundation
import Synchronization

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// An answer without its body.
struct HTTPAnswer: Sendable {
  let url: URL
  let status: Int
  /// Names are in lower case.
  let headers: [String: String]

  /// The target of a redirection.
  var location: URL? {
    guard (300..<400).contains(status) else { return nil }
    return headers["location"].flatMap { URL(string: $0, relativeTo: url)?.absoluteURL }
  }
}

/// Blocking HTTP over URLSession. Bodies arrive piece by piece; redirections are left to the caller. If there is no
/// answer, or it breaks off, `HubError.unreachable` is thrown.
final class HTTPClient: Sendable {
  /// Made by the first request: most runs need none, and the set-up takes longer than some predictions.
  private let session = Mutex<URLSession?>(nil)
  private let delegate = TransferDelegate()
  private let timeout: Double

  /// - Parameter timeout: the longest wait for the next byte, in seconds.
  init(timeout: Double) { self.timeout = timeout }

  deinit { session.withLock { $0?.invalidateAndCancel() } }

  private func makeSession() -> URLSession {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.timeoutIntervalForRequest = timeout
    configuration.timeoutIntervalForResource = 7 * 24 * 3600
    configuration.httpShouldSetCookies = false
    configuration.urlCache = nil
    return URLSession(configuration: configuration, delegate: delegate, delegateQueue: nil)
  }

  /// Sends a request and waits for the end of the answer. `onBody` receives the pieces of the body if the status is 2xx;
  /// it may throw to stop the transfer.
  func send(
    _ method: String, _ url: URL, headers: [String: String] = [:],
    onBody: @escaping @Sendable (HTTPAnswer, Data) throws -> Void = { _, _ in }
  ) throws -> HTTPAnswer {
    var request = URLRequest(url: url)
    request.httpMethod = method
    // A compressed file would differ in length from the one announced, and have no ranges.
    for (name, value) in headers.merging(["Accept-Encoding": "identity"], uniquingKeysWith: { first, _ in first }) {
      request.setValue(value, forHTTPHeaderField: name)
    }
    let task = session.withLock { session in
      let open = session ?? makeSession()
      session = open
      return open.dataTask(with: request)
    }
    let transfer = Transfer(url: url, onBody: onBody)
    delegate.begin(task, transfer)
    task.resume()
    transfer.finished.wait()
    return try transfer.result()
  }
}

/// A request in progress.
private final class Transfer: Sendable {
  let url: URL
  let finished = DispatchSemaphore(value: 0)
  private let onBody: @Sendable (HTTPAnswer, Data) throws -> Void
  private let state = Mutex(State())

  private struct State {
    var answer: HTTPAnswer?
    var error: (any Error)?
  }

  init(url: URL, onBody: @escaping @Sendable (HTTPAnswer, Data) throws -> Void) {
    self.url = url
    self.onBody = onBody
  }

  func answered(_ response: URLResponse?) {
    guard let response = response as? HTTPURLResponse else { return }
    var headers: [String: String] = [:]
    for (name, value) in response.allHeaderFields {
      if let name = name as? String, let value = value as? String { headers[name.lowercased()] = value }
    }
    let answer = HTTPAnswer(url: url, status: response.statusCode, headers: headers)
    state.withLock { if $0.answer == nil { $0.answer = answer } }
  }

  /// Returns whether to continue the transfer.
  func received(_ data: Data) -> Bool {
    state.withLock { state in
      guard state.error == nil, let answer = state.answer else { return false }
      guard (200..<300).contains(answer.status) else { return true }
      do {
        try onBody(answer, data)
        return true
      } catch {
        state.error = error
        return false
      }
    }
  }

  func ended(_ error: (any Error)?) {
    state.withLock { if $0.error == nil, let error { $0.error = unreachable(Self.reason(error)) } }
    finished.signal()
  }

  func result() throws -> HTTPAnswer {
    try state.withLock { state in
      if let error = state.error { throw error }
      guard let answer = state.answer else { throw unreachable("the answer is not HTTP") }
      return answer
    }
  }

  private func unreachable(_ reason: String) -> HubError { .unreachable(url: url.absoluteString, reason: reason) }

  private static func reason(_ error: any Error) -> String {
    let text = (error as NSError).localizedDescription
    guard let code = (error as? URLError)?.code else { return text }
    switch code {
    case .cannotConnectToHost: return "cannot connect"
    case .cannotFindHost, .dnsLookupFailed: return "unknown host"
    case .timedOut: return "timed out"
    case .networkConnectionLost: return "connection lost"
    case .secureConnectionFailed, .serverCertificateUntrusted: return "no secure connection could be made"
    default: return text
    }
  }
}

/// Forwards URLSession's callbacks to the transfers.
private final class TransferDelegate: NSObject, URLSessionDataDelegate {
  private let transfers = Mutex<[Int: Transfer]>([:])

  func begin(_ task: URLSessionTask, _ transfer: Transfer) {
    transfers.withLock { $0[task.taskIdentifier] = transfer }
  }

  private func transfer(_ task: URLSessionTask) -> Transfer? { transfers.withLock { $0[task.taskIdentifier] } }

  func urlSession(
    _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
    newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
  ) {
    transfer(task)?.answered(response)
    completionHandler(nil)
  }

  func urlSession(
    _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
    completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
  ) {
    transfer(dataTask)?.answered(response)
    completionHandler(.allow)
  }

  func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
    if transfer(dataTask)?.received(data) == false { dataTask.cancel() }
  }

  func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
    guard let transfer = transfers.withLock({ $0.removeValue(forKey: task.taskIdentifier) }) else { return }
    transfer.answered(task.response)
    transfer.ended(error)
  }
}
