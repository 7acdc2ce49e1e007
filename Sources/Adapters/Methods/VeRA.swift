import Kernels
import Models
import StrictJSON

extension AdapterMethod {
  /// VeRA (Kopiczko et al., arXiv 2310.11454): y = W x + b ⊙ (B (d ⊙ (A x))). One pair of random matrices for all maps of the
  /// model, A [r, max in] and B [max out, r], is frozen and cut to each map's size; every map trains d [r] and b [out].
  ///
  /// As in PEFT, A and B are kaiming-uniform as for a layer before a ReLU, d starts at `d_initial` and b at 0; there is
  /// no alpha. The random numbers are ours, drawn from `projection_prng_key`: PEFT's are read where its files hold them.
  public static let vera = AdapterMethod(
    name: "vera", summary: "one frozen random A and B for all maps, two vectors per map (VeRA)",
    options: [
      MethodOption(
        "projection_prng_key", .integer(0...MethodOption.most), default: 0, "The seed of the frozen A and B."),
      MethodOption(
        "save_projection", .truth, default: true,
        "Whether files hold the frozen A and B; without them, they are drawn again from the seed."),
      MethodOption("d_initial", .positive, default: 0.1, "What d starts with."),
    ]
  ) { options in
    MethodDesign(form: form, scale: .fixed(1), peft: peft, ranksAreBounded: false) { site, rank, maps in
      frozenPair(rank, maps, options)
        + [
          .vector(VeRA.d, site, count: rank, start: .constant(Float(options.number("d_initial")))),
          .vector(VeRA.b, site, count: site.outFeatures, start: .zeros),
        ]
    }
  }

  private static func frozenPair(_ rank: Int, _ maps: AdaptedMaps, _ options: MethodValues) -> [AdapterTensor] {
    func frozen(_ role: TensorRole, _ shape: [Int]) -> AdapterTensor {
      AdapterTensor(
        .ofAllModules(role), shape: shape, start: .uniform(bound: (6 / Double(shape[1])).squareRoot()), trains: false,
        seed: options.integer("projection_prng_key"), isStored: options.truth("save_projection"))
    }
    return [frozen(VeRA.sharedA, [rank, maps.largestIn]), frozen(VeRA.sharedB, [maps.largestOut, rank])]
  }

  private static let form = ProductForm(
    build: { tensors in
      let (a, b) = VeRA.cut(tensors)
      return SiteProduct(
        rank: tensors.rank, a: Dense.scaledRows(a, by: tensors[VeRA.d]), b: Dense.scaledRows(b, by: tensors[VeRA.b]))
    },
    pullBack: { tensors, gradient in
      let (a, b) = VeRA.cut(tensors)
      return [
        VeRA.d: Dense.rowDots(gradient.a, a, rows: tensors.rank),
        VeRA.b: Dense.rowDots(gradient.b, b, rows: tensors.site.outFeatures),
      ]
    })

  private static let peft = PEFTForm(
    type: "VERA", keys: ["projection_prng_key", "save_projection", "vera_dropout", "d_initial", "init_weights"],
    tensors: [
      PEFTForm.Tensor(VeRA.d, "vera_lambda_d"), PEFTForm.Tensor(VeRA.b, "vera_lambda_b"),
      PEFTForm.Tensor(VeRA.sharedA, "vera_A", isOfModel: true),
      PEFTForm.Tensor(VeRA.sharedB, "vera_B", isOfModel: true),
    ],
    config: { subject in
      [
        ("r", .integer(subject.rank)), ("vera_dropout", plain(subject.metadata.loraDropout)),
        ("projection_prng_key", subject.options["projection_prng_key"] ?? 0), ("save_projection", true),
        ("d_initial", subject.options["d_initial"] ?? 0.1), ("init_weights", true),
      ]
    },
    read: { config in
      if let saved = try config.optional("save_projection"), try !saved.bool() {
        throw saved.error(
          "the file lacks the frozen matrices, which PEFT draws from torch's generator; save it with save_projection")
      }
      var options = MethodValues()
      options["projection_prng_key"] = .integer(try config.optional("projection_prng_key")?.integer(atLeast: 0) ?? 0)
      options["d_initial"] = plain(try config.optional("d_initial")?.number() ?? 0.1)
      return PEFTForm.Reading(rank: try config.member("r").size(), options: options)
    })
}

/// The tensors of VeRA and of Tied-LoRA's vectors.
enum VeRA {
  static let sharedA = TensorRole("A", fileName: "vera_A")
  static let sharedB = TensorRole("B", fileName: "vera_B")
  static let d = TensorRole("d", fileName: "vera_lambda_d")
  static let b = TensorRole("b", fileName: "vera_lambda_b")

  /// The parts of A and B that the site uses.
  static func cut(_ tensors: SiteTensors) -> (a: [Float], b: [Float]) {
    let a = tensors[sharedA], b = tensors[sharedB], rank = tensors.rank, numbers = tensors.site.outFeatures * rank
    return (
      Dense.columns(a, of: a.count / rank, from: 0, count: tensors.site.inFeatures),
      b.count == numbers ? b : Array(b.prefix(numbers))
    )
  }
}
