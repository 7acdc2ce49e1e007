extension AdapterMethod {
  /// LoRA+ (Hayou et al., arXiv 2402.12354): every B and every vector trains at `ratio` times the run's learning rate, as in
  /// PEFT's `create_loraplus_optimizer`. The tensors stay the same.
  public func withLoRAPlus(ratio: Double) -> AdapterMethod {
    var method = self
    let tensors = design.tensors
    method.design.tensors = { site, rank, maps in
      tensors(site, rank, maps).map { tensor in
        var tensor = tensor
        if tensor.key.role.fileName.hasPrefix("lora_B") || tensor.shape.count == 1 { tensor.rateFactor *= ratio }
        return tensor
      }
    }
    method.design.vectorRateFactor = ratio
    return method
  }
}
