import Adapters
import Checkpoints
import Models

extension FuzzTarget {
  /// An adapter's config and tensors, ours or PEFT's, for a model of two small layers.
  static let adapter = FuzzTarget(name: "adapter") { input, directory in
    let parts = parts(input)
    try directory.fill([
      AdapterFile.configName: parts[0], AdapterFile.tensorsName: safetensorsBytes(parts.dropFirst()),
    ])
    if try AdapterFile.isNative(directory.path) {
      try uniform(AdapterFile.read(directory.path, sites: adaptedSites).expanded)
    } else {
      try uniform(PEFTAdapter.read(directory.path, geometry: geometry.get()).expanded)
    }
  }

  private static let geometry = Result {
    let config = #"{"model_type":"bert","hidden_size":2,"num_hidden_layers":2,"num_attention_heads":1}"#
    return ModelGeometry(try ModelConfig(json: config))
  }

  /// The adapted maps of the model.
  static let adaptedSites = ((try? geometry.get().sites) ?? []).filter {
    ["query", "value"].contains($0.path.split(separator: ".").last)
  }

  private static func uniform(_ adapter: ExpandedAdapter) throws {
    let (table, tensors, _) = try adapter.uniform()
    for key in table.tensors where tensors[key]?.count != table.shape(key).reduce(1, *) {
      throw FuzzFinding(problem: "a tensor of the wrong size")
    }
  }
}
