extension SharingStrategy {
  /// ASLoRA (arXiv 2412.10135): one A per module type for all layers; a B per layer at first, and B's of similar
  /// layers are tied while training. What is tied when is `ASLoRAPlan`'s; the tying is `SiteTable.mergeB`.
  public static let aslora = SharingStrategy(
    name: "aslora", summary: "one A per module type, B's merged across layers while training (ASLoRA)",
    mergesWhileTraining: true
  ) { side, site in
    TensorKey(side: side, module: site.module, layer: side == .a ? nil : site.layer)
  }
}
