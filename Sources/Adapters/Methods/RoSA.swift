import Autograd
import Kernels
import Models

extension AdapterMethod {
  /// RoSA (Nikdan et al., arXiv 2401.04679): y = W x + s · B (A x) + S x, with S sparse.
  ///
  /// The first `warmup_steps` steps train A and B alone. Then S gets the places where the gradient of W on the last batch is
  /// largest, ⌊d · out · in⌋ of them in every map, and A, B, S and the optimiser begin anew (the official code's schedule
  /// `wl64`, IST-DASLab/peft-rosa). S has neither scale nor dropout.
  public static let rosa = AdapterMethod(
    name: "rosa", summary: "LoRA and a sparse matrix at the places of the largest gradients (RoSA)",
    options: [
      MethodOption(
        "d", .share, default: 0.006, "The share of a weight's numbers that the sparse matrix has."),
      MethodOption(
        "warmup_steps", .integer(1...MethodOption.most), default: 64,
        "Steps of A and B alone, after which the places are chosen and training begins anew."),
    ]
  ) { options in
    let density = options.number("d"), warmup = options.integer("warmup_steps")
    return MethodDesign(
      form: form(density), procedure: procedure(warmup),
      misfits: { site, _, _ in
        let count = RoSA.count(site, density), share = "\(density) of \(site.outFeatures) × \(site.inFeatures) numbers"
        if count < 1 { return [MethodMisfit("rosa.d", "\(share) is less than one")] }
        let most = AdapterTensor.largestIndex
        return count <= most ? [] : [MethodMisfit("rosa.d", "\(share) is more than \(most)")]
      }
    ) { site, rank, _ in
      let count = RoSA.count(site, density)
      func own(_ role: TensorRole, _ count: Int, trains: Bool) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role, of: site), shape: [count], start: .zeros, trains: trains)
      }
      return [
        .a(site, rank), .b(site, rank), own(RoSA.values, count, trains: true), own(RoSA.columns, count, trains: false),
        own(RoSA.starts, site.outFeatures + 1, trains: false),
      ]
    }
  }

  private static func form(_ density: Double) -> ProductForm {
    ProductForm(
      sparse: SparseForm(count: { site, _, _ in RoSA.count(site, density) }, places: RoSA.places),
      build: { SiteProduct(rank: $0.rank, a: $0[.a], b: $0[.b], sparse: $0[RoSA.values]) },
      pullBack: { [.a: $1.a, .b: $1.b, RoSA.values: $1.sparse] })
  }

  private static func procedure(_ warmup: Int) -> MethodProcedureKind {
    MethodProcedureKind(
      beginsAnew: true,
      begin: { options, _, totalSteps in
        guard warmup < totalSteps else {
          throw AdapterError.option(
            "rosa.warmup_steps", problem: "\(warmup) leaves nothing of the run's \(totalSteps) steps")
        }
        return RoSAMask(warmup: warmup, seed: options.seed)
      },
      resume: { stored, _, _ in
        stored.fields["rosa_seed"]?.string.flatMap { UInt64($0) }.map { RoSAMask(warmup: warmup, seed: $0) }
      })
  }
}

/// S in CSR: the numbers row by row, the column of each, and where each row starts.
enum RoSA {
  static let values = TensorRole("S")
  static let columns = TensorRole("S_columns")
  /// out + 1 numbers; all zero as long as S has no places.
  static let starts = TensorRole("S_starts")

  /// ⌊d · out · in⌋.
  static func count(_ site: Site, _ density: Double) -> Int {
    Int((density * Double(site.outFeatures) * Double(site.inFeatures)).rounded(.down))
  }

  /// The places that the tensors say.
  @Sendable static func places(_ tensors: SiteTensors) throws(SparseForm.BadPlaces) -> SparsePlaces? {
    let columns = tensors[columns], starts = tensors[starts]
    guard starts.contains(where: { $0 != 0 }) else { return nil }
    guard starts[0] == 0, Int(exactly: starts[starts.count - 1]) == columns.count else {
      throw SparseForm.BadPlaces(problem: "do not begin at 0 and end at \(columns.count)")
    }
    var rows: [Int32] = []
    rows.reserveCapacity(columns.count)
    for row in 0..<(starts.count - 1) {
      guard let start = Int(exactly: starts[row]), let end = Int(exactly: starts[row + 1]), start <= end,
        start == rows.count
      else { throw SparseForm.BadPlaces(problem: "do not ascend at row \(row)") }
      rows += repeatElement(Int32(row), count: end - start)
    }
    let limit = Float(tensors.site.inFeatures)
    guard let bad = columns.first(where: { !(0 <= $0 && $0 < limit) || $0.rounded() != $0 }) else {
      return SparsePlaces(rows: rows, columns: columns.map { Int32($0) })
    }
    throw SparseForm.BadPlaces(problem: "name the column \(bad), of \(tensors.site.inFeatures)")
  }

  /// The places of the `count` numbers of `gradient` [out, in] that are largest by magnitude, in CSR. Among equals the
  /// first; what is not a number counts as 0.
  static func largest(_ count: Int, of gradient: [Float], columns: Int) -> (columns: [Float], starts: [Float]) {
    // Magnitudes are ordered as their bits are. Those with larger first halves than the last that is chosen are chosen.
    let sizes = gradient.map { $0.isNaN ? 0 : $0.magnitude.bitPattern }
    var counts = [Int](repeating: 0, count: 1 << 15)
    for size in sizes { counts[Int(size >> 16)] += 1 }
    var half = counts.count - 1, larger = 0
    while half > 0, larger + counts[half] < count {
      larger += counts[half]
      half -= 1
    }
    let edge = sizes.indices.filter { sizes[$0] >> 16 == half }.sorted { (sizes[$0], $1) > (sizes[$1], $0) }
    let chosen = (sizes.indices.filter { sizes[$0] >> 16 > half } + edge.prefix(count - larger)).sorted()
    var starts = [Float](repeating: 0, count: gradient.count / columns + 1)
    for index in chosen { starts[index / columns + 1] += 1 }
    for row in 1..<starts.count { starts[row] += starts[row - 1] }
    return (chosen.map { Float($0 % columns) }, starts)
  }
}

/// Chooses the places of S after the warm-up, and lets training begin anew.
private struct RoSAMask: MethodProcedure {
  let warmup: Int
  let seed: UInt64
  private var chosen: [TensorKey: [Float]] = [:]

  init(warmup: Int, seed: UInt64) { (self.warmup, self.seed) = (warmup, seed) }

  func wantsWeightGradients(after step: Int) -> Bool { step == warmup }

  mutating func take(weightGradient: [Float], ofSiteAt position: Int, _ state: TrainableState) {
    let table = state.table
    guard let columns = table.key(RoSA.columns, ofSiteAt: position),
      let starts = table.key(RoSA.starts, ofSiteAt: position)
    else { return }
    let places = RoSA.largest(
      table.tensor(columns).count, of: weightGradient, columns: table.sites[position].inFeatures)
    (chosen[columns], chosen[starts]) = (places.columns, places.starts)
  }

  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [ProcedureEvent] {
    guard state.step == warmup else { return [] }
    state.restartAdapter(philox: Philox(seed: seed))
    for (key, values) in chosen { state[key] = values }
    chosen = [:]
    state.restartOptimizer()
    return [.note("rosa: the places of the sparse matrices are chosen after step \(warmup); training begins anew")]
  }

  var checkpoint: ProcedureCheckpoint { ProcedureCheckpoint(fields: [("rosa_seed", .string(String(seed)))]) }
}
