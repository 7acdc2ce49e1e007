import Kernels
import Models
import StrictJSON

extension AdapterMethod {
  /// GraLoRA (Jung et al., arXiv 2505.20355): W is cut into k × k blocks, each with a LoRA of rank r / k of its own; with
  /// `hybrid_r` an ordinary LoRA of that rank beside them. s = alpha / (r + hybrid_r).
  ///
  /// It is a LoRA of rank k · r whose A and B have zero blocks: its rank (j, n, t) has the row A_n[:, j r/k + t] on input
  /// block n and the column B_j[n r/k + t, :] on output block j. Tensors lie as in PEFT: A [k, in/k, r], B [k, r, out/k].
  public static let gralora = AdapterMethod(
    name: "gralora", summary: "k × k blocks of each map with a LoRA of rank r / k each (GraLoRA)",
    options: [
      MethodOption(
        "k", .integer(1...MethodOption.most), default: 2, "Blocks on a side; divides r and both sizes of every map."),
      MethodOption(
        "hybrid_r", .integer(0...MethodOption.most), default: 0, "The rank of an ordinary LoRA beside the blocks."),
    ]
  ) { options in
    let k = options.integer("k"), hybrid = options.integer("hybrid_r")
    return MethodDesign(
      form: form(k, hybrid), scale: .alphaOverRankPlus(hybrid), peft: peft,
      misfits: { site, rank, _ in
        let limit = min(site.inFeatures, site.outFeatures)
        return MethodMisfit.indivisible("gralora.k", k, site, others: [("r", rank)])
          + (hybrid > limit
            ? [MethodMisfit("gralora.hybrid_r", "\(hybrid) is above the smaller dimension \(limit)")] : [])
      }
    ) { site, rank, _ in
      func own(_ role: TensorRole, _ shape: [Int], _ start: AdapterTensor.Start) -> AdapterTensor {
        AdapterTensor(TensorKey(role, of: site), shape: shape, start: start)
      }
      let blocks = [
        // Each block is kaiming-uniform as a matrix of in / k columns.
        own(GraLoRA.a, [site.inFeatures, rank], .uniform(bound: (Double(k) / Double(site.inFeatures)).squareRoot())),
        own(GraLoRA.b, [k * rank, site.outFeatures / k], .zeros),
      ]
      guard hybrid > 0 else { return blocks }
      return blocks + [
        own(GraLoRA.hybridA, [hybrid, site.inFeatures], .kaimingUniform),
        own(GraLoRA.hybridB, [site.outFeatures, hybrid], .zeros),
      ]
    }
  }

  private static func form(_ k: Int, _ hybrid: Int) -> ProductForm {
    ProductForm(
      rank: { k * $0 + hybrid },
      build: { tensors in
        let layout = GraLoRA.Layout(tensors, k), total = k * tensors.rank + hybrid
        var a = [Float](repeating: 0, count: k * tensors.rank * layout.inputs)
        var b = [Float](repeating: 0, count: layout.outputs * k * tensors.rank)
        layout.scatter(tensors[GraLoRA.a], tensors[GraLoRA.b], &a, &b)
        if hybrid == 0 { return SiteProduct(rank: total, a: a, b: b) }
        return SiteProduct(
          rank: total, a: a + tensors[GraLoRA.hybridA],
          b: Dense.sideBySide([b, tensors[GraLoRA.hybridB]], rows: layout.outputs))
      },
      pullBack: { tensors, gradient in
        let layout = GraLoRA.Layout(tensors, k), rank = k * tensors.rank, total = rank + hybrid
        let a = Array(gradient.a.prefix(rank * layout.inputs))
        let b = Dense.columns(gradient.b, of: total, from: 0, count: rank)
        let (da, db) = layout.gather(a, b)
        if hybrid == 0 { return [GraLoRA.a: da, GraLoRA.b: db] }
        return [
          GraLoRA.a: da, GraLoRA.b: db, GraLoRA.hybridA: Array(gradient.a.dropFirst(rank * layout.inputs)),
          GraLoRA.hybridB: Dense.columns(gradient.b, of: total, from: rank, count: hybrid),
        ]
      })
  }

