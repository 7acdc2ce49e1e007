import Kernels
import Models

/// Starts other than LoRA's own, for methods whose tensors are A and B.
///
/// PiSSA (arXiv 2404.02948) and OLoRA (2406.01775) begin with the part of W that matters most and take it out of W. Here W
/// stays: A₀ and B₀ are the numbers that A and B started with, and what is multiplied is [A; A₀] and [B, −B₀]. So every file
/// is a LoRA of rank 2r on the model as it was published. PEFT changes W, which its files then need.
extension AdapterMethod {
  /// A as it started.
  static let firstA = TensorRole("A0")
  /// B as it started.
  static let firstB = TensorRole("B0")

  /// Whether another start can be given to it: its tensors are A and B, which it starts itself in no way of its own.
  public var takesStarts: Bool {
    hasAdapters && form == nil && design.start == nil && design.preconditioner == nil && design.adoption == nil
  }

  /// The method with another start. `fromMean`: maps that share a tensor start from the mean of their weights.
  func starting(_ start: AdapterStart, fromMean: Bool) -> AdapterMethod {
    precondition(takesStarts)
    switch start {
    case .standard: return self
    case .gaussian:
      return changing(.a) { tensor, rank in tensor.starting(.normal(deviation: 1 / Double(rank))) }
    case .orthogonal: return startingOrthogonal
    case .pissa(let iterations):
      return startingAt(fromMean) { subject in
        let factors = try subject.factors(of: subject.rank, iterations: iterations)
        let roots = factors.values.map { Float((Double($0) / subject.scale).squareRoot()) }
        return (Dense.scaledRows(factors.right, by: roots), Dense.scaledColumns(factors.left, by: roots))
      }
    case .olora:
      return startingAt(fromMean) { subject in
        let (q, r) = try subject.orthogonalFactors(), k = min(subject.site.outFeatures, subject.site.inFeatures)
        return (
          Array(r.prefix(subject.rank * subject.site.inFeatures)),
          Dense.columns(q, of: k, from: 0, count: subject.rank)
        )
      }
    case .mica:
      // MiCA (arXiv 2604.01694): B = U_{k−r+1…k}, frozen.
      var method = changing(.a) { tensor, _ in tensor.starting(.zeros) }
        .changing(.b) { tensor, _ in tensor.starting(.zeros, trains: false) }
      method.design.start = WeightStart(of: [.b], takesMean: fromMean) { subject in
        [.b: try subject.factors().lastLeft(subject.rank)]
      }
      return method
    }
  }

  /// Every tensor of a role changed.
  private func changing(
    _ role: TensorRole, _ change: @escaping @Sendable (_ tensor: AdapterTensor, _ rank: Int) -> AdapterTensor
  ) -> AdapterMethod {
    var method = self
    let tensors = design.tensors
    method.design.tensors = { site, rank, maps in
      tensors(site, rank, maps).map { $0.key.role == role ? change($0, rank) : $0 }
    }
    return method
  }

  // MARK: - Factors of W

  /// A and B start as `factors` of W, whose product is taken out again.
  private func startingAt(
    _ fromMean: Bool, _ factors: @escaping @Sendable (WeightStart.Subject) throws -> (a: [Float], b: [Float])
  ) -> AdapterMethod {
    var method = self
    let tensors = design.tensors
    method.design.tensors = { site, rank, maps in
      let own = tensors(site, rank, maps)
      // Where either is shared by all layers, the mean of their weights gives both.
      let isShared = own.contains { $0.key.layer == nil }
      return own
        + own.compactMap { tensor in
          let role = tensor.key.role == .a ? Self.firstA : Self.firstB
          return AdapterTensor(
            TensorKey(role: role, module: tensor.key.module, layer: isShared ? nil : tensor.key.layer),
            shape: tensor.shape, start: .zeros, trains: false)
        }
    }
    method.design.start = WeightStart(of: [.a, .b, Self.firstA, Self.firstB], takesMean: fromMean) { subject in
      let (a, b) = try factors(subject)
      return [.a: a, .b: b, Self.firstA: a, Self.firstB: b]
    }
    method.design.form = ProductForm(
      rank: { 2 * $0 },
      build: { site in
        let b = Dense.sideBySide([site[.b], site[Self.firstB].map { -$0 }], rows: site.site.outFeatures)
        return SiteProduct(rank: 2 * site.rank, a: site[.a] + site[Self.firstA], b: b)
      },
      pullBack: { site, gradient in
        [
          .a: Array(gradient.a.prefix(site.rank * site.site.inFeatures)),
          .b: Dense.columns(gradient.b, of: 2 * site.rank, from: 0, count: site.rank),
        ]
      })
    return method
  }

