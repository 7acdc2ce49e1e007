extension SharingStrategy {
  /// LoRA (arXiv 2106.09685): every site has its own A and its own B.
  public static let lora = SharingStrategy(
    name: "lora", summary: "an A and a B for every adapted map (LoRA)"
  ) { side, site in
    TensorKey(side: side, module: site.module, layer: site.layer)
  }

  /// No adapters: the base model is frozen and only the task's head trains.
  public static let headOnly = SharingStrategy(
    name: "none", summary: "no adapters, the task's head alone", hasAdapters: false
  ) { side, site in
    TensorKey(side: side, module: site.module, layer: site.layer)
  }
}
