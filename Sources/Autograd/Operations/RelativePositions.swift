import Kernels

/// Terms of an attention score that depend on the difference d = query position − key position, by a table's row for it.
///
/// The score of query i and key j is scale · (q_i · k_j + q_i · keys[r] + k_j · queries[r]) + bias[r] with r = rows(i − j):
/// content to position and position to content of DeBERTa (He et al., arXiv 2006.03654, equation 4), and MPNet's bias. In
/// transformers, position to content reads row span − bucket(j − i), which is the row span + bucket(i − j) of content to
/// position, because buckets are odd.
public struct RelativePositions {
  /// The row of the tables for a difference.
  public let rows: @Sendable (_ difference: Int) -> Int
  /// [R, H], frozen.
  public let bias: FrozenTensor?
  /// [R, H·D], one sequence of R rows.
  public let keys: Tensor?
  /// [R, H·D], one sequence of R rows.
  public let queries: Tensor?

  /// Terms; nil ones are left out.
  public init(
    bias: FrozenTensor? = nil, keys: Tensor? = nil, queries: Tensor? = nil,
    rows: @escaping @Sendable (_ difference: Int) -> Int
  ) {
    self.rows = rows
    self.bias = bias
    self.keys = keys
    self.queries = queries
  }
}
