import Kernels

/// LoRA-XS (Bałazy et al., arXiv 2405.17604): y = W x + s · U (R (Σ Vᵀ x)), where U, Σ and V are the r largest singular
/// values of W with their vectors, and only R (r × r) trains.
///
/// As in the authors' code, the singular values are on the side of the input, which makes `lora_alpha` matter, and R starts
/// as N(0, (10⁻⁵)²), so that the first step is close to the base model but not at it. The factors are found as there, with 10
/// passes of a randomised decomposition. PEFT does not have the method.
extension AdapterMethod {
  /// One r × r matrix between the largest singular vectors of every map.
  public static let loraXS = AdapterMethod(
    name: "lora-xs", summary: "r × r numbers between the largest singular vectors of every map (LoRA-XS)", options: []
  ) { _ in
    let inner = TensorRole("R")
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
      let factors = try subject.factors(of: subject.rank, excess: 10, iterations: 10)
      return [.a: Dense.scaledRows(factors.right, by: factors.values), .b: factors.left]
    }
    return MethodDesign(form: form, start: start) { site, rank, _ in
      [
        .a(site, rank, layer: site.layer, trains: false), .b(site, rank, layer: site.layer, trains: false),
        AdapterTensor(
          TensorKey(role: inner, module: site.module, layer: site.layer), shape: [rank, rank],
          start: .normal(deviation: 1e-5)),
      ]
    }
  }
}
