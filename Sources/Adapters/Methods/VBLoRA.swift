import Foundation
import Kernels
import Models
import StrictJSON

extension AdapterMethod {
  /// VB-LoRA (Li et al., arXiv 2405.15179): one bank of h vectors of length b for the whole model. Every piece of b numbers of a row
  /// of A or a column of B is a mixture of the bank's `topk` vectors with the largest logits, weighted by the softmax of those
  /// logits. Bank and logits are trained; there is no alpha.
  ///
  /// Tensors lie as in PEFT: logits of A [r, in/b, h], of B [out/b, r, h]. PEFT's `save_only_topk_weights` is not read, as such
  /// files cannot be trained further.
  public static let vbLoRA = AdapterMethod(
    name: "vb-lora", summary: "A and B mixed from one bank of vectors for the model (VB-LoRA)",
    options: [
      MethodOption("num_vectors", .integer(1...MethodOption.most), default: 256, "Vectors in the bank."),
      MethodOption(
        "vector_length", .integer(1...MethodOption.most), default: 256,
        "Numbers of a vector; divides both sizes of every map."),
      MethodOption("topk", .integer(1...MethodOption.most), default: 2, "Vectors in a mixture."),
      MethodOption("init_vector_bank_bound", .positive, default: 0.02, "The bank starts between minus this and this."),
      MethodOption("init_logits_std", .positive, default: 0.1, "The standard deviation of the logits at the start."),
      MethodOption(
        "vector_bank_rate", .positive, default: 1,
        "The bank's learning rate, in units of learning_rate; the paper's is 0.1."),
    ]
  ) { options in
    let size = VBLoRA.Size(options)
    return MethodDesign(form: form(size), scale: .fixed(1), peft: peft, misfit: { site, _, _ in size.misfit(site) }) {
      site, rank, _ in
      func logits(_ role: TensorRole, _ pieces: Int) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role: role, module: site.module, layer: site.layer), shape: [pieces, size.vectors],
          start: .normal(deviation: options.number("init_logits_std")))
      }
      return [
        AdapterTensor(
          .ofAllModules(VBLoRA.bank), shape: [size.vectors, size.length],
          start: .uniform(bound: options.number("init_vector_bank_bound")),
          rateFactor: options.number("vector_bank_rate")),
        logits(VBLoRA.logitsA, rank * (site.inFeatures / size.length)),
        logits(VBLoRA.logitsB, site.outFeatures / size.length * rank),
      ]
    }
  }

  private static func form(_ size: VBLoRA.Size) -> ProductForm {
    ProductForm(
      build: { tensors in
        let a = VBLoRA.Mixtures(tensors[VBLoRA.logitsA], size), b = VBLoRA.Mixtures(tensors[VBLoRA.logitsB], size)
        let bank = tensors[VBLoRA.bank]
        return SiteProduct(
          rank: tensors.rank, a: a.values(bank),
          b: VBLoRA.columns(b.values(bank), rank: tensors.rank, length: size.length))
      },
      pullBack: { tensors, gradient in
        let a = VBLoRA.Mixtures(tensors[VBLoRA.logitsA], size), b = VBLoRA.Mixtures(tensors[VBLoRA.logitsB], size)
        let bank = tensors[VBLoRA.bank]
        var ofBank = [Float](repeating: 0, count: bank.count)
        let ofA = a.pullBack(gradient.a, bank, &ofBank)
        let pieces = VBLoRA.pieces(gradient.b, rank: tensors.rank, length: size.length)
        let ofB = b.pullBack(pieces, bank, &ofBank)
        return [VBLoRA.bank: ofBank, VBLoRA.logitsA: ofA, VBLoRA.logitsB: ofB]
      })
  }

  private static let peft = PEFTForm(
    type: "VBLORA",
    keys: [
      "num_vectors", "vector_length", "topk", "save_only_topk_weights", "vblora_dropout", "init_vector_bank_bound",
      "init_logits_std",
    ],
    tensors: [
      PEFTForm.Tensor(VBLoRA.logitsA, "vblora_logits_A") { site, rank, options, _ in
        [rank, site.inFeatures / options.integer("vector_length"), options.integer("num_vectors")]
      },
      PEFTForm.Tensor(VBLoRA.logitsB, "vblora_logits_B") { site, rank, options, _ in
        [site.outFeatures / options.integer("vector_length"), rank, options.integer("num_vectors")]
      },
      PEFTForm.Tensor(VBLoRA.bank, "vblora_vector_bank", isOfModel: true),
    ],
    config: { subject in
      let own = ["num_vectors", "vector_length", "topk", "init_vector_bank_bound", "init_logits_std"]
      return own.map { ($0, subject.options[$0] ?? .null) } + [
        ("r", .integer(subject.rank)), ("save_only_topk_weights", false),
        ("vblora_dropout", plain(subject.metadata.loraDropout)),
      ]
    },
    read: { config in
      if let compact = try config.optional("save_only_topk_weights"), try compact.bool() {
        throw compact.error("files of the largest weights alone are not read; save it without save_only_topk_weights")
      }
      var options = MethodValues()
      for key in ["num_vectors", "vector_length", "topk"] {
        options[key] = .integer(try config.member(key).size())
      }
      return PEFTForm.Reading(rank: try config.member("r").size(), options: options)
    })
}

