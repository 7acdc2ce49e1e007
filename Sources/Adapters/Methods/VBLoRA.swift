import Kernels
import Models
import StrictJSON

extension AdapterMethod {
  /// VB-LoRA (Li et al., arXiv 2405.15179): one bank of h vectors of length b for the whole model. Every piece of b numbers of a row
  /// of A or a column of B is a mixture of the bank's `topk` vectors with the largest logits, weighted by the softmax of those
  /// logits. Bank and logits are trained; there is no alpha.
  ///
  /// Tensors lie as in PEFT: logits of A [r, in/b, h], of B [out/b, r, h]. PEFT's compact form (`save_only_topk_weights`) is
  /// written, and not read, as such files cannot be trained further.
  public static let vbLoRA = AdapterMethod(
    name: "vb-lora", summary: "A and B mixed from one bank of vectors for the model (VB-LoRA)",
    options: [
      MethodOption("num_vectors", .integer(1...MethodOption.most), default: 256, "Vectors in the bank."),
      MethodOption(
        "vector_length", .integer(1...MethodOption.most), default: .null,
        "Numbers of a vector; divides both sizes of every map; null: the largest number up to 256 that does."),
      MethodOption("topk", .integer(1...MethodOption.most), default: 2, "Vectors in a mixture."),
      MethodOption(
        "save_only_topk_weights", .truth, default: false,
        "Whether export writes PEFT's compact form, which holds the mixtures alone and cannot be trained further."),
      MethodOption("init_vector_bank_bound", .positive, default: 0.02, "The bank starts between minus this and this."),
      MethodOption("init_logits_std", .positive, default: 0.1, "The standard deviation of the logits at the start."),
      MethodOption(
        "vector_bank_rate", .positive, default: 1,
        "The bank's learning rate, in units of learning_rate; the paper's is 0.1."),
    ]
  ) { options in
    MethodDesign(
      form: form(options), scale: .fixed(1), peft: peft, misfits: { VBLoRA.Size(options, $2).misfits($0) }
    ) { site, rank, maps in
      let size = VBLoRA.Size(options, maps)
      func logits(_ role: TensorRole, _ pieces: Int) -> AdapterTensor {
        AdapterTensor(
          TensorKey(role, of: site), shape: [pieces, size.vectors],
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

  private static func form(_ options: MethodValues) -> ProductForm {
    ProductForm(
      build: { tensors in
        let size = VBLoRA.Size(options, tensors.maps)
        let a = VBLoRA.Mixtures(tensors[VBLoRA.logitsA], size), b = VBLoRA.Mixtures(tensors[VBLoRA.logitsB], size)
        let bank = tensors[VBLoRA.bank]
        return SiteProduct(
          rank: tensors.rank, a: a.values(bank),
          b: VBLoRA.columns(b.values(bank), rank: tensors.rank, length: size.length))
      },
      pullBack: { tensors, gradient in
        let size = VBLoRA.Size(options, tensors.maps)
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
      PEFTForm.Tensor(
        VBLoRA.logitsA, "vblora_logits_A",
        shape: { site, rank, options, maps in
          let size = VBLoRA.Size(options, maps)
          return [rank, site.inFeatures / size.length, size.vectors]
        }, stored: VBLoRA.stored),
      PEFTForm.Tensor(
        VBLoRA.logitsB, "vblora_logits_B",
        shape: { site, rank, options, maps in
          let size = VBLoRA.Size(options, maps)
          return [site.outFeatures / size.length, rank, size.vectors]
        }, stored: VBLoRA.stored),
      PEFTForm.Tensor(VBLoRA.bank, "vblora_vector_bank", isOfModel: true),
    ],
    config: { subject in
      let own = ["num_vectors", "topk", "save_only_topk_weights", "init_vector_bank_bound", "init_logits_std"]
      return own.map { ($0, subject.options[$0] ?? .null) } + [
        ("r", .integer(subject.rank)),
        ("vector_length", .integer(VBLoRA.Size(subject.options, subject.maps).length)),
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
