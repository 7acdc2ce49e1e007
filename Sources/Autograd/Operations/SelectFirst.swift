import Kernels

extension Tape {
  /// The first row of every sequence, the classification token of BERT and RoBERTa: [N, C] → [B, C].
  public func selectFirst(_ x: Tensor) -> Tensor {
    select(x, rows: Array(x.layout.offsets.dropLast()))
  }
}
