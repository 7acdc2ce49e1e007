import Autograd
import Kernels

/// The convolution of an `EncoderDesign`, as a linear map of every token's state beside its neighbours'.
struct EncoderConvolution: Sendable {
  private let design: EncoderDesign.Convolution
  private let dropout: Float
  private let map: FrozenLinear
  private let norm: NormWeights

  init(_ design: EncoderDesign.Convolution, weights: ModelWeights) {
    (self.design, dropout) = (design, weights.config.hiddenDropout)
    norm = weights.layerNorm(design.norm)
    let stored = weights[design.path + ".weight"], hidden = weights.config.hiddenSize
    map = FrozenLinear(
      weight: Self.matrix(stored, hidden, width: 2 * design.distance + 1),
      bias: weights[design.path + ".bias"].inFloat32())
  }

  /// [out, in, place] as [out, place · in].
  private static func matrix(_ stored: FrozenTensor, _ hidden: Int, width: Int) -> FrozenTensor {
    let values = stored.floats()
    var matrix = [Float](repeating: 0, count: values.count)
    for row in 0..<hidden {
      for column in 0..<hidden {
        for place in 0..<width {
          matrix[(row * width + place) * hidden + column] = values[(row * hidden + column) * width + place]
        }
      }
    }
    return FrozenTensor(matrix, shape: [hidden, width * hidden])
  }

  /// norm(states + f(dropout(convolution(embeddings)))), [N, C] each.
  func forward(_ embeddings: Tensor, addedTo states: Tensor, _ context: ForwardContext) -> Tensor {
    let tape = context.tape
    let sum = tape.linear(
      tape.neighbours(embeddings, distance: design.distance), AdaptedLinear(map, adapter: nil))
    let dropped = tape.dropout(sum, probability: dropout, site: DropoutPlace.convolution)
    return tape.residualLayerNorm(
      tape.activation(dropped, design.activation), bias: nil, dropout: 0, site: 0, residual: states, norm)
  }
}
