import Foundation
import RunStore
import Testing

/// What must be the same of a run that was never disturbed and one that was.
struct RunRecords: Equatable {
  let adapter: Data
  let adapterConfig: Data
  let results: Data
  let status: RunStatus
  let metrics: [MetricPoint]
  let merges: [MergeRecord]

  /// Those of the only run in `database`, written to `output`.
  init(_ sandbox: Sandbox, output: String, database: String) throws {
    adapter = try sandbox.read("\(output)/adapter_model.safetensors")
    adapterConfig = try sandbox.read("\(output)/adapter_config.json")
    results = try sandbox.read("\(output)/eval_results.json")
    let store = try RunStore.openExisting(path: sandbox.place(database))
    let runs = try store.runs()
    try #require(runs.count == 1, "the run has \(runs.count) rows")
    status = runs[0].status
    // Speeds are measured, not computed.
    metrics = try store.metrics(run: runs[0].id).filter { !$0.name.hasSuffix("_per_second") }
    merges = try store.merges(run: runs[0].id)
  }

  /// Says where two differ; comparing whole values would print them.
  func expectEqual(_ other: RunRecords, _ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(adapter == other.adapter, "adapter of \(what)", sourceLocation: sourceLocation)
    #expect(adapterConfig == other.adapterConfig, "sharing of \(what)", sourceLocation: sourceLocation)
    #expect(results == other.results, "scores of \(what)", sourceLocation: sourceLocation)
    #expect(status == other.status, sourceLocation: sourceLocation)
    #expect(metrics == other.metrics, "metrics of \(what)", sourceLocation: sourceLocation)
    #expect(merges == other.merges, "merges of \(what)", sourceLocation: sourceLocation)
  }
}
