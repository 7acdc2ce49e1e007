import Autograd
import Kernels

/// What an encoder's layers share of its relative positions.
struct RelativeTables: Sendable {
  private let kind: EncoderDesign.Relative
  private let config: ModelConfig
  private let table: FrozenTensor
  private let norm: NormWeights?

  init(_ kind: EncoderDesign.Relative, weights: ModelWeights) {
    (self.kind, config) = (kind, weights.config)
    switch kind {
    case .bias(let path, _, _): (table, norm) = (weights[path + ".weight"], nil)
    case .disentangled(let design):
      (table, norm) = (weights[design.embedding + ".weight"], design.norm.map { weights.layerNorm($0) })
    }
  }

  /// The factor on all products of the scores; nil: 1 / √D.
  var scale: Float? {
    guard case .disentangled(let design) = kind else { return nil }
    return 1 / Float(config.headSize * design.terms).squareRoot()
  }

  /// The terms of one layer for sequences of at most `longest` tokens; `keys` and `queries` are its maps of the embedding
  /// of differences.
  func positions(
    keys: AdaptedLinear?, queries: AdaptedLinear?, longest: Int, layer: Int, _ context: ForwardContext
  ) -> RelativePositions {
    switch kind {
    case .bias(_, let buckets, let farthest):
      return RelativePositions(bias: table) { EncoderDesign.bucket($0, buckets: buckets, farthest: farthest) }
    case .disentangled(let design):
      // Short texts have few differences, and the maps of all rows would cost more than the texts' own.
      let first = design.row(1 - longest), ids = Int32(first)...Int32(design.row(longest - 1))
      let tape = context.tape, layout = PackedLayout(lengths: [ids.count], examples: [0])
      var rows = tape.embedding(layout, [(table, Array(ids))])
      if let norm { rows = tape.residualLayerNorm(rows, bias: nil, dropout: 0, site: 0, residual: nil, norm) }
      rows = tape.dropout(
        rows, probability: config.hiddenDropout, site: DropoutPlace.relativePositions(layer: layer))
      return RelativePositions(
        keys: keys.map { tape.linear(rows, $0) }, queries: queries.map { tape.linear(rows, $0) }
      ) { design.row($0) - first }
    }
  }
}
