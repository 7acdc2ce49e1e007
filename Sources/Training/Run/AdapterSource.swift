import Adapters
import Tasks

/// An adapter directory of either kind.
public struct AdapterSource: Sendable {
  /// Every adapted map with its own A and B.
  public let expanded: ExpandedAdapter
  /// A native adapter's own form, with its sharing; nil for PEFT's.
  public let native: StoredAdapter?

  /// Reads a native or an HF PEFT adapter directory, for the model of `run`.
  public static func read(_ directory: String, _ run: PreparedRun) throws -> AdapterSource {
    guard try AdapterFile.isNative(directory) else {
      return AdapterSource(
        expanded: try PEFTAdapter.read(directory, geometry: run.geometry).expanded, native: nil)
    }
    let stored = try AdapterFile.read(directory, sites: run.geometry.sites, methods: run.config.catalog.methods)
    return AdapterSource(expanded: stored.expanded, native: stored)
  }

  /// The labels the head was trained for, where they are known.
  public var labels: LabelSpace? { native.flatMap { LabelSpace(names: $0.metadata.labels) } }

  /// The numbers that a run with `table` starts from. An adapter of the same method gives its own tensors.
  func initialise(_ table: SiteTable) throws -> [TensorKey: [Float]] {
    if table.method.form != nil, let native, native.table == table { return native.tensors }
    return try expanded.initialise(table)
  }
}
