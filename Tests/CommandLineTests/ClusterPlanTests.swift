import StrictJSON
import Testing

/// `train --dry-run` for several machines.
@Suite struct ClusterPlanTests {
  /// Steps of one shard: 8 short sentences.
  @Test func plan() throws {
    let sandbox = try Sandbox.trainable(), before = try sandbox.listing()
    let outcome = try sandbox.run("train", "config.json", "--dry-run", "--json", "--ranks", "4", "--threads", "2")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try sandbox.listing() == before)
    let json = try outcome.json(), plan = try #require(json["cluster"])
    #expect(plan["ranks"]?.integer == 4 && plan["threads"]?.integer == 2 && plan["network"]?.string == "1gb")
    #expect(plan["shards_per_step"]?.number == 1 && plan["shards_per_rank"]?.number == 1)
    #expect(plan["shard_seconds_measured"]?.value == .bool(true))
    // One rank of four sends a sum, each sends its slice of the total.
    let numbers = try #require(json["trainable_parameters"]?.integer)
    #expect(plan["bytes_per_step"]?.integer == Int((1.25 * 4 * Double(numbers) * 0.75).rounded()))
    let compute = try #require(plan["compute_seconds"]?.number), step = try #require(plan["step_seconds"]?.number)
    let exchange = try #require(plan["exchange_seconds"]?.number)
    #expect(compute > 0 && exchange > 0 && abs(compute + exchange - step) < 1e-9)
    let efficiency = try #require(plan["efficiency"]?.number)
    #expect(efficiency > 0 && efficiency <= 0.25)
    #expect(
      plan["limit"]?.string?.hasPrefix("a step has 1 shard, so only 1 of 8 workers has something to do; ") == true)
  }

  @Test func largerBatchesHelp() throws {
    let sandbox = try Sandbox.trainable()
    let outcome = try sandbox.run(
      "train", "config.json", "--dry-run", "--ranks", "2", "--threads", "1", "--network", "10gb",
      "--set", "training.train_batch_size=60")
    #expect(outcome.status == 0, "\(outcome.err)")
    let lines = outcome.out.split(separator: "\n").map(String.init)
    func line(_ name: String) -> String { lines.first { $0.hasPrefix(name + "  ") } ?? "no \(name)" }
    #expect(line("ranks").hasSuffix("2 with 1 thread each, network 10gb"))
    #expect(line("shards").contains(" a step, at most "))
    #expect(line("exchange").hasSuffix(" from each rank a step"))
    #expect(line("step").contains(" a shard, measured here) + ") && line("step").contains(" exchange; efficiency "))
    #expect(!outcome.out.contains("something to do"))
  }

  /// Without weights and data, operations are counted.
  @Test func unknownInputs() throws {
    let sandbox = try Sandbox()
    try sandbox.writeRobertaBase("model")
    let outcome = try sandbox.run(
      "train", "\(Repository.path)/configs/roberta-base-sst2-share-a.json", "--dry-run", "--json", "--ranks", "2",
      "--threads", "4", "--set", "model=model")
    #expect(outcome.status == 0, "\(outcome.err)")
    let plan = try outcome.json()["cluster"]
    #expect((plan?["shard_seconds"]?.number ?? 0) > 0)
    #expect(plan?["shard_seconds_measured"]?.value == .bool(false))
  }

  /// The ranks that a launcher started are those of the plan.
  @Test(.enabled(if: !MPIRun.installed.isEmpty, MPIRun.missing), arguments: MPIRun.installed)
  func planOfRanksThatAreThere(launcher: MPIRun) throws {
    let sandbox = try Sandbox.trainable()
    let arguments = ["train", "config.json", "--dry-run", "--threads", "1", "--network", "100gb"]
    let outcome = try launcher.run(ranks: 2, arguments + ["--json"], in: sandbox)
    #expect(outcome.status == 0, "\(outcome.err)")
    let json = try outcome.json(), plan = json["cluster"]
    #expect(plan?["ranks"]?.integer == 2 && plan?["ranks_of_host"]?.integer == 2)
    #expect(plan?["network"]?.string == "100gb")
    let host = plan?["host_memory_bytes"]?.integer ?? 0, one = json["memory_bytes"]?["total"]?.integer ?? 0
    #expect(one < host && host < 2 * one)
    let text = try launcher.run(ranks: 2, arguments, in: sandbox).out.split(separator: "\n")
    #expect(text.filter { $0.hasPrefix("memory of a host ") && $0.hasSuffix(" with 2 ranks") }.count == 1)
  }

  @Test func oneProcessHasNone() throws {
    let sandbox = try Sandbox.trainable()
    #expect(try sandbox.run("train", "config.json", "--dry-run", "--json").json()["cluster"]?.value == .null)
    #expect(try !sandbox.run("train", "config.json", "--dry-run").out.contains("\nexchange "))
  }

  @Test(arguments: [
    (["--ranks", "2"], "--ranks needs --dry-run: a run has the ranks that mpirun or srun starts"),
    (["--network", "1gb"], "--network needs --dry-run"),
    (["--network", "1gb", "--dry-run"], "--network needs --ranks"),
    (["--ranks", "0", "--dry-run"], "--ranks must be at least 1, not 0"),
    (
      ["--ranks", "2", "--network", "2gb", "--dry-run"],
      "The value '2gb' is invalid for '--network <network>'. Please provide one of '1gb', '10gb' or '100gb'."
    ),
  ]) func usage(flags: [String], sentence: String) throws {
    let sandbox = try Sandbox.trainable(), before = try sandbox.listing()
    let outcome = try sandbox.start(["train", "config.json"] + flags).finish()
    #expect(outcome.status == 64 && outcome.out.isEmpty)
    #expect(outcome.errorLines.first.map(String.init) == "swift-peft: error: " + sentence)
    #expect(try sandbox.listing() == before)
  }
}
