import Kernels
import Models
import StrictJSON

extension AdapterMethod {
  /// MiSS (Kang et al., arXiv 2409.15371; PEFT's `miss`): x, padded with zeros to a multiple of r, is cut into pieces of r
  /// numbers, their sum h is taken, and y = W x + D ᵀ h with D [r, out] trained from 0. There is no alpha.
  ///
  /// It is a LoRA whose A is the fixed matrix [I I …]. PEFT's variants `bat` and `mini` are not read.
  public static let miss = AdapterMethod(
    name: "miss", summary: "one trained matrix [r, out] per map on sums of the input's pieces (MiSS)", options: []
  ) { _ in
    MethodDesign(
      form: ProductForm(
        build: { tensors in
          let inputs = tensors.site.inFeatures, outputs = tensors.site.outFeatures, rank = tensors.rank
          var a = [Float](repeating: 0, count: rank * inputs)
          for column in 0..<inputs { a[column % rank * inputs + column] = 1 }
          return SiteProduct(
            rank: rank, a: a, b: Dense.transposed(tensors[block], rows: tensors[block].count / outputs))
        },
        pullBack: { tensors, gradient in [block: Dense.transposed(gradient.b, rows: tensors.site.outFeatures)] }),
      scale: .fixed(1), peft: missInPEFT
    ) { site, rank, _ in
      [
        AdapterTensor(
          TensorKey(block, of: site), shape: [rank, site.outFeatures], start: .zeros
        )
      ]
    }
  }

  private static let block = TensorRole("D", fileName: "miss_block")

  private static let missInPEFT = PEFTForm(
    type: "MISS", keys: ["miss_dropout", "mini_r", "init_weights"],
    tensors: [PEFTForm.Tensor(block, "miss_block")],
    config: { subject in
      [
        ("r", .integer(subject.rank)), ("miss_dropout", plain(subject.metadata.loraDropout)), ("mini_r", 1),
        ("init_weights", true),
      ]
    },
    read: { config in
      if let variant = try config.optional("init_weights"), variant.node.bool == nil {
        throw variant.error("this variant of MiSS is not supported, only the plain one (true)")
      }
      return PEFTForm.Reading(rank: try config.member("r").size())
    })
}
