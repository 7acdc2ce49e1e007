import Foundation
import StrictJSON
import Testing

/// Models by their names on the Hub, from a cache and without a network.
@Suite struct HubModelTests {
  private static let offline = "HF_HUB_CACHE=$PWD/cache HF_HUB_OFFLINE=1"

  /// A sandbox whose model lies in the cache as `name`.
  private func cached(_ name: String) throws -> Sandbox {
    let sandbox = try Sandbox.trainable()
    let storage = "cache/models--" + name.replacingOccurrences(of: "/", with: "--")
    let commit = String(repeating: "a", count: 40)
    try sandbox.write("\(storage)/refs/main", commit)
    let moved = try sandbox.shell(
      """
      mkdir -p \(storage)/snapshots/\(commit) && mv model \(storage)/blobs && cd \(storage)/snapshots/\(commit) && \
      for file in ../../blobs/*; do ln -s $file .; done
      """)
    #expect(moved.status == 0)
    try sandbox.edit("config.json", "\"model\": \"model\"", "\"model\": \"\(name)\"")
    return sandbox
  }

  @Test func aRunOnAModelOfTheHubRepeatsAndLeavesTheCache() throws {
    let sandbox = try cached("owner/tiny")
    func run(_ line: String) throws -> Outcome { try sandbox.shell("\(Self.offline) $TOOL \(line)") }
    let trained = try run("train config.json")
    #expect(trained.status == 0, "\(trained.err)")
    let config = try JSONParser.parse(sandbox.text("run/run_config.json"))
    #expect(config["model"]?.string == "owner/tiny")
    for line in [
      "eval run --predictions p.tsv", "predict run data/dev.tsv", "export run --format peft --output peft",
      "merge run --output merged", "compare-params owner/tiny --r 2", "compare-params run",
      "train run/run_config.json --overwrite", "train config.json --dry-run --overwrite",
    ] {
      let outcome = try run(line)
      #expect(outcome.status == 0, "\(line): \(outcome.err)")
    }
    #expect(try sandbox.shell("echo good | \(Self.offline) $TOOL tokenize owner/tiny").status == 0)
    let peft = try JSONParser.parse(sandbox.text("peft/adapter_config.json"))
    #expect(peft["base_model_name_or_path"]?.string == "owner/tiny" && peft["revision"]?.isNull == true)
    // Copies, not links into the cache.
    for name in try FileManager.default.contentsOfDirectory(atPath: sandbox.place("merged")) {
      let attributes = try FileManager.default.attributesOfItem(atPath: sandbox.place("merged/\(name)"))
      #expect(attributes[.type] as? FileAttributeType == .typeRegular)
    }
  }

  @Test func whatIsNotThereIsSaid() throws {
    let sandbox = try Sandbox.trainable()
    try sandbox.edit("config.json", "\"model\": \"model\"", "\"model\": \"owner/tiny@v2\"")
    let outcome = try sandbox.shell("\(Self.offline) $TOOL train config.json")
    #expect(outcome.status == 66 && outcome.err.contains("HF_HUB_OFFLINE"), "\(outcome.err)")
    #expect(try sandbox.shell("\(Self.offline) $TOOL download owner/tiny").status == 66)
    #expect(try sandbox.shell("\(Self.offline) $TOOL download tiny").status == 64)
    #expect(try sandbox.shell("\(Self.offline) $TOOL download data/dev").status == 64, "a path")
    let unreachable = try sandbox.shell(
      "HF_HUB_CACHE=$PWD/cache HF_HUB_OFFLINE=0 HF_ENDPOINT=nonsense $TOOL download owner/tiny")
    #expect(unreachable.status == 74, "\(unreachable.err)")
  }

  @Test func theExampleOfHelpRunsAsPrinted() throws {
    let sandbox = try cached("sentence-transformers/all-MiniLM-L6-v2")
    let help = try sandbox.run("help", "download").out
    let example = try #require(help.split(separator: "\n").first { $0.contains("EXAMPLE: swift-peft ") })
    let words = example.components(separatedBy: "EXAMPLE: swift-peft ")[1]
    let outcome = try sandbox.shell("\(Self.offline) $TOOL \(words)")
    #expect(outcome.status == 0 && outcome.out.contains("/snapshots/"), "\(outcome.err)")
  }
}
