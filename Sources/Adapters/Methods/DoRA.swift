import Kernels
import Models

extension TensorRole {
  /// m [out] of DoRA.
  static let magnitude = TensorRole("M", fileName: "lora_magnitude_vector")
}

/// DoRA (Liu et al., arXiv 2402.09353), as PEFT's `use_dora`: y = m / ‖W + s B A‖ ⊙ (W x + s B A x) + bias, with the norms of
/// the rows of W + s B A, and a trained m [out] of every adapted map, which starts as those norms.
///
/// As in the paper, section 4.3, the norms count as constants in gradients. m is never shared, whatever the method shares, and
/// stays that of its map where ASLoRA merges. The norms come from ‖W_i‖² + 2s (W Aᵀ)_i · B_i + s² (B A Aᵀ)_i · B_i, without
/// B A.
///
/// With `lora_dropout` PEFT also drops inputs of W in (g − 1) ⊙ W x; here A's inputs alone are dropped, as without DoRA.
extension AdapterMethod {
  /// Whether magnitudes can be put on its products: they are low-rank and have no row scale of their own.
  public var takesDoRA: Bool { hasAdapters && form.map { !$0.scalesRows && $0.sparse == nil } ?? true }

  /// The method with magnitudes.
  func withDoRA() -> AdapterMethod {
    precondition(takesDoRA)
    var method = self
    let tensors = design.tensors, inner = form
    @Sendable func build(_ site: SiteTensors) -> SiteProduct {
      inner?.build(site) ?? SiteProduct(rank: site.rank, a: site[.a], b: site[.b])
    }
    @Sendable func rank(_ site: Site, _ rank: Int, _ maps: AdaptedMaps) -> Int {
      inner?.rank(site, rank, maps) ?? rank
    }
    let magnitude = TensorRole.magnitude
    method.design.tensors = { site, rank, maps in
      tensors(site, rank, maps) + [.vector(magnitude, site, count: site.outFeatures, start: .zeros)]
    }
    method.design.form = ProductForm(
      rank: rank, scalesRows: true, needsWeights: true,
      build: { site in
        var product = build(site)
        product.rowScale = Dense.quotients(site[magnitude], norms(of: product, site))
        return product
      },
      pullBack: { site, gradient in
        var gradients = inner?.pullBack(site, gradient) ?? [.a: gradient.a, .b: gradient.b]
        let outer = gradient.rowScale ?? [], m = site[magnitude]
        // g = m / ‖·‖ has been made already, which saves the norms, unless an m is zero.
        gradients[magnitude] =
          site.rowScale.flatMap { m.contains(0) ? nil : Dense.products(outer, Dense.quotients($0, m)) }
          ?? Dense.quotients(outer, norms(of: build(site), site))
        return gradients
      })
    method.design.addsToPairs = inner == nil
    method.design.lastStart = { site in [magnitude: norms(of: build(site), site)] }
    // PEFT has the magnitudes for LoRA only, which every product is.
    method.design.peft = nil
    return method
  }
}

/// ‖W_i + s (B A)_i‖ for every row i. Exactly ‖W_i‖ for B = 0.
private func norms(of product: SiteProduct, _ site: SiteTensors) -> [Float] {
  let weight = site.weight, rank = product.rank, rows = weight.outFeatures
  let squares = weight.rowSquares()
  if product.b.allSatisfy({ $0 == 0 }) { return squares.map { $0.squareRoot() } }
  let gram = Dense.product(rank, rank, weight.inFeatures, product.a, product.a, transposesB: true)
  let cross = Dense.rowDots(weight.timesTransposed(product.a, rank: rank), product.b, rows: rows)
  let own = Dense.rowDots(Dense.product(rows, rank, rank, product.b, gram), product.b, rows: rows)
  let scale = site.scale
  return squares.indices.map { row in
    let square = Double(squares[row]) + 2 * scale * Double(cross[row]) + scale * scale * Double(own[row])
    // Rounding may leave less than nothing of a row that B A takes away.
    return Float(max(0, square)).squareRoot()
  }
}
