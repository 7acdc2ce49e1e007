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
