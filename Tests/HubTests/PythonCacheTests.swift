import Foundation
import Testing

@testable import Hub

/// The fixture is what Python's huggingface_hub wrote for scripts/golden/hub.py.
@Suite struct PythonCacheTests {
  static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Golden/python-cache"

  @Test func aCacheWrittenByPythonIsUsed() throws {
    let hub = Hub(HubEnvironment(["HF_HUB_CACHE": Self.golden, "HF_HUB_OFFLINE": "1", "HOME": "/h"]))
    let model = try #require(try hub.fetch("owner/tiny"))
    #expect(model.commit == "0123456789abcdef0123456789abcdef01234567" && model.downloadedBytes == 0)
    #expect(try hub.directory(of: "owner/tiny") == model.directory)
    #expect(try hub.directory(of: "owner/tiny@\(model.commit)") == model.directory)
    let config = try String(contentsOfFile: "\(model.directory)/config.json", encoding: .utf8)
    #expect(config == "{\"model_type\": \"bert\"}\n")
    #expect(throws: HubError.self) { try hub.fetch("owner/tiny@v1") }
  }
}