  private static let peft = PEFTForm(
    type: "GRALORA", keys: ["alpha", "gralora_dropout", "gralora_k", "hybrid_r", "init_weights"],
    tensors: [
      PEFTForm.Tensor(GraLoRA.a, "gralora_A") { site, rank, options, _ in
        let k = options.integer("k")
        return [k, site.inFeatures / k, rank]
      },
      PEFTForm.Tensor(GraLoRA.b, "gralora_B") { site, rank, options, _ in
        let k = options.integer("k")
        return [k, rank, site.outFeatures / k]
      },
      PEFTForm.Tensor(GraLoRA.hybridA, "gralora_A_general.weight"),
      PEFTForm.Tensor(GraLoRA.hybridB, "gralora_B_general.weight"),
    ],
    config: { subject in
      [
        ("r", .integer(subject.rank)), ("alpha", plain(subject.metadata.loraAlpha)),
        ("gralora_dropout", plain(subject.metadata.loraDropout)), ("gralora_k", subject.options["k"] ?? 2),
        ("hybrid_r", subject.options["hybrid_r"] ?? 0), ("init_weights", true),
      ]
    },
    read: { config in
      var options = MethodValues()
      options["k"] = .integer(try config.member("gralora_k").size())
      options["hybrid_r"] = .integer(try config.optional("hybrid_r")?.size(atLeast: 0) ?? 0)
      return PEFTForm.Reading(
        rank: try config.member("r").size(), alpha: try config.member("alpha").number(), options: options)
    })
}

/// Where the numbers of the blocks lie in A and B of rank k · r.
private enum GraLoRA {
  static let a = TensorRole("A", fileName: "gralora_A")
  static let b = TensorRole("B", fileName: "gralora_B")
  static let hybridA = TensorRole("A_general", fileName: "gralora_A_general.weight")
  static let hybridB = TensorRole("B_general", fileName: "gralora_B_general.weight")

  struct Layout {
    let k: Int
    let rank: Int
    let inputs: Int
    let outputs: Int

    init(_ tensors: SiteTensors, _ k: Int) {
      (self.k, rank, inputs, outputs) = (k, tensors.rank, tensors.site.inFeatures, tensors.site.outFeatures)
    }

    /// Puts the blocks' numbers into A [k r, in] and B [out, k r], which are zero.
    func scatter(_ blocksA: [Float], _ blocksB: [Float], _ a: inout [Float], _ b: inout [Float]) {
      a.withUnsafeMutableBufferPointer { a in
        forEachOfA { block, place in a[place] = blocksA[block] }
      }
      b.withUnsafeMutableBufferPointer { b in
        forEachOfB { block, place in b[place] = blocksB[block] }
      }
    }

    /// The blocks' numbers out of A and B.
    func gather(_ a: [Float], _ b: [Float]) -> (a: [Float], b: [Float]) {
      var blocksA = [Float](repeating: 0, count: inputs * rank), blocksB = [Float](repeating: 0, count: outputs * rank)
      blocksA.withUnsafeMutableBufferPointer { blocks in forEachOfA { block, place in blocks[block] = a[place] } }
      blocksB.withUnsafeMutableBufferPointer { blocks in forEachOfB { block, place in blocks[block] = b[place] } }
      return (blocksA, blocksB)
    }

    /// Every number of A [k, in/k, r] and its place in A [k r, in]: column (n, i) of row (j, n, t) for c = j r/k + t.
    @inline(__always) private func forEachOfA(_ body: (_ block: Int, _ place: Int) -> Void) {
      let width = inputs / k, part = rank / k
      for n in 0..<k {
        for i in 0..<width {
          for c in 0..<rank {
            let row = c / part * rank + n * part + c % part
            body((n * width + i) * rank + c, row * inputs + n * width + i)
          }
        }
      }
    }

    /// Every number of B [k, r, out/k] and its place in B [out, k r]: row (j, o) of column (j, n, t) for c = n r/k + t.
    @inline(__always) private func forEachOfB(_ body: (_ block: Int, _ place: Int) -> Void) {
      let height = outputs / k
      for j in 0..<k {
        for c in 0..<rank {
          for o in 0..<height { body((j * rank + c) * height + o, (j * height + o) * k * rank + j * rank + c) }
        }
      }
    }
  }
}
