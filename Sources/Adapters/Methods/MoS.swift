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
        "equivalent_rank", .integer(1...MethodOption.most), default: 2,
        "The pools have as many numbers as LoRA of this rank."),
      MethodOption("chunks", .integer(1...MethodOption.most), default: 4, "Chunks of each row of A and column of B."),
      MethodOption(
        "private_rank", .integer(0...MethodOption.most), default: 1, "Ranks whose chunks belong to one map."),
      MethodOption("seed", .integer(0...MethodOption.most), default: 0, "Draws which chunks a map uses."),
    ]
  ) { options in
    let size = MoS.Size(options)
    return MethodDesign(form: form(size), misfit: { size.misfit($0, rank: $1, layers: $2.layerCount(of: $0)) }) {
      site, rank, maps in
      let layers = maps.layerCount(of: site), pool = size.chunksOfPool(layers)
      func shared(_ role: TensorRole, _ length: Int, _ start: AdapterTensor.Start) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role: role, module: site.module, layer: nil), shape: [pool, length / size.chunks], start: start)
      }
      func indices(_ role: TensorRole) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role: role, module: site.module, layer: site.layer), shape: [rank * size.chunks],
          start: .drawn(size.choice(rank: rank, layer: maps.layerIndex(of: site), of: layers)), trains: false,
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
    let equivalentRank: Int
    let chunks: Int
    let privateRank: Int

    init(_ options: MethodValues) {
      equivalentRank = options.integer("equivalent_rank")
      chunks = options.integer("chunks")
      privateRank = options.integer("private_rank")
    }

    /// e · L · c.
    func chunksOfPool(_ layers: Int) -> Int { equivalentRank * layers * chunks }

    /// Numbers of a chunk.
    func widths(_ site: Site) -> (a: Int, b: Int) { (site.inFeatures / chunks, site.outFeatures / chunks) }

    func misfit(_ site: Site, rank: Int, layers: Int) -> MethodMisfit? {
      if let misfit = MethodMisfit("mos.chunks", chunks, mustDivide: site) { return misfit }
      if privateRank > min(rank, equivalentRank) {
        return MethodMisfit("mos.private_rank", "\(privateRank) is above r or equivalent_rank")
      }
      let shared = (equivalentRank - privateRank) * layers
      return rank - privateRank <= shared
        ? nil : MethodMisfit("mos.equivalent_rank", "\(equivalentRank) leaves \(shared) shared ranks to choose r from")
    }

    /// The chunks of a map: some of the shared ones, which come first in the pool, and its own.
    func choice(rank: Int, layer: Int, of layers: Int) -> DrawnStart {
      let shared = (equivalentRank - privateRank) * layers * chunks, own = privateRank * chunks
      let needed = (rank - privateRank) * chunks
      return DrawnStart("mos \(shared) \(own) \(needed) \(layer)") { philox, stream in
        let chosen = philox.permutation(shared, purpose: .initialization, stream: stream).prefix(needed)
        return (Array(chosen) + (0..<own).map { shared + layer * own + $0 }).map { Float($0) }
      }
    }
  }
}
