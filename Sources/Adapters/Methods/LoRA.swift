extension AdapterMethod {
  /// LoRA (arXiv 2106.09685): every site has its own A and its own B.
  public static let lora = AdapterMethod(name: "lora", summary: "an A and a B for every adapted map (LoRA)") {
    site, rank in
    [.a(site, rank), .b(site, rank)]
  }

  /// No adapters: the base model is frozen and only the task's head trains.
  public static let headOnly = AdapterMethod(
    name: "none", summary: "no adapters; trains the task's head alone", hasAdapters: false
  ) { _, _ in [] }
}

/// ShareLoRA (arXiv 2406.10785): one A, one B or both for all layers of a module type.
///
/// Shared per module type, never across types even where the shapes agree: with query and value adapted there is one
/// A of the queries and one A of the values. Shared tensors train like any other: they get the sum of their sites'
/// gradients, and the optimiser sees each once. The `-qkv` variants share on the query, key and value projections
/// only; other adapted modules keep plain LoRA.
extension AdapterMethod {
  /// One A per module type, a B per layer.
  public static let shareA = shareLoRA("share-a", [.a], "one A per module type for all layers, a B per layer")
  /// An A per layer, one B per module type.
  public static let shareB = shareLoRA("share-b", [.b], "an A per layer, one B per module type for all layers")
  /// One A and one B per module type: every layer gets the same update.
  public static let shareAB = shareLoRA("share-ab", [.a, .b], "one A and one B per module type for all layers")
  /// `share-a` on the query, key and value projections.
  public static let shareAQKV = shareLoRA("share-a-qkv", [.a], "share-a for query, key and value; else LoRA", qkv: true)
  /// `share-b` on the query, key and value projections.
  public static let shareBQKV = shareLoRA("share-b-qkv", [.b], "share-b for query, key and value; else LoRA", qkv: true)
  /// `share-ab` on the query, key and value projections.
  public static let shareABQKV = shareLoRA(
    "share-ab-qkv", [.a, .b], "share-ab for query, key and value; else LoRA", qkv: true)

  private static func shareLoRA(
    _ name: String, _ shared: Set<TensorRole>, _ summary: String, qkv: Bool = false
  ) -> AdapterMethod {
    AdapterMethod(name: name, summary: summary) { site, rank in
      let shares = site.isQueryKeyValue || !qkv
      func layer(_ role: TensorRole) -> Int? { shares && shared.contains(role) ? nil : site.layer }
      return [.a(site, rank, layer: layer(.a)), .b(site, rank, layer: layer(.b))]
    }
  }
}
