import Kernels

/// LoRA-XS (Bałazy et al., arXiv 2405.17604): y = W x + s · U (R (Σ Vᵀ x)), where U, Σ and V are the r largest singular
/// values of W with their vectors, and only R (r × r) trains.
///
/// As in the authors' code, the singular values are on the side of the input, which makes `lora_alpha` matter, and R starts
/// as N(0, (10⁻⁵)²), so that the first step is close to the base model but not at it. The factors are found as there, with 10
/// passes of a randomised decomposition with the seed 42. PEFT does not have the method.
extension AdapterMethod {
  /// One r × r matrix between the largest singular vectors of every map.
  public static let loraXS = AdapterMethod(
    name: "lora-xs", summary: "r × r numbers between the largest singular vectors of every map (LoRA-XS)",
    options: [
      MethodOption(
        "save_projection", .truth, default: true,
        "Whether files hold the singular vectors; false finds them again from the base model's weights.")
    ]
  ) { options in
    let inner = TensorRole("R"), saves = options.truth("save_projection")
    let form = ProductForm(
      build: { site in
        let (out, r) = (site.site.outFeatures, site.rank)
        return SiteProduct(rank: r, a: site[.a], b: Dense.product(out, r, r, site[.b], site[inner]))
      },
      pullBack: { site, gradient in
        let (out, r) = (site.site.outFeatures, site.rank)
        return [inner: Dense.product(r, r, out, site[.b], gradient.b, transposesA: true)]
      })
    let start = WeightStart(of: [.a, .b]) { subject in
      let factors = try subject.factors(of: subject.rank, excess: 10, iterations: 10, philox: Philox(seed: seed))
      return [.a: Dense.scaledRows(factors.right, by: factors.values), .b: factors.left]
    }
    return MethodDesign(form: form, start: start) { site, rank, _ in
      func tensor(_ role: TensorRole, _ shape: [Int]) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role, of: site), shape: shape,
          start: role == inner ? .normal(deviation: 1e-5) : .zeros, trains: role == inner,
          seed: role == inner || saves ? nil : Int(seed), isStored: role == inner || saves)
      }
      return [
        tensor(.a, [rank, site.inFeatures]), tensor(.b, [site.outFeatures, rank]), tensor(inner, [rank, rank]),
      ]
    }
  }

  /// That of the decomposition, as in the authors' code, whatever the run's is: files need not hold what it finds.
  private static let seed: UInt64 = 42
}