private enum VBLoRA {
  static let bank = TensorRole("bank", fileName: "vblora_vector_bank")
  static let logitsA = TensorRole("logits_A", fileName: "vblora_logits_A")
  static let logitsB = TensorRole("logits_B", fileName: "vblora_logits_B")

  struct Size: Sendable {
    let vectors: Int
    let length: Int
    let topk: Int

    init(_ options: MethodValues) {
      vectors = options.integer("num_vectors")
      length = options.integer("vector_length")
      topk = options.integer("topk")
    }

    func misfit(_ site: Site) -> MethodMisfit? {
      if let misfit = MethodMisfit("vb-lora.vector_length", length, mustDivide: site) { return misfit }
      return topk <= vectors ? nil : MethodMisfit("vb-lora.topk", "\(topk) is above num_vectors \(vectors)")
    }
  }

  /// Which vectors each piece is mixed of, with their weights.
  struct Mixtures {
    private let size: Size
    /// `topk` of each piece, one after the other.
    private var chosen: [Int] = []
    private var weights: [Float] = []

    /// Of equal logits the first counts.
    init(_ logits: [Float], _ size: Size) {
      self.size = size
      chosen.reserveCapacity(logits.count / size.vectors * size.topk)
      weights.reserveCapacity(chosen.capacity)
      for start in stride(from: 0, to: logits.count, by: size.vectors) {
        var best: [Int] = []
        for index in 0..<size.vectors {
          let logit = logits[start + index]
          let place = best.firstIndex { logits[start + $0] < logit } ?? best.count
          if place < size.topk {
            best.insert(index, at: place)
            if best.count > size.topk { best.removeLast() }
          }
        }
        let largest = logits[start + best[0]]
        let powers = best.map { exp(Double(logits[start + $0] - largest)) }, sum = powers.reduce(0, +)
        chosen += best
        weights += powers.map { Float($0 / sum) }
      }
    }

    /// The pieces [any, b].
    func values(_ bank: [Float]) -> [Float] {
      let length = size.length
      var values = [Float](repeating: 0, count: chosen.count / size.topk * length)
      values.withUnsafeMutableBufferPointer { values in
        bank.withUnsafeBufferPointer { bank in
          for place in chosen.indices {
            let piece = place / size.topk * length, vector = chosen[place] * length, weight = weights[place]
            for index in 0..<length { values[piece + index] += weight * bank[vector + index] }
          }
        }
      }
      return values
    }

    /// The gradient of the logits [any, h] from that of the pieces; adds that of the bank.
    func pullBack(_ gradient: [Float], _ bank: [Float], _ ofBank: inout [Float]) -> [Float] {
      let length = size.length, topk = size.topk
      var logits = [Float](repeating: 0, count: chosen.count / topk * size.vectors)
      for piece in 0..<(chosen.count / topk) {
        var slopes: [Double] = []
        for place in (piece * topk)..<((piece + 1) * topk) {
          let vector = chosen[place] * length
          var slope = 0.0
          for index in 0..<length {
            let number = gradient[piece * length + index]
            slope += Double(number) * Double(bank[vector + index])
            ofBank[vector + index] += weights[place] * number
          }
          slopes.append(slope)
        }
        let mean = slopes.indices.reduce(0.0) { $0 + Double(weights[piece * topk + $1]) * slopes[$1] }
        for (index, slope) in slopes.enumerated() {
          let place = piece * topk + index
          logits[piece * size.vectors + chosen[place]] = Float(Double(weights[place]) * (slope - mean))
        }
      }
      return logits
    }
  }

  /// B [out, r] of its pieces [out/b, r, b].
  static func columns(_ pieces: [Float], rank: Int, length: Int) -> [Float] {
    var b = [Float](repeating: 0, count: pieces.count)
    forEach(pieces.count, rank, length) { piece, place in b[place] = pieces[piece] }
    return b
  }

  /// The pieces of B.
  static func pieces(_ b: [Float], rank: Int, length: Int) -> [Float] {
    var pieces = [Float](repeating: 0, count: b.count)
    forEach(b.count, rank, length) { piece, place in pieces[piece] = b[place] }
    return pieces
  }

  @inline(__always)
  private static func forEach(_ count: Int, _ rank: Int, _ length: Int, _ body: (_ piece: Int, _ place: Int) -> Void) {
    for tile in 0..<(count / rank / length) {
      for column in 0..<rank {
        for index in 0..<length {
          body((tile * rank + column) * length + index, (tile * length + index) * rank + column)
        }
      }
    }
  }
}
