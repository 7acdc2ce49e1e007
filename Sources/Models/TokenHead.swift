import Autograd
import Checkpoints
import Kernels

/// Which head a model has over its states.
public enum HeadKind: Sendable, Equatable {
  /// Logits for each sequence.
  case sequence
  /// Logits for each token.
  case tokens
}

/// A family's head for token classification, as transformers' `…ForTokenClassification` has it: what it trains, and how
/// the states of tokens become logits.
///
/// A pooler is no part of these models, as in transformers.
public struct TokenHead: Sendable {
  /// transformers' class.
  public let className: String
  /// The trained tensors for a number of outputs.
  public let parameters: @Sendable (_ config: ModelConfig, _ outputs: Int) -> [HeadParameter]
  /// The forward code of the model below.
  public let encoder: @Sendable (ModelWeights) throws -> any TokenEncoder
  /// Logits [W, n] from states [W, C].
  public let logits: @Sendable (_ states: Tensor, _ config: ModelConfig, _ context: ForwardContext) -> Tensor

  /// A head of its parts.
  public init(
    className: String, parameters: @escaping @Sendable (ModelConfig, Int) -> [HeadParameter],
    encoder: @escaping @Sendable (ModelWeights) throws -> any TokenEncoder,
    logits: @escaping @Sendable (Tensor, ModelConfig, ForwardContext) -> Tensor
  ) {
    (self.className, self.parameters, self.encoder, self.logits) = (className, parameters, encoder, logits)
  }

  /// Dropout and one linear map, `module`: what almost all families have.
  static func linear(
    _ className: String, _ module: String, encoder: @escaping @Sendable (ModelWeights) throws -> any TokenEncoder
  ) -> TokenHead {
    TokenHead(
      className: className,
      parameters: { config, outputs in
        HeadParameter.linear(
          module, config.hiddenSize, outputs, hasBias: config.tokenClassifierHasBias, isOutput: true)
      }, encoder: encoder,
      logits: { states, config, context in
        let dropped = context.tape.dropout(
          states, probability: config.tokenClassifierDropout, site: DropoutPlace.classifierInput)
        return context.tape.trainableLinear(
          dropped, weight: context.head[0], bias: config.tokenClassifierHasBias ? context.head[1] : nil)
      })
  }
}

/// A model that gives a state for every token.
public protocol TokenEncoder: Sendable {
  /// The sizes of the model.
  var config: ModelConfig { get }
  /// The last layer's states [N, C] of all tokens. Ids and lengths have been checked.
  func tokenStates(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor
}

/// A model that gives logits for chosen tokens.
public struct TokenClassifier: Sendable {
  private let encoder: any TokenEncoder
  private let head: TokenHead

  init(_ weights: ModelWeights) throws {
    guard let head = weights.config.architecture.tokenHead else { throw ModelError.noTokenClassifier(weights.config) }
    (encoder, self.head) = (try head.encoder(weights), head)
  }

  /// The sizes of the model.
  public var config: ModelConfig { encoder.config }

  /// Logits [W, n] of the tokens at `places` of each sequence, which must have at least one.
  public func logits(_ tokens: PackedTokens, at places: [[Int]], _ context: ForwardContext) -> Tensor {
    let states = encoder.tokenStates(tokens, context)
    return head.logits(context.tape.select(states, places: places), config, context)
  }
}

/// A model directory, loaded for token classification.
public struct LoadedTokenClassifier: Sendable {
  /// The model.
  public let model: TokenClassifier
  /// The checkpoint's own head, in the order of `HeadParameter.all`; nil if it has none that fits.
  public let storedHead: [[Float]]?
  /// Notes for the user: a head that had to be drawn.
  public let notices: [String]
  private let directory: WeightFiles

  /// Maps the weights of `path` and checks every one of them. `labels` is the number of outputs.
  public init(
    path: String, config: ModelConfig, labels: Int, precision: Precision = .float32,
    holding: WeightHolding = .resident, int8: Int8Factors? = nil, packs: Bool = false
  ) throws {
    let geometry = ModelGeometry(config, head: .tokens)
    directory = try geometry.checkpoint(path, holding: holding)
    var notices: [String] = []
    model = try TokenClassifier(
      ModelWeights(directory, geometry, precision, int8: int8, packs: packs, philox: Philox(seed: 0), notices: &notices)
    )
    storedHead = try LoadedClassifier.storedHead(
      directory, HeadParameter.all(config: config, labels: labels, kind: .tokens), labels, &notices)
    self.notices = notices
  }

  /// The model on shapes alone, for counting memory. The types are those of `stored`, else float32.
  public static func model(
    shapesOf geometry: ModelGeometry, precision: RunPrecision, stored: WeightFiles?
  ) throws -> TokenClassifier {
    try TokenClassifier(ModelWeights(shapesOf: geometry, precision, stored: stored))
  }

  /// Drops the weights' pages from memory; they are read again when needed.
  public func forgetPages() { directory.forgetPages() }
}
