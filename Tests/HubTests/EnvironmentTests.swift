import Foundation
import Testing

@testable import Hub

@Suite struct EnvironmentTests {
  @Test(arguments: [
    ([:], "/h/.cache/huggingface/hub"),
    (["XDG_CACHE_HOME": "/x"], "/x/huggingface/hub"),
    (["HF_HOME": "~/hf"], "/h/hf/hub"),
    (["HF_HOME": "$DISK/hf", "DISK": "/d"], "/d/hf/hub"),
    (["HF_HOME": "/a", "HUGGINGFACE_HUB_CACHE": "/old"], "/old"),
    (["HF_HOME": "/a", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "${HOME}/b"], "/h/b"),
  ]) func cache(variables: [String: String], path: String) {
    #expect(HubEnvironment(variables.merging(["HOME": "/h"]) { $1 }).cache == path)
  }

  @Test func endpointOfflineAndToken() throws {
    let home = NSTemporaryDirectory() + "swift-peft-home-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: home) }
    #expect(HubEnvironment(["HOME": home]).endpoint == "https://huggingface.co")
    #expect(HubEnvironment(["HOME": home, "HF_ENDPOINT": "http://mirror/"]).endpoint == "http://mirror")
    #expect(HubEnvironment(["HOME": home]).token == nil)
    try Data("hf_file\n".utf8).write(to: URL(fileURLWithPath: home + "/token"))
    #expect(HubEnvironment(["HOME": home, "HF_HOME": home]).token == "hf_file")
    #expect(HubEnvironment(["HOME": home, "HF_HOME": home, "HF_TOKEN": " hf_set "]).token == "hf_set")
    #expect(HubEnvironment(["HOME": home, "HF_TOKEN_PATH": home + "/token"]).token == "hf_file")
    for (value, isOffline) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
      #expect(HubEnvironment(["HOME": home, "HF_HUB_OFFLINE": value]).isOffline == isOffline)
    }
  }

  @Test(arguments: [
    ("owner/name", "owner/name", "main"), ("owner/name@v1.0", "owner/name", "v1.0"),
    ("Foo-BAR/foo_bar.b@refs/pr/3", "Foo-BAR/foo_bar.b", "refs/pr/3"),
  ]) func names(text: String, name: String, revision: String) throws {
    let id = try #require(HubModelID(text))
    #expect((id.name, id.wanted, id.description) == (name, revision, text))
  }

  @Test(arguments: [
    "name", "a/b/c", "/a", "a/", "./a", "../a", "a/..", "a--b/c", "a/b.git", "a/b@", "a/b@..", "a/b@x/../y", "a b/c",
    "models/ä", "~/x", "",
  ]) func pathsAreNoNames(text: String) { #expect(HubModelID(text) == nil) }

  @Test func whatLiesBesideADirectoryIsAPath() throws {
    let known = FileManager.default.currentDirectoryPath
    #expect(Hub.id(known) == nil && Hub.id("Tests/none") == nil || !FileManager.default.fileExists(atPath: "Tests"))
    #expect(Hub.id("no-such-owner/none") != nil)
  }

  @Test func aReadErrorIsNotTheEndOfAPartialFile() throws {
    // Reading a process's memory at address 0 fails.
    #expect(throws: HubError.cache(path: "/proc/self/mem", reason: "Input/output error")) {
      _ = try PartialFile(path: "/proc/self/mem")
    }
  }
}
