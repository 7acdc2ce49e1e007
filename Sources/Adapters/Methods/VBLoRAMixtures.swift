import Checkpoints
import Foundation
import Models

/// The tensors of VB-LoRA, and what they stand for.
enum VBLoRA {
  static let bank = TensorRole("bank", fileName: "vblora_vector_bank")
  static let logitsA = TensorRole("logits_A", fileName: "vblora_logits_A")
  static let logitsB = TensorRole("logits_B", fileName: "vblora_logits_B")

  struct Size: Sendable {
    let vectors: Int
    let length: Int
    let topk: Int

    init(_ options: MethodValues, _ maps: AdaptedMaps) {
      vectors = options.integer("num_vectors")
      length = options.size("vector_length") ?? maps.largestDivisor(upTo: 256)
      topk = options.integer("topk")
    }

    /// Without a length, which mixtures of logits alone do not need.
    init(vectors: Int, topk: Int) { (self.vectors, self.topk, length) = (vectors, topk, 0) }

    func misfits(_ site: Site) -> [MethodMisfit] {
      MethodMisfit.indivisible("vb-lora.vector_length", length, site)
        + (topk > vectors
          ? [MethodMisfit("vb-lora.topk", "\(topk) is above num_vectors \(vectors)", isOfMap: false)] : [])
    }
  }

  /// Which vectors each piece is mixed of, with their weights.
  struct Mixtures {
    private let size: Size
    /// `topk` of each piece, one after the other, those with the largest logits first.
    private(set) var chosen: [Int] = []
    /// Their weights.
    private(set) var weights: [Float] = []

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

  /// The tensors of PEFT's file for logits of `shape` [any, any, h]: themselves, or in its compact form the numbers of each
  /// piece's vectors and all weights but the last, which follows from them.
  static func stored(_ name: String, _ shape: [Int], _ logits: [Float], _ options: MethodValues) -> [SafetensorsTensor]
  {
    guard options.truth("save_only_topk_weights") else {
      return [SafetensorsTensor(name: name, shape: shape, logits)]
    }
    let vectors = options.integer("num_vectors"), topk = options.integer("topk")
    let mixtures = Mixtures(logits, Size(vectors: vectors, topk: topk)), pieces = Array(shape.dropLast())
    let weights = mixtures.weights.enumerated().filter { $0.offset % topk < topk - 1 }.map(\.element)
    // PEFT's choice, by the number of vectors.
    let (type, width): (SafetensorsType, Int) =
      vectors < 1 << 8 ? (.uint8, 1) : vectors < 1 << 15 ? (.int16, 2) : (.int32, 4)
    let bytes = mixtures.chosen.flatMap { number in (0..<width).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
    return [
      SafetensorsTensor(name: name + "_topk_indices", shape: pieces + [topk], type: type, bytes: bytes),
      SafetensorsTensor(name: name + "_topk_weights", shape: pieces + [topk - 1], weights),
    ]
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
