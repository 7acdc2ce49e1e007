import Adapters
import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON
import Tasks
import Testing

@testable import Training

/// What must hold for every method, on a tiny BERT with three kinds of maps: square ones, a wide and a narrow one.
@Suite struct MethodTests {
  /// Methods whose first forward pass equals the base model's only up to rounding, or not at all (zoo.md, section 1).
  private static let startsNearby: Set<String> = [
    "lora-xs", "lora-xs without projections", "lora-xs with use_dora", "lora with pissa",
    "share-a with pissa and use_dora", "aslora with olora",
    "lora with orthogonal",
  ]
  private static let startsElsewhere: Set<String> = ["uni-lora", "vb-lora", "vb-lora with rank_pattern", "deal"]

  @Test(arguments: MethodCase.all) func startsAtTheBaseModel(subject: MethodCase) throws {
    let scratch = try MethodScratch(subject), run = try TrainingRun(scratch.config(), threads: 1, start: .fresh)
    let state = run.trainer.state, items = try run.run.load(.train).items
    let engine = try run.run.engine(scale: run.run.scale)
    var bare = TrainableState(table: try SiteTable(sites: [], method: .headOnly, r: 4), head: state.head)
    for index in state.head.indices { bare[head: index] = state[head: index] }
    let ours = engine.evaluate(items, state: state).logits.joined()
    let base = engine.evaluate(items, state: bare).logits.joined()
    if Self.startsElsewhere.contains(subject.name) {
      #expect(Array(ours) != Array(base))
    } else if Self.startsNearby.contains(subject.name) {
      let difference = zip(ours, base).reduce(0) { max($0, abs($1.0 - $1.1)) }
      // LoRA-XS starts with R of 1e-5, not zero.
      #expect(difference < (subject.name.hasPrefix("lora-xs") ? 1e-3 : 1e-5), "\(difference)")
    } else {
      #expect(Array(ours) == Array(base))
    }
    #expect(state.isFinite)
  }

  /// Along the gradient and along a random direction, in every trained tensor, the loss changes as the gradient says.
  @Test(arguments: MethodCase.all) func gradientsAreThoseOfTheLoss(subject: MethodCase) throws {
    // After some steps, so that what a procedure does is done.
    let scratch = try MethodScratch(subject), run = try scratch.train()
    let state = run.trainer.state.moved(by: 0.2, seed: 3), items = try run.run.load(.train).items
    let engine = try run.run.engine(scale: run.run.scale)
    let gradients = FloatStorage(zeros: state.storageCount)
    _ = engine.gradients(of: items, state: state, dropout: nil, into: gradients)
    state.pullBack(gradients)
    _ = state.regularise(gradients)
    #expect(gradients[state.parameterCount..<state.storageCount].allSatisfy { $0 == 0 })
    for key in state.table.tensors where state.table.tensor(key).trains {
      let name = state.table.name(of: key), reference = try #require(state.reference(key))
      let gradient = gradients[reference.range].map(Double.init)
      let size = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let random = Philox(seed: 5).normal(gradient.count, deviation: 1, stream: Philox.stream(named: name))
      for direction in [gradient, random.map(Double.init)] {
        let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > 0 else { continue }
        let unit = direction.map { $0 / length }
        let expected = zip(gradient, unit).reduce(0) { $0 + $1.0 * $1.1 }
        let measured = slope(of: state, key, along: unit, items, engine)
        #expect(abs(measured - expected) < 0.02 * size + 2e-4, "\(name): \(measured), not \(expected) of \(size)")
      }
      #expect(size > 0, "\(name) has no gradient")
    }
  }

  /// (L(θ + ε d) − L(θ − ε d)) / 2ε.
  private func slope(
    of state: TrainableState, _ key: TensorKey, along unit: [Double], _ items: [EncodedDataset.Item], _ engine: Engine
  ) -> Double {
    let step = 1e-3
    func loss(_ sign: Double) -> Double {
      var moved = state
      moved[key] = zip(state[key], unit).map { Float(Double($0) + sign * step * $1) }
      if key.role.name != "M" { moved.holdRowScales(of: state) }
      let gradients = FloatStorage(zeros: moved.storageCount)
      let loss = engine.gradients(of: items, state: moved, dropout: nil, into: gradients).meanLoss
      return loss + moved.regularise(gradients)
    }
    return (loss(1) - loss(-1)) / (2 * step)
  }

  @Test(arguments: MethodCase.all) func resumesAtEveryStepWithTheSameBytes(subject: MethodCase) throws {
    let scratch = try MethodScratch(subject)
    let whole = try scratch.train("whole", threads: 2)
    #expect(whole.trainer.state.step == 6)
    let bytes = try #require(scratch.adapter("whole"))
    for stop in 1..<6 {
      try scratch.train("run-\(stop)", stop: stop)
      let rest = try scratch.train("run-\(stop)", threads: 3, start: .resume)
      #expect(rest.firstStep == stop)
      #expect(scratch.adapter("run-\(stop)") == bytes, "stopped after step \(stop)")
    }
  }

