import Kernels
import Models

extension AdapterMethod {
  /// RaSA (He et al., ICLR 2025; zwhe99/RaSA): y = W x + [B B_S] · D · [A; A_S] x. Each map keeps r − k ranks of its own and
  /// gives k to a pool that all L layers of its module type share: A_S [L k, in] and B_S [out, L k]. D is a diagonal of the
  /// map's own, trained, and takes the place of alpha / r.
  ///
  /// D starts at alpha / (2 (r − k)) for the map's own ranks and at alpha / (2 L k) for the pool's.
  public static let rasa = AdapterMethod(
    name: "rasa", summary: "LoRA whose layers give some of their ranks to a pool that all of them use (RaSA)",
    options: [
      MethodOption(
        "k", .integer(1...MethodOption.most), default: .null,
        "Ranks that each map gives to the pool; null: r / 8, at least 1.")
    ]
  ) { options in
    let given = options.size("k")
    @Sendable func size(_ rank: Int) -> Int { given ?? max(rank / 8, 1) }
    return MethodDesign(
      form: rasaForm(size), scale: .inTensors,
      misfits: { _, rank, _ in
        size(rank) < rank ? [] : [MethodMisfit("rasa.k", "\(size(rank)) leaves none of the \(rank) ranks to the map")]
      }
    ) { site, rank, maps in
      let k = size(rank), pool = k * maps.layerCount(of: site)
      func shared(_ role: TensorRole, _ shape: [Int], _ start: AdapterTensor.Start) -> AdapterTensor {
        AdapterTensor(TensorKey(role: role, module: site.module, layer: nil), shape: shape, start: start)
      }
      return [
        .a(site, rank - k), .b(site, rank - k), shared(RaSA.a, [pool, site.inFeatures], .kaimingUniform),
        shared(RaSA.b, [site.outFeatures, pool], .zeros),
        .vector(RaSA.own, site, count: rank - k, start: .alpha(over: Double(2 * (rank - k)))),
        .vector(RaSA.pool, site, count: pool, start: .alpha(over: Double(2 * pool))),
      ]
    }
  }
}

extension AdapterMethod {
  private static func rasaForm(_ size: @escaping @Sendable (Int) -> Int) -> ProductForm {
    ProductForm(
      rank: { site, rank, maps in rank - size(rank) + size(rank) * maps.layerCount(of: site) },
      build: { tensors in
        let outputs = tensors.site.outFeatures, d = RaSA.diagonal(tensors)
        return SiteProduct(
          rank: d.count, a: Dense.scaledRows(tensors[.a] + tensors[RaSA.a], by: d),
          b: Dense.sideBySide([tensors[.b], tensors[RaSA.b]], rows: outputs))
      },
      pullBack: { tensors, gradient in
        let d = RaSA.diagonal(tensors), a = tensors[.a] + tensors[RaSA.a]
        let da = Dense.scaledRows(gradient.a, by: d), dd = Dense.rowDots(gradient.a, a, rows: d.count)
        let ownA = tensors[.a].count, own = tensors[RaSA.own].count
        return [
          .a: Array(da.prefix(ownA)), RaSA.a: Array(da.dropFirst(ownA)),
          .b: Dense.columns(gradient.b, of: d.count, from: 0, count: own),
          RaSA.b: Dense.columns(gradient.b, of: d.count, from: own, count: d.count - own),
          RaSA.own: Array(dd.prefix(own)), RaSA.pool: Array(dd.dropFirst(own)),
        ]
      })
  }
}

private enum RaSA {
  static let a = TensorRole("A_S", factor: .a)
  static let b = TensorRole("B_S", factor: .b)
  /// D for the map's own ranks, and for those of the pool.
  static let own = TensorRole("D")
  static let pool = TensorRole("D_S")

  static func diagonal(_ tensors: SiteTensors) -> [Float] { tensors[own] + tensors[pool] }
}
