import Foundation
import Kernels
import Testing

extension RunPrecision {
  /// Those that this machine trains in.
  static let tested = allCases.filter {
    switch $0 {
    case .float32: true
    case .bfloat16: Products.hasBFloat16
    case .int8: Int8Products.isAvailable
    }
  }
}

/// A run whose frozen maps are rounded to eight bits, on the command line.
@Suite(.enabled(if: Int8Products.isAvailable, "this machine has no int8 products")) struct Int8RunTests {
  static let factors = "int8_factors.safetensors"

  func trained(_ more: String...) throws -> Sandbox {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.start(["train", "config.json", "--set", "training.precision=int8"] + more).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return sandbox
  }

  @Test func aRunKeepsItsFactorsAndScoresAgainWithThem() throws {
    let sandbox = try trained()
    let scores = try sandbox.read("run/eval_results.json"), factors = try sandbox.read("run/\(Self.factors)")
    #expect(try sandbox.read("run/checkpoints/step-00000016/\(Self.factors)") == factors)
    #expect(try sandbox.run("eval", "run").status == 0)
    #expect(try sandbox.read("run/eval_results.json") == scores)
    // The base model is another one without them.
    try FileManager.default.removeItem(atPath: sandbox.place("run/\(Self.factors)"))
    let refused = try sandbox.run("eval", "run")
    #expect(refused.status == 65 && refused.err.contains("run: has no \(Self.factors)"))
    #expect(try sandbox.run("eval", "run", "--set", "training.precision=float32").status == 0)
  }

  @Test func theBaseModelAloneIsRoundedAsARunWouldRoundIt() throws {
    let sandbox = try Sandbox.trainable()
    for precision in ["float32", "int8"] {
      let outcome = try sandbox.run(
        "eval", "config.json", "--set", "training.precision=\(precision)", "--output-dir", precision)
      #expect(outcome.status == 0, "\(outcome.err)")
    }
  }

  /// An adapter that no run in int8 made is scored over a model that is rounded as a run on the task would round it.
  @Test func anAdapterFromElsewhere() throws {
    let sandbox = try trained()
    #expect(try sandbox.run("export", "run", "--format", "peft", "--output", "peft").status == 0)
    let outcome = try sandbox.run(
      "eval", "config.json", "--adapter", "peft", "--set", "training.precision=int8", "--output-dir", "scores")
    #expect(outcome.status == 0, "\(outcome.err)")
    // An adapter of PEFT knows no step.
    let scores = try sandbox.text("run/eval_results.json").replacing(/"step": \d+/, with: "\"step\": 0")
    #expect(try sandbox.text("scores/eval_results.json") == scores)
  }

  /// 255 · 127 · 66,000 is the most that 32 bits hold.
  @Test func mapsWhoseSumsCouldOverflowAreRefused() throws {
    let sandbox = try Sandbox.trainable()
    let config = try sandbox.text("model/config.json")
    let wide = config.replacing(/"intermediate_size": \d+/, with: "\"intermediate_size\": 70000")
    try sandbox.write("model/config.json", wide)
    let outcome = try sandbox.run("train", "config.json", "--set", "training.precision=int8")
    #expect(outcome.status == 65)
    #expect(
      outcome.err.contains(
        "int8 takes maps of at most 66000 inputs and outputs; encoder.layer.0.intermediate.dense has 70000"))
  }

  /// Its first tokens are the first of the file, whatever the order of training.
  @Test func theFactorsDependOnTheFirstExamplesAlone() throws {
    let sandbox = try trained()
    let factors = try sandbox.read("run/\(Self.factors)")
    let again = try sandbox.run(
      "train", "config.json", "--set", "training.precision=int8", "--set", "training.seed=9", "--set",
      "adapter.strategy=aslora",
      "--output-dir", "other")
    #expect(again.status == 0, "\(again.err)")
    #expect(try sandbox.read("other/\(Self.factors)") == factors)
  }

  @Test func factorsOfAnotherModelAreRefused() throws {
    let sandbox = try trained()
    var bytes = try sandbox.read("run/\(Self.factors)")
    let name = Array("encoder.layer.0".utf8)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
    bytes[place + name.count - 1] = UInt8(ascii: "7")
    try Data(bytes).write(to: URL(fileURLWithPath: sandbox.place("run/\(Self.factors)")))
    let outcome = try sandbox.run("eval", "run")
    #expect(outcome.status == 65)
    #expect(outcome.err.contains("holds int8 factors of encoder.layer.7.attention"), "\(outcome.err)")
  }

  @Test func anotherPrecisionDoesNotGoOnWithARun() throws {
    let sandbox = try trained()
    let outcome = try sandbox.run("train", "config.json", "--resume")
    #expect(
      outcome.status == 65 && outcome.err.contains("training.precision: \"int8\", now \"float32\""), "\(outcome.err)")
  }

  @Test func aDryRunRoundsAndEstimates() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run("train", "config.json", "--set", "training.precision=int8", "--dry-run")
    #expect(outcome.status == 0 && !sandbox.exists("run"), "\(outcome.err)")
  }
}
