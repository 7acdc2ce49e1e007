import Kernels
import Models
import StrictJSON
import Synchronization

extension AdapterMethod {
  /// Uni-LoRA (Li et al., arXiv 2506.00799): one trained vector θ [d] for the whole model. Every number of every A and B is
  /// one of θ's, divided by the root of how many numbers share it; which one is a random choice, fixed by `proj_seed`, that
  /// uses each number of θ equally often. There is no alpha.
  ///
  /// The choice is ours, not numpy's as in PEFT, and files hold it only with `save_indices`. PEFT's files are read if they hold
  /// theirs.
  public static let uniLoRA = AdapterMethod(
    name: "uni-lora", summary: "one trained vector for the model, whose numbers make up every A and B (Uni-LoRA)",
    options: [
      MethodOption(
        "theta_d_length", .integer(1...AdapterTensor.largestIndex), default: 256,
        "d: how many numbers are trained in the whole model."),
      MethodOption("proj_seed", .integer(0...MethodOption.most), default: 42, "Draws which number of θ stands where."),
      MethodOption(
        "save_indices", .truth, default: false,
        "Whether files hold which number stands where; without, it is drawn again from the seed."),
      MethodOption("init_theta_d_bound", .positive, default: 0.02, "θ starts between minus this and this."),
    ]
  ) { options in
    let count = options.integer("theta_d_length"), map = BalancedMap(count)
    var design = MethodDesign(
      form: form, scale: .fixed(1), peft: peft,
      misfits: { _, _, maps in
        let numbers = UniLoRA.numbers(maps)
        if numbers >= count { return [] }
        return [
          MethodMisfit(
            "uni-lora.theta_d_length", "\(count) is above the \(numbers) numbers of all A and B", isOfMap: false)
        ]
      }
    ) { site, rank, maps in
      let first = UniLoRA.firstNumber(of: site, maps)
      func frozen(_ role: TensorRole, _ shape: [Int], _ start: DrawnStart) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role, of: site), shape: shape, start: .drawn(start),
          trains: false,
          seed: options.integer("proj_seed"), isStored: options.truth("save_indices"))
      }
      func pair(_ roles: UniLoRA.Roles, _ shape: [Int], from first: Int) -> [AdapterTensor] {
        let range = first..<(first + shape[0] * shape[1]), all = UniLoRA.numbers(maps)
        return [
          frozen(roles.indices, shape, map.part(range, of: all)),
          frozen(roles.scales, shape, map.scales(range, of: all)),
        ]
      }
      return [
        AdapterTensor(
          .ofAllModules(UniLoRA.theta), shape: [count], start: .uniform(bound: options.number("init_theta_d_bound")))
      ] + pair(UniLoRA.a, [rank, site.inFeatures], from: first)
        + pair(UniLoRA.b, [site.outFeatures, rank], from: first + rank * site.inFeatures)
    }
    design.flaw = { tensors in
      let bad = (tensors[UniLoRA.a.indices] + tensors[UniLoRA.b.indices]).first {
        !(0 <= $0 && $0 < Float(count)) || $0.rounded() != $0
      }
      return bad.map { "its indices name the number \($0) of \(count)" }
    }
    return design
  }

  private static let form = ProductForm(
    build: { tensors in
      let theta = tensors[UniLoRA.theta]
      func numbers(_ roles: UniLoRA.Roles) -> [Float] {
        Dense.products(Dense.rows(tensors[roles.indices], of: theta, columns: 1), tensors[roles.scales])
      }
      return SiteProduct(rank: tensors.rank, a: numbers(UniLoRA.a), b: numbers(UniLoRA.b))
    },
    pullBack: { tensors, gradient in
      let count = tensors[UniLoRA.theta].count
      func slopes(_ roles: UniLoRA.Roles, _ gradient: [Float]) -> [Float] {
        Dense.sumsOfRows(
          tensors[roles.indices], of: Dense.products(gradient, tensors[roles.scales]), columns: 1, count: count)
      }
      return [UniLoRA.theta: Dense.sums(slopes(UniLoRA.a, gradient.a), slopes(UniLoRA.b, gradient.b))]
    })

  /// PEFT's files are read only; ours are written as LoRA.
  private static let peft = PEFTForm(
    type: "UNILORA",
    keys: ["proj_seed", "theta_d_length", "unilora_dropout", "save_indices", "init_theta_d_bound", "init_weights"],
    tensors: [
      PEFTForm.Tensor(UniLoRA.a.indices, "unilora_indices_A"), PEFTForm.Tensor(UniLoRA.a.scales, "unilora_scales_A"),
      PEFTForm.Tensor(UniLoRA.b.indices, "unilora_indices_B"), PEFTForm.Tensor(UniLoRA.b.scales, "unilora_scales_B"),
      PEFTForm.Tensor(UniLoRA.theta, "unilora_theta_d", isOfModel: true),
    ],
    config: nil,
    read: { config in
      guard let saved = try config.optional("save_indices"), try saved.bool() else {
        throw config.error(
          "the file lacks the indices, which PEFT draws from numpy's generator; save it with save_indices")
      }
      var options = MethodValues()
      options["theta_d_length"] = .integer(
        try config.member("theta_d_length").integer(in: 1...AdapterTensor.largestIndex))
      options["proj_seed"] = .integer(try config.optional("proj_seed")?.integer(atLeast: 0) ?? 42)
      options["save_indices"] = true
      return PEFTForm.Reading(rank: try config.member("r").size(), options: options)
    })
}

private enum UniLoRA {
  static let theta = TensorRole("theta", fileName: "unilora_theta_d")
  static let a = Roles("A")
  static let b = Roles("B")

  /// Which number of θ stands at each place of A or B, and what it is multiplied by.
  struct Roles: Sendable {
    let indices: TensorRole
    let scales: TensorRole

    init(_ factor: String) {
      (indices, scales) = (TensorRole("\(factor)_indices"), TensorRole("\(factor)_scales"))
    }
  }

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
}

/// Sends numbers 0 … D − 1 to 0 … d − 1, each equally often up to one, in random order.
private final class BalancedMap: Sendable {
  private let count: Int
  private let drawn = Mutex<(seed: UInt64, targets: [Float])?>(nil)

  init(_ count: Int) { self.count = count }

  /// Where the numbers in `range` of `all` go.
  func part(_ range: Range<Int>, of all: Int) -> DrawnStart {
    DrawnStart("uni-lora \(range) of \(all) to \(count)") { [self] philox, _ in
      Array(targets(all, philox)[range])
    }
  }

  /// 1 over the root of how many numbers go where those in `range` do: ⌈D / d⌉ for the first D mod d targets, else ⌊D / d⌋.
  func scales(_ range: Range<Int>, of all: Int) -> DrawnStart {
    DrawnStart("uni-lora scales \(range) of \(all) to \(count)") { [self] philox, _ in
      let few = all / count, more = Float(all % count)
      let rare = 1 / Float(few).squareRoot(), frequent = 1 / Float(few + 1).squareRoot()
      return targets(all, philox)[range].map { $0 < more ? frequent : rare }
    }
  }

  /// Their order is drawn once for all parts of one seed.
  private func targets(_ all: Int, _ philox: Philox) -> [Float] {
    drawn.withLock { drawn in
      if let known = drawn, known.seed == philox.seed, known.targets.count == all { return known.targets }
      let order = philox.permutation(all, purpose: .initialization, stream: Philox.stream(named: "uni-lora"))
      let targets = order.map { Float($0 % count) }
      drawn = (philox.seed, targets)
      return targets
    }
  }
}
