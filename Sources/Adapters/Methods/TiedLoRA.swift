import Kernels
import Models

extension AdapterMethod {
  /// Tied-LoRA (Renduchintala et al., arXiv 2311.09578), with all four trained (its variant TL6): y = W x + s · v ⊙ (B (u ⊙ (A x))).
  /// A and B are shared by all layers of a module type, u [r] and v [out] belong to each map.
  ///
  /// A is kaiming-uniform, B zero, u and v ones. The paper ties the fused map of queries, keys and values; here each module
  /// type has its own pair.
  public static let tiedLoRA = AdapterMethod(
    name: "tied-lora", summary: "one trained A and B per module type, two vectors per map (Tied-LoRA)", form: tiedForm
  ) { site, rank in
    [
      .a(site, rank, layer: nil), .b(site, rank, layer: nil),
      .vector(TiedLoRA.u, site, count: rank, start: .constant(1)),
      .vector(TiedLoRA.v, site, count: site.outFeatures, start: .constant(1)),
    ]
  }

  private static let tiedForm = ProductForm(
    build: { tensors in
      SiteProduct(
        rank: tensors.rank, a: Dense.scaledRows(tensors[.a], by: tensors[TiedLoRA.u]),
        b: Dense.scaledRows(tensors[.b], by: tensors[TiedLoRA.v]))
    },
    pullBack: { tensors, gradient in
      [
        .a: Dense.scaledRows(gradient.a, by: tensors[TiedLoRA.u]),
        .b: Dense.scaledRows(gradient.b, by: tensors[TiedLoRA.v]),
        TiedLoRA.u: Dense.rowDots(gradient.a, tensors[.a], rows: tensors.rank),
        TiedLoRA.v: Dense.rowDots(gradient.b, tensors[.b], rows: tensors.site.outFeatures),
      ]
    })
}

private enum TiedLoRA {
  static let u = TensorRole("u")
  static let v = TensorRole("v")
}
