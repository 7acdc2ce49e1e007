import Adapters
import Checkpoints

extension FuzzTarget {
  /// An adapter's config and tensors, ours or PEFT's, for a model of two small layers.
  static let adapter = FuzzTarget(name: "adapter") { input, directory in
    let parts = parts(input)
    try directory.fill([
      AdapterFile.configName: parts[0], AdapterFile.tensorsName: safetensorsBytes(parts.dropFirst()),
    ])
    if try AdapterFile.isNative(directory.path) {
      let adapter = try AdapterFile.read(directory.path)
      try uniform(adapter.expanded)
      try adapter.table.requireFit(modelSites: adaptedSites, place: directory.path)
    } else {
      try uniform(PEFTAdapter.read(directory.path, modelSites: adaptedSites, basePrefix: "bert").expanded)
    }
  }

  /// The maps of the model.
  static let adaptedSites = (0..<2).flatMap { layer in
    ["attention.self.query", "attention.self.value"].map { module in
      Site(layer: layer, module: module, path: "encoder.layer.\(layer).\(module)", inFeatures: 2, outFeatures: 2)
    }
  }

  private static func uniform(_ adapter: ExpandedAdapter) throws {
    let (table, tensors, _) = try adapter.uniform()
    for key in table.tensors where tensors[key]?.count != table.shape(key).reduce(1, *) {
      throw FuzzFinding(problem: "a tensor of the wrong size")
    }
  }
}
