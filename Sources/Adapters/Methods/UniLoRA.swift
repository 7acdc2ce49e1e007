import Kernels
import Models
import Synchronization

extension AdapterMethod {
  /// Uni-LoRA (Li et al., arXiv 2506.00799): one trained vector θ [d] for the whole model. Every number of every A and B is
  /// one of θ's, divided by the root of how many numbers share it; which one is a random choice, fixed by `proj_seed`, that
  /// uses each number of θ equally often. There is no alpha.
  ///
  /// The choice is ours, not numpy's as in PEFT, and files do not hold it.
  public static let uniLoRA = AdapterMethod(
    name: "uni-lora", summary: "one trained vector for the model, whose numbers make up every A and B (Uni-LoRA)",
    options: [
      MethodOption(
        "theta_d_length", .integer(1...(1 << 24)), default: 256, "d: how many numbers are trained in the whole model."),
      MethodOption("proj_seed", .integer(0...MethodOption.most), default: 42, "Draws which number of θ stands where."),
      MethodOption("init_theta_d_bound", .positive, default: 0.02, "θ starts between minus this and this."),
    ]
  ) { options in
    let count = options.integer("theta_d_length"), map = BalancedMap(count)
    return MethodDesign(
      form: form, scale: .fixed(1),
      misfit: { _, _, maps in
        UniLoRA.numbers(maps) >= count
          ? nil
          : MethodMisfit(
            "uni-lora.theta_d_length", "\(count) is above the \(UniLoRA.numbers(maps)) numbers of all A and B")
      }
    ) { site, rank, maps in
      let first = UniLoRA.firstNumber(of: site, maps)
      func indices(_ role: TensorRole, _ shape: [Int], from first: Int) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role: role, module: site.module, layer: site.layer), shape: shape,
          start: .drawn(map.part(first..<(first + shape[0] * shape[1]), of: UniLoRA.numbers(maps))), trains: false,
          seed: options.integer("proj_seed"), isStored: false)
      }
      return [
        AdapterTensor(
          .ofAllModules(UniLoRA.theta), shape: [count], start: .uniform(bound: options.number("init_theta_d_bound"))),
        indices(UniLoRA.indicesA, [rank, site.inFeatures], from: first),
        indices(UniLoRA.indicesB, [site.outFeatures, rank], from: first + rank * site.inFeatures),
      ]
    }
  }

  private static let form = ProductForm(
    build: { tensors in
      let scaled = UniLoRA.scaled(tensors[UniLoRA.theta], tensors.maps)
      return SiteProduct(
        rank: tensors.rank, a: Dense.rows(tensors[UniLoRA.indicesA], of: scaled, columns: 1),
        b: Dense.rows(tensors[UniLoRA.indicesB], of: scaled, columns: 1))
    },
    pullBack: { tensors, gradient in
      let count = tensors[UniLoRA.theta].count
      let indices = tensors[UniLoRA.indicesA] + tensors[UniLoRA.indicesB]
      let sums = Dense.sumsOfRows(indices, of: gradient.a + gradient.b, columns: 1, count: count)
      return [UniLoRA.theta: UniLoRA.scaled(sums, tensors.maps)]
    })
}

private enum UniLoRA {
  static let theta = TensorRole("theta", fileName: "unilora_theta_d")
  static let indicesA = TensorRole("A_indices")
  static let indicesB = TensorRole("B_indices")

  /// D: numbers of all A and B.
  static func numbers(_ maps: AdaptedMaps) -> Int {
    zip(maps.sites, maps.ranks).reduce(0) { $0 + $1.1 * ($1.0.inFeatures + $1.0.outFeatures) }
  }

  /// How many numbers stand before the site's A, which its B follows.
  static func firstNumber(of site: Site, _ maps: AdaptedMaps) -> Int {
    zip(maps.sites, maps.ranks).prefix(maps.position(of: site)).reduce(0) {
      $0 + $1.1 * ($1.0.inFeatures + $1.0.outFeatures)
    }
  }

  /// Each number divided by the root of how often it is used: ⌈D / d⌉ times for the first D mod d, else ⌊D / d⌋ times.
  static func scaled(_ theta: [Float], _ maps: AdaptedMaps) -> [Float] {
    let all = numbers(maps), few = all / theta.count, more = all % theta.count
    let rare = 1 / Float(few).squareRoot(), frequent = 1 / Float(few + 1).squareRoot()
    return theta.enumerated().map { $1 * ($0 < more ? frequent : rare) }
  }
}

/// Sends numbers 0 … D − 1 to 0 … d − 1, each equally often up to one, in random order.
private final class BalancedMap: Sendable {
  private let count: Int
  private let drawn = Mutex<(seed: UInt64, targets: [Float])?>(nil)

  init(_ count: Int) { self.count = count }

  /// Where the numbers in `range` of `all` go. Their order is drawn once for all parts of one seed.
  func part(_ range: Range<Int>, of all: Int) -> DrawnStart {
    DrawnStart("uni-lora \(range) of \(all) to \(count)") { [self] philox, _ in
      drawn.withLock { drawn in
        if let known = drawn, known.seed == philox.seed, known.targets.count == all {
          return Array(known.targets[range])
        }
        let order = philox.permutation(all, purpose: .initialization, stream: Philox.stream(named: "uni-lora"))
        let targets = order.map { Float($0 % count) }
        drawn = (philox.seed, targets)
        return Array(targets[range])
      }
    }
  }
}
