import Autograd
import Foundation
import Kernels

/// DeBERTa's attention by content and relative position apart (He et al., arXiv 2006.03654, section 3.1, and for the
/// buckets arXiv 2111.09543): to q_i · k_j come q_i · K[δ] and k_j · Q[δ], where K and Q are maps of one embedding of
/// differences δ that all layers share.
public struct DisentangledDesign: Sendable, Equatable {
  /// The embedding of differences.
  public var embedding = "encoder.rel_embeddings"
  /// Its norm; nil if there is none.
  public var norm: String?
  /// Half its rows: differences from −span to span − 1 have rows of their own.
  public var span: Int
  /// Beyond half of `span`, differences up to this one share rows by their logarithm; nil if they do not.
  public var farthest: Int?
  /// Whether q · K is added ("c2p").
  public var hasKeys: Bool
  /// Whether k · Q is added ("p2c").
  public var hasQueries: Bool
  /// The map of a layer that makes K; nil if its own key map does.
  public var keyMap: String?
  /// The map of a layer that makes Q; nil if its own query map does.
  public var queryMap: String?

  /// The terms of the score, each of which is divided by √(D · terms).
  var terms: Int { 1 + (hasKeys ? 1 : 0) + (hasQueries ? 1 : 0) }

  /// The embedding and its norm.
  func parts(_ hidden: Int) -> [ModelPart] {
    [.embedding(embedding, 2 * span, hidden)] + (norm.map { [.norm($0, hidden)] } ?? [])
  }

  func layerParts(_ hidden: Int, _ path: String) -> [ModelPart] {
    [hasKeys ? keyMap : nil, hasQueries ? queryMap : nil].compactMap(\.self).map { .linear(path + $0, hidden, hidden) }
  }

  /// The row for a difference, query position − key position.
  func row(_ difference: Int) -> Int { min(max(bucket(difference) + span, 0), 2 * span - 1) }

  /// In float32, as transformers computes it.
  private func bucket(_ difference: Int) -> Int {
    let middle = span / 2
    guard let farthest, abs(difference) > middle else { return difference }
    let ratio = log(Float(abs(difference)) / Float(middle)) / log(Float(farthest - 1) / Float(middle))
    let bucket = Int((ratio * Float(middle - 1)).rounded(.up)) + middle
    return difference < 0 ? -bucket : bucket
  }
}

extension EncoderDesign {
  /// The bucket of T5's relative positions in both directions, for a difference query position − key position: half of the
  /// buckets for keys that come later; in each half, small differences have one each and larger ones share by their
  /// logarithm. In float32, as transformers computes it.
  static func bucket(_ difference: Int, buckets: Int, farthest: Int) -> Int {
    let half = buckets / 2, exact = half / 2, distance = abs(difference)
    let start = difference < 0 ? half : 0
    guard distance >= exact else { return start + distance }
    let ratio = log(Float(distance) / Float(exact)) / Float(log(Double(farthest) / Double(exact)))
    return start + min(half - 1, exact + Int(ratio * Float(half - exact)))
  }
}
