import StrictJSON

@testable import Reports
@testable import RunStore

/// A run that was recorded by hand.
func recorded(
  _ id: Int64, _ strategy: String = "lora", seed: Int = 1, name: String = "run", status: RunStatus = .completed,
  adapter: Int = 100, config: [(String, JSONValue)] = [], metrics: [MetricPoint] = [], merges: [MergeRecord] = []
) -> RecordedRun {
  let training: [(String, JSONValue)] = [("seed", .integer(seed))] + config
  let section: JSONValue = ["strategy": .string(strategy)]
  let sections: [(String, JSONValue)] = [
    ("name", .string(name)), ("adapter", section), ("training", .members(training)),
    ("output_dir", .string("runs/\(id)")),
  ]
  let text = JSONWriter.text(.members(sections), pretty: false)
  let details = RunDetails(
    name: name, model: "m", modelType: "bert", task: "sst2", strategy: strategy, r: 8, loraAlpha: 16, seed: seed,
    precision: "float32", threads: 1,
    parameters: ParameterCounts(adapter: adapter, trainable: adapter + 10, total: 1000), config: text,
    outputDir: "runs/\(id)", version: "0")
  return RecordedRun(
    run: Run(id: id, status: status, startedAt: "2026-01-01T00:00:00.000Z", finishedAt: nil, details: details),
    metrics: metrics, merges: merges)
}

func validation(_ name: String, _ values: [(Int, Double)]) -> [MetricPoint] {
  values.map { MetricPoint(step: $0.0, epoch: 0, split: .validation, name: name, value: $0.1) }
}

func merge(_ step: Int, _ lower: Int, _ upper: Int, left: Int, module: String = "q") -> MergeRecord {
  MergeRecord(step: step, module: module, lowerLayer: lower, upperLayer: upper, distance: 0.5, groupsLeft: left)
}
