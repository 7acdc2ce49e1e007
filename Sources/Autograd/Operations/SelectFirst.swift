import Kernels

extension Tape {
  /// The first row of every sequence: [N, C] → [B, C]. This is the classification token of BERT and RoBERTa.
  public func selectFirst(_ x: Tensor) -> Tensor {
    select(x, rows: Array(x.layout.offsets.dropLast()))
  }
}