  @Test(arguments: MethodCase.all) func filesHoldTheMethod(subject: MethodCase) throws {
    let scratch = try MethodScratch(subject), run = try scratch.train()
    let state = run.trainer.state, config = try scratch.config()
    let source = try run.run.adapter(in: config.outputDir), native = try #require(source.native)
    #expect(native.table == state.table)
    #expect(native.table.tensors.map { native.tensors[$0] } == state.table.tensors.map { state[$0] })
    let stored = state.table.tensors.map(state.table.tensor).filter(\.isStored)
    let names = try SafetensorsFile(path: "\(config.outputDir)/adapter_model.safetensors").names
    #expect(names.count == stored.count + state.head.count)

    let scoring = try ScoringRun(config, adapterDirectory: config.outputDir, threads: 1)
    let items = try run.run.load(.train).items, engine = try run.run.engine(scale: run.run.scale)
    let ours = engine.evaluate(items, state: state).logits
    #expect(scoring.logits(items) == ours)

    // As plain LoRA, each map with its own A and B.
    if source.expanded.entries.allSatisfy({ $0.isPlain }) {
      let uniform = try source.expanded.uniform()
      var plain = TrainableState(table: uniform.table, head: state.head)
      for (key, values) in uniform.tensors { plain[key] = values }
      for index in state.head.indices { plain[head: index] = state[head: index] }
      let theirs = try run.run.engine(scale: uniform.scale).evaluate(items, state: plain).logits
      #expect(zip(ours.joined(), theirs.joined()).allSatisfy { abs($0 - $1) < 1e-5 })
    }
  }

  @Test(arguments: MethodCase.all) func foldsAndExports(subject: MethodCase) throws {
    let scratch = try MethodScratch(subject), run = try scratch.train(), config = try scratch.config()
    let model = try AdaptedModel(run: RunDirectory(config.outputDir), config: config)
    let fold = try FoldRun(model)
    try fold.write(to: "\(scratch.path)/folded", overwrite: false)
    let difference = try #require(try fold.difference(at: "\(scratch.path)/folded"))
    #expect(difference.largestLogit > 0.01 && difference.largest < 1e-5 * difference.largestLogit, "\(difference)")

    guard model.adapter.entries.allSatisfy({ $0.isPlain || $0.magnitude != nil }) else { return }
    let export = try ExportRun(model, format: .peft)
    #expect(export.notices == Self.notices(of: subject))
    _ = try export.write(to: "\(scratch.path)/peft", overwrite: false)
    let read = try run.run.adapter(in: "\(scratch.path)/peft").expanded
    #expect(read.entries == model.adapter.fused(run.run.geometry).entries)
    if let parent = ProcessInfo.processInfo.environment["PEFT_EXPORT_DIRECTORY"] {
      try keep(export, run, in: "\(parent)/\(subject.name.replacing(" ", with: "-"))")
    }
  }

  /// For scripts/golden/check_zoo_export.py.
  private func keep(_ export: ExportRun, _ run: TrainingRun, in directory: String) throws {
    _ = try export.write(to: directory, overwrite: true)
    let items = try run.run.load(.train).items
    let logits = try run.run.engine(scale: run.run.scale).evaluate(items, state: run.trainer.state).logits
    func list(_ ids: [Int32]) -> JSONValue { .list(ids.map { .integer(Int($0)) }) }
    let inputs = items.map { JSONValue.members([("input_ids", list($0.ids)), ("token_type_ids", list($0.typeIDs))]) }
    let found = JSONValue.members([
      ("model", .string(GoldenRun.directory.appendingPathComponent("bert-tiny").path)), ("num_labels", 2),
      ("inputs", .list(inputs)), ("logits", .list(logits.map { .list($0.map { .number(Double($0)) }) })),
    ])
    try Data(JSONWriter.text(found, pretty: false).utf8).write(to: URL(fileURLWithPath: "\(directory)/logits.json"))
  }

  /// A step whose numbers are not finite ends the run with what is wrong, whatever the gradients are made of.
  @Test(arguments: MethodCase.all) func aStepThatIsNotFiniteEndsTheRun(subject: MethodCase) throws {
    let scratch = try MethodScratch(subject)
    var config = try scratch.config()
    config.training.learningRate = 1e30
    var run = try TrainingRun(config, threads: 1, start: .fresh)
    let error = try #require(#expect(throws: (any Error).self) { _ = try run.execute { _ in } } as? any UserFacingError)
    #expect(error.exitStatus == .badInput && error.description.contains("finite"), "\(error)")
  }

  /// What a config gives and a method has no use for is said.
  @Test func whatHasNoEffectIsSaid() throws {
    func notices(_ adapter: String) throws -> [String] {
      let scratch = try MethodScratch(MethodCase("one", adapter))
      return try withExtendedLifetime(scratch) {
        try TrainingRun(scratch.config(), threads: 1, start: .fresh).run.notices
      }
    }
    #expect(try notices(#""strategy": "lora", "r": 4"#).isEmpty)
    #expect(
      try notices(#""strategy": "share-a", "r": 4, "aslora": {"num_merges": 2}"#)
        == ["adapter.aslora has no effect: strategy share-a merges nothing"])
    #expect(try notices(#""strategy": "vera", "r": 6"#) == ["adapter.lora_alpha has no effect: vera scales by 1"])
  }

  /// PEFT's own forms say one r and one alpha; with others only a LoRA gives the same logits there.
  private static func notices(of subject: MethodCase) -> [String] {
    let parts = subject.name.components(separatedBy: " with ")
    if parts.last == "use_dora" { return [] }
    if parts[0] == "uni-lora" { return ["PEFT's UNILORA can only be read; written as a LoRA of the same product"] }
    let types = ["vera": "VERA", "gralora": "GRALORA", "miss": "MISS", "vb-lora": "VBLORA"]
    guard let type = types[parts[0].components(separatedBy: " ")[0]] else { return [] }
    if parts.count > 1, ["use_rslora", "alpha_pattern", "rank_pattern"].contains(parts[1]) {
      return ["PEFT's \(type) has no \(parts[1]); written as a LoRA of the same product"]
    }
    return ["written as PEFT's own \(type); --format peft-lora writes a LoRA of the same product"]
  }
}