  // MARK: - Orthogonal

  /// A = (G₁ Q₁)ᵀ / 10 and B = G₂ Q₂ / 10, with Q₁ and Q₂ the even and the odd rows of a random orthogonal matrix of r rows,
  /// so that B A = 0 up to rounding. All layers of a module type have the same Q, which any sharing allows.
  private var startingOrthogonal: AdapterMethod {
    var method = changing(.a) { tensor, rank in tensor.startingOrthogonal(rank, firstRow: 0) }
      .changing(.b) { tensor, rank in tensor.startingOrthogonal(rank, firstRow: 1) }
    let misfits = design.misfits
    method.design.misfits = { site, rank, maps in
      misfits(site, rank, maps)
        + (rank % 2 == 0 ? [] : [MethodMisfit("init_lora_weights", "\"orthogonal\" needs an even rank, not \(rank)")])
    }
    return method
  }
}

extension AdapterTensor {
  /// The tensor with another start.
  fileprivate func starting(_ start: Start, trains: Bool? = nil) -> AdapterTensor {
    AdapterTensor(
      key, shape: shape, start: start, trains: trains ?? self.trains, seed: seed, isStored: isStored,
      rateFactor: rateFactor)
  }

  fileprivate func startingOrthogonal(_ rank: Int, firstRow: Int) -> AdapterTensor {
    let isA = firstRow == 0, length = shape[isA ? 1 : 0], half = rank / 2, module = key.module
    return starting(
      .drawn(
        DrawnStart("orthogonal \(firstRow) \(rank) \(length) \(module)") { philox, stream in
          let square = philox.normal(
            rank * rank, deviation: 1, stream: Philox.stream(named: "orthogonal \(module)"))
          // Normal numbers are finite.
          let q = (try? Decompositions.orthogonal(square, rows: rank, columns: rank).q) ?? square
          let rows = stride(from: firstRow, to: rank, by: 2).flatMap { q[($0 * rank)..<(($0 + 1) * rank)] }
          let random = philox.normal(length * half, deviation: 0.1, stream: stream)
          return isA
            ? Dense.product(rank, length, half, rows, random, transposesA: true, transposesB: true)
            : Dense.product(length, rank, half, random, rows)
        }))
  }
}

extension WeightStart.Subject {
  /// Why another program's B A of this start may be another one; nil if rounding alone tells them apart.
  func ambiguity(of start: AdapterStart) throws -> String? {
    if weight.elementType != .float32, start.tensors == .difference {
      return "PEFT rounded the rest of the weight to the checkpoint's \(weight.elementType.rawValue)"
    }
    // PEFT's single precision moves vectors by its error over the distance of their values: at 0.6 % the product is 4e-5
    // off (measured), at this 0.1 % about 2e-4, as much as bfloat16 rounds.
    let least: Float = 1e-3
    switch start {
    case .pissa:
      let values = try factors(of: rank + 1).values
      guard values.count > rank, values[rank - 1] - values[rank] < least * values[0] else { return nil }
      return "its singular values \(rank) and \(rank + 1) are too close to tell their vectors apart"
    case .olora:
      if weight.isTransposed { return "PEFT decomposes the transpose of maps that are stored so" }
      let (_, r) = try orthogonalFactors(), columns = site.inFeatures
      let lengths = (0..<rank).map { r[$0 * columns + $0] }
      guard let smallest = lengths.min(), smallest < least * (lengths.max() ?? 0) else { return nil }
      return "its first \(rank) columns are not independent"
    default: return nil
    }
  }
}
