import Autograd
import Kernels
import Models

extension AdapterMethod {
  /// Several pairs of A and B at each map, added up, each shared as its level says: y = W x + Σ_i s_i · B_i (A_i x) with
  /// s_i = alpha_i / rank_i. A pair that maps of other sizes share is as large as the largest, and cut.
  ///
  /// Every A is kaiming-uniform in its whole size, every B zero. The product is a LoRA of the sum of the ranks.
  public static let multiLevel = AdapterMethod(
    name: "multi-level", summary: "several A and B added up, each shared as its level says",
    options: [
      MethodOption(
        "levels", .levels, default: [["scope": "type"], ["scope": "map"]],
        """
        The levels: scope model, type, blocks (k of neighbouring layers), groups (of k layers), layer or map; rank, else \
        r; alpha, else lora_alpha.
        """)
    ]
  ) { options in
    let levels = options.levels("levels")
    return levelled("multi-level.levels", ranksAreBounded: false) { _ in levels }
  }

  /// MSPLoRA (Zhao et al., arXiv 2503.21838; Oblivioniss/MSPLoRA): three levels of falling rank, each with alpha over its
  /// own: a module type's over the stack, its blocks', the map's. By default each rank is half of the one before.
  public static let mspLoRA = AdapterMethod(
    name: "msplora", summary: "a pair per module type, one per block of layers and one per map (MSPLoRA)",
    options: [
      MethodOption(
        "blocks", .integer(2...MethodOption.most), default: 3, "Blocks of neighbouring layers that share a pair."),
      MethodOption(
        "block_rank", .integer(1...MethodOption.most), default: .null, "The rank of a block's pair; null: r / 2."),
      MethodOption(
        "map_rank", .integer(1...MethodOption.most), default: .null, "The rank of a map's own pair; null: r / 4."),
    ]
  ) { options in
    let (blocks, block, map) = (options.integer("blocks"), options.size("block_rank"), options.size("map_rank"))
    return levelled("msplora", sizeKey: "msplora.blocks") { r in
      [
        SharingLevel(.type, rank: r), SharingLevel(.blocks, k: blocks, rank: block ?? r / 2),
        SharingLevel(.map, rank: map ?? r / 4),
      ]
    }
  }

  /// BSLoRA (Zhou et al., ICML 2025; yuhua-zhou/BSLoRA) in its variant `slice`: a pair of the model (its inter-layer rank is
  /// r), one of each layer and one of each map. As in the official code the scale is 2, whatever alpha is.
  public static let bsLoRA = AdapterMethod(
    name: "bslora", summary: "a pair for the model, one per layer and one per map (BSLoRA, sliced)",
    options: [
      MethodOption(
        "intra_rank", .integer(1...MethodOption.most), default: 4, "The rank of the pair that a layer's maps share."),
      MethodOption(
        "local_rank", .integer(1...MethodOption.most), default: 2, "The rank of a map's own pair."),
    ]
  ) { options in
    let (intra, local) = (options.integer("intra_rank"), options.integer("local_rank"))
    return levelled("bslora", scale: .fixed(2)) { r in
      [SharingLevel(.model, rank: r), SharingLevel(.layer, rank: intra), SharingLevel(.map, rank: local)]
    }
  }

  /// ResidualTransformer (Wang and Li, arXiv 2310.02489) as an adapter: a pair for k neighbouring layers and one of the map's
  /// own, each with alpha over its rank, and on demand a diagonal: y = W x + s_g B_g (A_g x) + s B (A x) + d ⊙ x. The paper
  /// shares whole weights within the groups, which an adapter leaves as they are.
  public static let residual = AdapterMethod(
    name: "residual", summary: "a pair per group of neighbouring layers and one per map (ResidualTransformer)",
    options: [
      MethodOption("k", .integer(2...MethodOption.most), default: 2, "Neighbouring layers that share a pair."),
      MethodOption(
        "group_rank", .integer(1...MethodOption.most), default: .null, "The rank of a group's pair; null: r."),
      MethodOption(
        "diagonal", .truth, default: false,
        "Whether every map with as many outputs as inputs trains a diagonal too; the adapter is then no LoRA."),
    ]
  ) { options in
    let (k, rank) = (options.integer("k"), options.size("group_rank"))
    return levelled("residual", sizeKey: "residual.k", diagonal: options.truth("diagonal")) { r in
      [SharingLevel(.groups, k: k, rank: rank ?? r), SharingLevel(.map, rank: r)]
    }
  }

