extension AdapterMethod {
  /// LoRA+ (Hayou et al., arXiv 2402.12354): every B and every vector trains at `ratio` times the run's learning rate, as in
  /// PEFT's `create_loraplus_optimizer`, which tells a B by `lora_B` in its name. The tensors stay the same.
  public func withLoRAPlus(ratio: Double) -> AdapterMethod {
    var method = self
    let tensors = design.tensors
    method.design.tensors = { site, rank, maps in
      tensors(site, rank, maps).map { tensor in
        var tensor = tensor
        if tensor.isFasterInLoRAPlus { tensor.rateFactor *= ratio }
        return tensor
      }
    }
    method.design.vectorRateFactor = ratio
    return method
  }
}

extension AdapterTensor {
  /// Whether LoRA+ gives it another learning rate.
  var isFasterInLoRAPlus: Bool { key.role.fileName.contains("lora_B") || shape.count == 1 }
}
