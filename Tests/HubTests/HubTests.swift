import Diagnostics
import Foundation
import Synchronization
import Testing

@testable import Hub

/// A cache that goes with its test, and a Hub with one small model.
final class HubSandbox {
  let path: String
  let server: FakeHub
  var environment: HubEnvironment
  let weights = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }

  init() throws {
    path = NSTemporaryDirectory() + "swift-peft-hub-" + UUID().uuidString
    server = try FakeHub()
    environment = HubEnvironment(["HF_HUB_CACHE": path, "HF_ENDPOINT": server.endpoint, "HOME": path])
    var digest = Digest()
    digest.update(weights)
    let file = FakeHub.File(bytes: weights, sha256: digest.text)
    server.change {
      $0.files = [
        "config.json": FakeHub.File(bytes: Array(#"{"model_type": "bert"}"#.utf8)),
        "tokenizer.json": FakeHub.File(bytes: Array("{}".utf8)), "model.safetensors": file,
        "README.md": FakeHub.File(bytes: [1]), "pytorch_model.bin": FakeHub.File(bytes: [2]),
      ]
    }
  }

  deinit {
    server.stop()
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Small pieces and short waits.
  func hub(offline: Bool = false, pieceSize: Int = 30_000) -> Hub {
    var environment = environment
    environment.isOffline = offline
    return Hub(environment, firstDelay: 0.001, timeout: 5, pieceSize: pieceSize)
  }

  var storage: String { "\(path)/models--owner--tiny" }
  var snapshot: String { "\(storage)/snapshots/\(String(repeating: "c", count: 40))" }
  func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: name))) }
  var downloads: [FakeHub.Request] { server.requests.filter { $0.method == "GET" && !$0.path.hasPrefix("/api/") } }
  var partial: String { "\(storage)/blobs/\(sha256).incomplete" }
  var sha256: String {
    var digest = Digest()
    digest.update(weights)
    return digest.text
  }
}

/// Passes where `body` throws `error`.
func expectError(
  _ error: HubError, status: Diagnostics.ExitStatus, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  #expect(throws: error, sourceLocation: sourceLocation, performing: body)
  #expect(error.exitStatus == status, sourceLocation: sourceLocation)
}

