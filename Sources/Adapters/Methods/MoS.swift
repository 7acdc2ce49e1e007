import Kernels
import Models

extension AdapterMethod {
  /// MoS (Wang et al., ICLR 2025; Forence1999/MoS): the rows of every A, and the columns of every B, are put together of c
  /// chunks out of a pool that all layers of a module type share. A map uses r · c chunks of each pool: p · c that no other
  /// map uses, and others drawn without repetition. The pools are as large as LoRA of rank `equivalent_rank` e.
  ///
  /// Which chunks a map uses is drawn from `seed`, for A and B apart, and not stored.
  public static let mos = AdapterMethod(
    name: "mos", summary: "A and B put together of chunks from a pool per module type (MoS)",
    options: [
      MethodOption(
        "equivalent_rank", .integer(1...MethodOption.most), default: .null,
        "The pools have as many numbers as LoRA of this rank; null: 2, or as many as a short stack needs for r."),
      MethodOption("chunks", .integer(1...MethodOption.most), default: 4, "Chunks of each row of A and column of B."),
      MethodOption(
        "private_rank", .integer(0...MethodOption.most), default: .null,
        "Ranks whose chunks belong to one map; null: 1, or 0 where the pool would be too small for r."),
      MethodOption("seed", .integer(0...MethodOption.most), default: 0, "Draws which chunks a map uses."),
    ]
  ) { options in
    let size = MoS.Size(options)
    return MethodDesign(form: form(size), misfits: { MoS.Pool(size, $0, $2).misfits($0, rank: $1) }) {
      site, rank, maps in
      let pool = MoS.Pool(size, site, maps)
      func shared(_ role: TensorRole, _ length: Int, _ start: AdapterTensor.Start) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role: role, module: site.module, layer: nil), shape: [pool.chunks, length / size.chunks],
          start: start)
      }
      func indices(_ role: TensorRole) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role, of: site), shape: [rank * size.chunks],
          start: .drawn(pool.choice(rank: rank, layer: maps.layerIndex(of: site))), trains: false,
          seed: options.integer("seed"), isStored: false)
      }
      return [
        shared(MoS.poolA, site.inFeatures, .uniform(bound: 1 / Double(site.inFeatures).squareRoot())),
        shared(MoS.poolB, site.outFeatures, .zeros), indices(MoS.indicesA), indices(MoS.indicesB),
      ]
    }
  }

  private static func form(_ size: MoS.Size) -> ProductForm {
    ProductForm(
      build: { tensors in
        let widths = size.widths(tensors.site)
        let columns = Dense.rows(tensors[MoS.indicesB], of: tensors[MoS.poolB], columns: widths.b)
        return SiteProduct(
          rank: tensors.rank, a: Dense.rows(tensors[MoS.indicesA], of: tensors[MoS.poolA], columns: widths.a),
          b: Dense.transposed(columns, rows: tensors.rank))
      },
      pullBack: { tensors, gradient in
        let widths = size.widths(tensors.site), count = tensors[MoS.poolA].count / widths.a
        let columns = Dense.transposed(gradient.b, rows: tensors.site.outFeatures)
        return [
          MoS.poolA: Dense.sumsOfRows(tensors[MoS.indicesA], of: gradient.a, columns: widths.a, count: count),
          MoS.poolB: Dense.sumsOfRows(tensors[MoS.indicesB], of: columns, columns: widths.b, count: count),
        ]
      })
  }
}

private enum MoS {
  static let poolA = TensorRole("A_pool")
  static let poolB = TensorRole("B_pool")
  static let indicesA = TensorRole("A_chunks")
  static let indicesB = TensorRole("B_chunks")

  struct Size: Sendable {
    let chunks: Int
    /// nil for what fits.
    let equivalentRank: Int?
    let privateRank: Int?

    init(_ options: MethodValues) {
      equivalentRank = options.size("equivalent_rank")
      chunks = options.integer("chunks")
      privateRank = options.size("private_rank")
    }

    /// Numbers of a chunk.
    func widths(_ site: Site) -> (a: Int, b: Int) { (site.inFeatures / chunks, site.outFeatures / chunks) }
  }

  /// The pools of a module type.
  struct Pool {
    private let size: Size
    private let layers: Int
    private let equivalentRank: Int
    private let privateRank: Int

    init(_ size: Size, _ site: Site, _ maps: AdaptedMaps) {
      (self.size, layers) = (size, maps.layerCount(of: site))
      // All maps of the type have the same, as the shared chunks come first in the pool.
      let rank = maps.largestRank(of: site)
      equivalentRank = size.equivalentRank ?? max(2, (rank + layers - 1) / layers)
      let hasRoom = rank - 1 <= (equivalentRank - 1) * layers
      privateRank = size.privateRank ?? (hasRoom ? 1 : 0)
    }

    /// e · L · c.
    var chunks: Int { equivalentRank * layers * size.chunks }

    /// Ranks that the maps share.
    private var shared: Int { (equivalentRank - privateRank) * layers }

    func misfits(_ site: Site, rank: Int) -> [MethodMisfit] {
      var misfits = MethodMisfit.indivisible("mos.chunks", size.chunks, site)
      func add(_ key: String, _ problem: String) { misfits.append(MethodMisfit("mos.\(key)", problem)) }
      if chunks > AdapterTensor.largestIndex {
        add("equivalent_rank", "the pools have more than \(AdapterTensor.largestIndex) chunks")
      }
      if privateRank > rank { add("private_rank", "\(privateRank) is above r = \(rank)") }
      if privateRank > equivalentRank {
        add("private_rank", "\(privateRank) is above equivalent_rank \(equivalentRank)")
      }
      let needed = rank - privateRank
      if needed > shared, privateRank <= equivalentRank {
        let least = privateRank + (needed + layers - 1) / layers
        add(
          "equivalent_rank",
          "\(equivalentRank) leaves \(shared) shared ranks where r - private_rank is \(needed); at least \(least) is "
            + "needed")
      }
      return misfits
    }

    /// The chunks of a map: some of the shared ones, which come first in the pool, and its own.
    func choice(rank: Int, layer: Int) -> DrawnStart {
      let shared = shared * size.chunks, own = privateRank * size.chunks
      let needed = (rank - privateRank) * size.chunks
      return DrawnStart("mos \(shared) \(own) \(needed) \(layer)") { philox, stream in
        let chosen = philox.permutation(shared, purpose: .initialization, stream: stream).prefix(needed)
        return (Array(chosen) + (0..<own).map { shared + layer * own + $0 }).map { Float($0) }
      }
    }
  }
}
