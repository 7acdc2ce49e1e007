/// How s follows from alpha and r.
public enum MethodScale: Sendable, Equatable {
  /// alpha / r, or alpha / √r for rsLoRA.
  case alphaOverRank
  /// The same, of a rank that is r and this many more.
  case alphaOverRankPlus(Int)
  /// alpha, which the method divides itself.
  case alpha
  /// 1; alpha decides how tensors start (`AdapterTensor.Start.alpha`).
  case inTensors
  /// A number that neither changes: the method has no alpha.
  case fixed(Double)

  /// Whether s is alpha over something that rsLoRA takes the root of.
  var dividesAlpha: Bool {
    switch self {
    case .alphaOverRank, .alphaOverRankPlus: true
    case .alpha, .inTensors, .fixed: false
    }
  }

  /// s.
  public func value(alpha: Double, rank: Int, useRSLoRA: Bool) -> Double {
    switch self {
    case .alphaOverRank: loraScale(alpha: alpha, rank: rank, useRSLoRA: useRSLoRA)
    case .alphaOverRankPlus(let more): loraScale(alpha: alpha, rank: rank + more, useRSLoRA: useRSLoRA)
    case .alpha: alpha
    case .inTensors: 1
    case .fixed(let scale): scale
    }
  }
}

/// s = alpha / r, or alpha / √r for rsLoRA; 0 for rank 0.
public func loraScale(alpha: Double, rank: Int, useRSLoRA: Bool) -> Double {
  if rank < 1 { return 0 }
  return alpha / (useRSLoRA ? Double(rank).squareRoot() : Double(rank))
}