  /// The design with the levels that `levels` gives for a map's r. `key` names them where they do not fit, `sizeKey` a k that
  /// is an option. With a `scale` of its own every level has that.
  private static func levelled(
    _ key: String, sizeKey: String? = nil, scale: MethodScale = .alpha, ranksAreBounded: Bool = true,
    diagonal: Bool = false,
    _ levels: @escaping @Sendable (_ r: Int) -> [SharingLevel]
  ) -> MethodDesign {
    let form = LevelledForm(levels: levels, dividesAlpha: scale == .alpha, hasDiagonal: diagonal)
    return MethodDesign(
      form: form.product, scale: scale, ranksAreBounded: ranksAreBounded,
      misfits: { site, r, maps in
        levels(r).enumerated().flatMap { index, level in
          level.misfits(key, sizeKey: sizeKey, index + 1, site, rank: level.rank ?? r, maps)
        }
      }
    ) { site, r, maps in
      levels(r).enumerated().flatMap { $1.tensors($0 + 1, site, rank: $1.rank ?? r, maps) }
        + (diagonal && site.isSquare ? [.vector(LevelledForm.d, site, count: site.inFeatures, start: .zeros)] : [])
    }
  }
}

/// The product of a site's levels: their A's below, their B's beside each other.
private struct LevelledForm: Sendable {
  static let d = TensorRole("d")

  let levels: @Sendable (_ r: Int) -> [SharingLevel]
  /// Whether the site's scale is alpha, which each level divides by its rank.
  let dividesAlpha: Bool
  let hasDiagonal: Bool

  var product: ProductForm {
    ProductForm(
      rank: { levels($0).map { [r = $0] in $0.rank ?? r }.reduce(0, +) },
      sparse: hasDiagonal
        ? SparseForm(
          count: { site, _, _ in site.isSquare ? site.inFeatures : 0 }, places: { Self.places($0.site) }) : nil,
      build: build, pullBack: pullBack)
  }

  private static func places(_ site: Site) -> SparsePlaces? {
    guard site.isSquare else { return nil }
    let indices = (0..<site.inFeatures).map { Int32($0) }
    return SparsePlaces(rows: indices, columns: indices)
  }

  private func ranks(_ tensors: SiteTensors) -> [Int] { levels(tensors.rank).map { $0.rank ?? tensors.rank } }

  /// What every column of B is multiplied with: s_i over the site's s; nil for ones.
  private func factors(_ tensors: SiteTensors) -> [Float]? {
    guard dividesAlpha else { return nil }
    return zip(levels(tensors.rank), ranks(tensors)).flatMap { level, rank in
      let share = level.alpha.map { tensors.scale == 0 ? 0 : $0 / tensors.scale } ?? 1
      return [Float](repeating: Float(share / Double(rank)), count: rank)
    }
  }

  @Sendable private func build(_ tensors: SiteTensors) -> SiteProduct {
    let (inputs, outputs, ranks) = (tensors.site.inFeatures, tensors.site.outFeatures, ranks(tensors))
    let a = ranks.enumerated().flatMap { index, rank in
      let whole = tensors[SharingLevel.a(index + 1)]
      return Dense.columns(whole, of: whole.count / rank, from: 0, count: inputs)
    }
    let b = ranks.enumerated().map { Array(tensors[SharingLevel.b($0 + 1)].prefix(outputs * $1)) }
    let joined = Dense.sideBySide(b, rows: outputs)
    return SiteProduct(
      rank: ranks.reduce(0, +), a: a, b: factors(tensors).map { Dense.scaledColumns(joined, by: $0) } ?? joined,
      sparse: tensors[Self.d])
  }

  @Sendable private func pullBack(_ tensors: SiteTensors, _ gradient: SiteProduct) -> [TensorRole: [Float]] {
    let inputs = tensors.site.inFeatures, ranks = ranks(tensors), total = ranks.reduce(0, +)
    let ofB = factors(tensors).map { Dense.scaledColumns(gradient.b, by: $0) } ?? gradient.b
    var gradients: [TensorRole: [Float]] = [:]
    var first = 0
    for (index, rank) in ranks.enumerated() {
      let (a, b) = (SharingLevel.a(index + 1), SharingLevel.b(index + 1))
      let rows = Array(gradient.a[(first * inputs)..<((first + rank) * inputs)])
      let beyond = tensors[a].count - rows.count
      gradients[a] =
        beyond == 0 ? rows : Dense.sideBySide([rows, [Float](repeating: 0, count: beyond)], rows: rank)
      let columns = Dense.columns(ofB, of: total, from: first, count: rank)
      gradients[b] = columns + [Float](repeating: 0, count: tensors[b].count - columns.count)
      first += rank
    }
    if !gradient.sparse.isEmpty { gradients[Self.d] = gradient.sparse }
    return gradients
  }
}

extension Site {
  /// Whether there are as many outputs as inputs.
  fileprivate var isSquare: Bool { inFeatures == outFeatures }
}
