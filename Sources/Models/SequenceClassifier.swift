import Autograd
import Checkpoints
import Kernels

/// A model that gives one row of logits for each sequence.
public protocol SequenceClassifier: Sendable {
  /// The sizes of the model.
  var config: ModelConfig { get }
  /// Logits [B, n] of the sequences of a shard. Ids and lengths have been checked with `check`.
  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor
}

/// A model directory, loaded for sequence classification.
public struct LoadedClassifier: Sendable {
  /// The model.
  public let model: any SequenceClassifier
  /// The checkpoint's own head, in the order of `HeadParameter.all`; nil if it has none that fits.
  public let storedHead: [[Float]]?
  /// Notes for the user: a pooler or head that had to be drawn.
  public let notices: [String]
  private let directory: WeightFiles

  /// Maps the weights of `path` and checks every one of them.
  ///
  /// `labels` is the number of outputs. A pooler that the checkpoint lacks is drawn from `philox` as transformers
  /// draws it from its seed. Resident matrices that products cannot read as they are stored become copies, once, here.
  public init(
    path: String, config: ModelConfig, labels: Int, philox: Philox, precision: Precision = .float32,
    holding: WeightHolding = .resident, int8: Int8Factors? = nil, packs: Bool = false
  ) throws {
    let geometry = ModelGeometry(config)
    directory = try geometry.checkpoint(path, holding: holding)
    var notices: [String] = []
    model = try Self.classifier(
      try ModelWeights(directory, geometry, precision, int8: int8, packs: packs, philox: philox, notices: &notices))
    storedHead = try Self.storedHead(directory, HeadParameter.all(config: config, labels: labels), labels, &notices)
    self.notices = notices
  }

  /// The model on shapes alone, for counting memory. The types are those of `stored`, else float32.
  public static func model(
    shapesOf geometry: ModelGeometry, precision: RunPrecision, stored: WeightFiles?
  ) throws -> any SequenceClassifier {
    try classifier(ModelWeights(shapesOf: geometry, precision, stored: stored))
  }

  /// Drops the weights' pages from memory; they are read again when needed.
  public func forgetPages() { directory.forgetPages() }

  static func classifier(_ weights: ModelWeights) throws -> any SequenceClassifier {
    switch weights.config.architecture.forward {
    case .encoder(let make): try make(weights)
    case .decoder(let make): DecoderClassifier(decoder: try make(weights))
    }
  }

  static func storedHead(
    _ directory: WeightFiles, _ head: [HeadParameter], _ labels: Int, _ notices: inout [String]
  ) throws -> [[Float]]? {
    if head.allSatisfy({ directory.info($0.name)?.shape == $0.shape }) {
      let stored = try directory.tensors(head.map { ($0.name, $0.shape) })
      try directory.refuseNonFinite(stored)
      return head.compactMap { stored[$0.name]?.floats() }
    }
    if head.contains(where: { directory.contains($0.name) }) {
      notices.append(
        "the head stored in \(directory.path) does not fit \(labels) outputs: a new one is drawn from the seed")
    }
    return nil
  }
}
