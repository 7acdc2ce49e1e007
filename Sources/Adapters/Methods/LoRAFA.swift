import Kernels
import Models

extension AdapterMethod {
  /// LoRA-FA (Zhang et al., arXiv 2308.03303), as PEFT's optimiser of that name has it: A is frozen as it was drawn, and AdamW
  /// gets dB · (A Aᵀ)⁻¹ / s² for the gradient of B, the step that is nearest to the one of full fine-tuning. The gradient's
  /// norm is clipped before.
  ///
  /// PEFT adds 1e-8 to the diagonal, as here, and puts AdamW's ε before the correction of the bias; ours is torch's AdamW.
  public static let loraFA = AdapterMethod(
    name: "lora-fa", summary: "a frozen A, and a B per adapted map with a preconditioned gradient (LoRA-FA)",
    options: [
      MethodOption("share_a", .truth, default: false, "Whether all layers of a module type have one A.")
    ]
  ) { options in
    let shares = options.truth("share_a")
    var design = MethodDesign { site, rank, _ in
      [.a(site, rank, layer: shares ? nil : site.layer, trains: false), .b(site, rank)]
    }
    design.preconditioner = { role, gradient, tensors in role == .b ? preconditioned(gradient, tensors) : gradient }
    return design
  }

  /// dB (A Aᵀ + 1e-8)⁻¹ / s²; nil without an inverse. Only a file's A can have none, one so large that 1e-8 is lost.
  private static func preconditioned(_ gradient: [Float], _ tensors: SiteTensors) -> [Float]? {
    let rank = tensors.rank, scale = tensors.scale * tensors.scale
    var gram = Dense.product(
      rank, rank, tensors.site.inFeatures, tensors[.a], tensors[.a], transposesB: true
    ).map { Double($0) * scale }
    for index in 0..<rank { gram[index * rank + index] += 1e-8 * scale }
    return Dense.product(gradient, withInverseOf: gram, size: rank)
  }
}