@Suite struct HubTests {
  @Test func aModelIsDownloadedInTheStandardLayout() throws {
    let sandbox = try HubSandbox()
    let events = Events()
    let model = try #require(try sandbox.hub().fetch("owner/tiny") { events.add($0) })
    #expect(model.directory == sandbox.snapshot && model.commit == String(repeating: "c", count: 40))
    #expect(try sandbox.bytes("\(model.directory)/model.safetensors") == sandbox.weights)
    let names = try FileManager.default.contentsOfDirectory(atPath: model.directory).sorted()
    #expect(names == ["config.json", "model.safetensors", "tokenizer.json"], "what is not read is not downloaded")
    #expect(model.downloadedBytes == sandbox.weights.count + 22 + 2)
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(model.directory)/model.safetensors")
    #expect(link == "../../blobs/\(sandbox.sha256)")
    #expect(try String(contentsOfFile: "\(sandbox.storage)/refs/main", encoding: .utf8) == model.commit)
    #expect(FileManager.default.fileExists(atPath: "\(sandbox.path)/.locks/models--owner--tiny/\(sandbox.sha256).lock"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(sandbox.storage)/blobs").count == 3)
    // Pieces of 30,000 bytes.
    #expect(
      sandbox.downloads.filter(\.isStorage).map(\.range) == [
        "bytes=0-29999", "bytes=30000-59999", "bytes=60000-89999", "bytes=90000-99999",
      ])
    let last = events.all.last { if case .progress("model.safetensors", _, _) = $0 { true } else { false } }
    #expect(last == .progress(file: "model.safetensors", bytes: 100_000, total: 100_000))
    // Again: nothing comes, and without the network it is found.
    sandbox.server.forgetRequests()
    #expect(try sandbox.hub().fetch("owner/tiny")?.downloadedBytes == 0)
    #expect(sandbox.downloads.isEmpty)
    #expect(try sandbox.hub().directory(of: "owner/tiny") == sandbox.snapshot)
  }

  @Test func aTokenGoesToTheHubAndNotToTheStorage() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.token = "hf_secret" }
    expectError(
      .unauthorized(model: "owner/tiny", endpoint: sandbox.server.endpoint, hasToken: false), status: .missingInput
    ) { _ = try sandbox.hub().fetch("owner/tiny") }
    sandbox.environment.token = "hf_wrong"
    expectError(
      .unauthorized(model: "owner/tiny", endpoint: sandbox.server.endpoint, hasToken: true), status: .missingInput
    ) { _ = try sandbox.hub().fetch("owner/tiny") }
    sandbox.environment.token = "hf_secret"
    #expect(try sandbox.hub().fetch("owner/tiny") != nil)
    #expect(sandbox.server.requests.filter(\.isStorage).allSatisfy { $0.authorization == nil })
    #expect(sandbox.server.requests.contains { $0.isStorage })
  }

  @Test func aPartialFileIsResumed() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.files["model.safetensors"]?.bytes = Array(sandbox.weights[0..<100_000]) }
    try FileManager.default.createDirectory(atPath: "\(sandbox.storage)/blobs", withIntermediateDirectories: true)
    try Data(sandbox.weights[0..<64_321]).write(to: URL(fileURLWithPath: sandbox.partial))
    let model = try #require(try sandbox.hub(pieceSize: 1 << 20).fetch("owner/tiny"))
    #expect(sandbox.downloads.filter(\.isStorage).map(\.range) == ["bytes=64321-99999"])
    #expect(try sandbox.bytes("\(model.directory)/model.safetensors") == sandbox.weights)
    #expect(!FileManager.default.fileExists(atPath: sandbox.partial))
  }

  @Test func aDamagedPartialFileIsDownloadedAgain() throws {
    let sandbox = try HubSandbox()
    try FileManager.default.createDirectory(atPath: "\(sandbox.storage)/blobs", withIntermediateDirectories: true)
    try Data([UInt8](repeating: 9, count: 1000)).write(to: URL(fileURLWithPath: sandbox.partial))
    let model = try #require(try sandbox.hub().fetch("owner/tiny"))
    #expect(try sandbox.bytes("\(model.directory)/model.safetensors") == sandbox.weights)
  }

  @Test func brokenConnectionsAreResumed() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.cuts = [5, 1, 10_000, 3] }
    let model = try #require(try sandbox.hub(pieceSize: 1 << 20).fetch("owner/tiny"))
    #expect(try sandbox.bytes("\(model.directory)/model.safetensors") == sandbox.weights)
  }

  @Test func aServerThatKnowsNoRangesSendsAll() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.knowsRanges = false }
    try FileManager.default.createDirectory(atPath: "\(sandbox.storage)/blobs", withIntermediateDirectories: true)
    try Data(sandbox.weights[0..<50_000]).write(to: URL(fileURLWithPath: sandbox.partial))
    let model = try #require(try sandbox.hub().fetch("owner/tiny"))
    #expect(try sandbox.bytes("\(model.directory)/model.safetensors") == sandbox.weights)
  }

  @Test func passingFailuresAreRetried() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.failures = [503, 429, 500, 502] }
    #expect(try sandbox.hub().fetch("owner/tiny") != nil)
    sandbox.server.change { $0.status = 503 }
    let other = try HubSandbox()
    other.server.change { $0.status = 503 }
    #expect(throws: HubError.self) { try other.hub().fetch("owner/tiny") }
    #expect(other.server.requests.count == 5)
  }

  @Test func aWrongChecksumIsRefusedAndDeleted() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.files["model.safetensors"]?.bytes[77_777] ^= 1 }
    let error = #expect(throws: HubError.self) { try sandbox.hub().fetch("owner/tiny") }
    guard case .wrongChecksum("owner/tiny/model.safetensors", _, sandbox.sha256) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.exitStatus == .ioError)
    #expect(!FileManager.default.fileExists(atPath: sandbox.partial))
    #expect(!FileManager.default.fileExists(atPath: "\(sandbox.snapshot)/model.safetensors"))
    #expect(!FileManager.default.fileExists(atPath: "\(sandbox.storage)/refs/main"))
  }

  @Test func whatTheHubRefusesIsSaid() throws {
    let sandbox = try HubSandbox()
    let endpoint = sandbox.server.endpoint
    expectError(.noModel(model: "owner/other", endpoint: endpoint), status: .missingInput) {
      _ = try sandbox.hub().fetch("owner/other")
    }
    expectError(
      .noRevision(model: "owner/tiny", revision: "v9", endpoint: endpoint), status: .missingInput
    ) { _ = try sandbox.hub().fetch("owner/tiny@v9") }
    sandbox.server.change { $0.status = 403 }
    expectError(
      .forbidden(model: "owner/tiny", endpoint: endpoint, hasToken: false, reason: nil), status: .missingInput
    ) { _ = try sandbox.hub().fetch("owner/tiny") }
    sandbox.server.change {
      $0.status = nil
      $0.files["model.safetensors"] = nil
    }
    expectError(.noSafetensors(model: "owner/tiny", found: "pytorch_model.bin"), status: .badInput) {
      _ = try sandbox.hub().fetch("owner/tiny")
    }
    sandbox.server.stop()
    var environment = sandbox.environment
    environment.endpoint = "http://127.0.0.1:1"
    let error = #expect(throws: HubError.self) {
      try Hub(environment, firstDelay: 0.001, timeout: 5).fetch("owner/tiny")
    }
    #expect(error?.exitStatus == .ioError && error?.description.contains("no answer") == true)
  }

  @Test func revisionsHaveTheirOwnRefs() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change { $0.revisions = ["main", "v1", "refs/pr/1"] }
    #expect(try sandbox.hub().fetch("owner/tiny@v1")?.directory == sandbox.snapshot)
    #expect(try sandbox.hub().fetch("owner/tiny@refs/pr/1")?.directory == sandbox.snapshot)
    #expect(!FileManager.default.fileExists(atPath: "\(sandbox.storage)/refs/main"))
    #expect(try sandbox.hub(offline: true).directory(of: "owner/tiny@v1") == sandbox.snapshot)
    // A whole commit needs no network at all.
    sandbox.server.forgetRequests()
    let commit = String(repeating: "c", count: 40)
    #expect(try sandbox.hub().fetch("owner/tiny@\(commit)")?.downloadedBytes == 0)
    #expect(sandbox.server.requests.isEmpty)
  }

  @Test func offlineWithAndWithoutTheCache() throws {
    let sandbox = try HubSandbox()
    let missing = HubError.offline(model: "owner/tiny", cache: sandbox.path, missing: nil)
    expectError(missing, status: .missingInput) { _ = try sandbox.hub(offline: true).fetch("owner/tiny") }
    expectError(missing, status: .missingInput) { _ = try sandbox.hub(offline: true).directory(of: "owner/tiny") }
    #expect(sandbox.server.requests.isEmpty)
    _ = try sandbox.hub().fetch("owner/tiny")
    sandbox.server.forgetRequests()
    #expect(try sandbox.hub(offline: true).fetch("owner/tiny")?.directory == sandbox.snapshot)
    #expect(sandbox.server.requests.isEmpty)
    try FileManager.default.removeItem(atPath: "\(sandbox.snapshot)/model.safetensors")
    expectError(
      .offline(model: "owner/tiny", cache: sandbox.path, missing: "model.safetensors"), status: .missingInput
    ) { _ = try sandbox.hub(offline: true).fetch("owner/tiny") }
    // The tokenizer alone is there.
    #expect(try sandbox.hub(offline: true).fetch("owner/tiny", files: .tokenizer) != nil)
    expectError(
      .notCached(model: "owner/tiny", cache: sandbox.path, missing: "model.safetensors"), status: .missingInput
    ) { _ = try sandbox.hub().directory(of: "owner/tiny") }
  }

  @Test func withoutAnAnswerTheCacheStandsIn() throws {
    let sandbox = try HubSandbox()
    _ = try sandbox.hub().fetch("owner/tiny")
    sandbox.server.change { $0.status = 500 }
    let events = Events()
    #expect(try sandbox.hub().fetch("owner/tiny") { events.add($0) }?.directory == sandbox.snapshot)
    #expect(events.all.contains { if case .notice(let text) = $0 { text.contains("cache") } else { false } })
  }

  @Test func shardsAreThoseOfTheIndex() throws {
    let sandbox = try HubSandbox()
    sandbox.server.change {
      $0.files["model.safetensors"] = nil
      let index = #"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#
      $0.files["model.safetensors.index.json"] = FakeHub.File(bytes: Array(index.utf8))
      for number in 1...3 { $0.files["model-\(number).safetensors"] = FakeHub.File(bytes: [UInt8(number)]) }
    }
    let model = try #require(try sandbox.hub().fetch("owner/tiny"))
    let names = try FileManager.default.contentsOfDirectory(atPath: model.directory).sorted()
    #expect(
      names.filter { $0.hasPrefix("model") } == [
        "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json",
      ])
    try FileManager.default.removeItem(atPath: "\(model.directory)/model-2.safetensors")
    expectError(
      .offline(model: "owner/tiny", cache: sandbox.path, missing: "model-2.safetensors"), status: .missingInput
    ) { _ = try sandbox.hub(offline: true).fetch("owner/tiny") }
    #expect(try sandbox.hub().fetch("owner/tiny")?.downloadedBytes == 0, "its contents are in the cache")
  }
}

/// What happened, in order.
final class Events: Sendable {
  private let events = Mutex<[Hub.Event]>([])
  func add(_ event: Hub.Event) { events.withLock { $0.append(event) } }
  var all: [Hub.Event] { events.withLock { $0 } }
}
