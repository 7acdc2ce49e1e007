/// What a method adds to the loss for its tensors alone.
public struct Regulariser: Sendable {
  /// The penalty of a tensor and its gradient; nil for a tensor without one. `site` has the tensors of the first site that
  /// uses it.
  public let penalty:
    @Sendable (_ tensor: AdapterTensor, _ values: [Float], _ site: SiteTensors) -> (loss: Double, gradient: [Float])?

  /// A regulariser.
  public init(
    penalty:
      @escaping @Sendable (_ tensor: AdapterTensor, _ values: [Float], _ site: SiteTensors) -> (
        loss: Double, gradient: [Float]
      )?
  ) {
    self.penalty = penalty
  }

  /// The sum of both.
  func plus(_ other: Regulariser) -> Regulariser {
    Regulariser { tensor, values, site in
      guard let one = penalty(tensor, values, site) else { return other.penalty(tensor, values, site) }
      guard let two = other.penalty(tensor, values, site) else { return one }
      return (one.loss + two.loss, zip(one.gradient, two.gradient).map { $0 + $1 })
    }
  }
}
