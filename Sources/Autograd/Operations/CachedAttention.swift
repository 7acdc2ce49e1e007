import CKernels
import Kernels

extension Tape {
  /// Causal `attention` of q [M, H·D] over the cached keys and values, of which the last belong to q's own tokens, in the
  /// window that the cache has for the layer. It has no derivative.
  public func cachedAttention(
    q: Tensor, cache: KeyValueCache, layer: Int, heads: Int, scale: Float? = nil, softCap: Float? = nil
  ) -> Tensor {
    let size = q.columns / heads
    let output = make(q.layout, columns: q.columns, needsGradient: false)
    let attention = CachedAttention(
      heads: heads, size: size, sharing: heads / (cache.columns / size), columns: cache.columns,
      scale: scale ?? 1 / Float(size).squareRoot(), softCap: softCap)
    for sequence in 0..<q.layout.sequences {
      let (keys, values, kept, window) = cache.tokens(layer: layer, sequence), queries = q.layout.range(sequence)
      let reach = AttentionReach(before: window.map { $0 - 1 }, after: 0)
      for start in stride(from: queries.lowerBound, to: queries.upperBound, by: 128) {
        let rows = min(128, queries.upperBound - start)
        // Places among the kept tokens: of the first of these queries, and of what they see.
        let place = kept.count - (queries.upperBound - start)
        let first = reach.keys(of: place, count: kept.count).lowerBound, seen = place + rows - first
        let at = (kept.lowerBound + first) * cache.columns
        let tokens = (keys: keys.base + at, values: values.base + at)
        if rows == 1 {
          attention.one(q.row(start), tokens, seen, into: output.row(start), in: workspace)
        } else {
          attention.several(q.row(start), rows, tokens, seen, into: output.row(start), in: workspace) { row in
            let visible = reach.keys(of: place + row, count: kept.count)
            return visible.lowerBound - first..<visible.upperBound - first
          }
        }
      }
      withExtendedLifetime((keys, values)) {}
    }
    return output
  }
}

/// Queries [rows, H·D] over rows of keys and values.
private struct CachedAttention {
  let heads: Int
  /// D.
  let size: Int
  /// The query heads that share a head of keys and values.
  let sharing: Int
  /// The numbers of a token's keys.
  let columns: Int
  let scale: Float
  let softCap: Float?

  typealias Tokens = (keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>)

  /// One query, which sees all of `seen` tokens; the threads share out the heads.
  func one(
    _ q: UnsafeMutablePointer<Float>, _ tokens: Tokens, _ seen: Int, into output: UnsafeMutablePointer<Float>,
    in workspace: Workspace
  ) {
    let scores = workspace.allocate(workspace.members * seen)
    workspace.forEach(heads, work: heads * seen * size) { head, member in
      let s = scores.base + member * seen, shared = head / sharing * size
      ck_query_keys(s, q + head * size, tokens.keys + shared, columns, size, seen)
      softmax(s, seen)
      ck_sum_values(output + head * size, s, tokens.values + shared, columns, size, seen)
    }
  }

  /// Several queries, each of which sees the tokens that `visible` has for its row.
  func several(
    _ q: UnsafeMutablePointer<Float>, _ rows: Int, _ tokens: Tokens, _ seen: Int,
    into output: UnsafeMutablePointer<Float>, in workspace: Workspace, visible: (Int) -> Range<Int>
  ) {
    let scores = workspace.allocate(rows * seen), stride = heads * size
    for head in 0..<heads {
      let shared = head / sharing * size
      multiply(
        rows, seen, size, MatrixView(q + head * size, stride: stride),
        MatrixView(tokens.keys + shared, stride: columns).transposed, scores.view(seen))
      for row in 0..<rows {
        let s = scores.base + row * seen, range = visible(row)
        softmax(s + range.lowerBound, range.count)
        s.update(repeating: 0, count: range.lowerBound)
        (s + range.upperBound).update(repeating: 0, count: seen - range.upperBound)
      }
      multiply(
        rows, size, seen, scores.view(seen), MatrixView(tokens.values + shared, stride: columns),
        MatrixView(output + head * size, stride: stride))
    }
  }

  private func softmax(_ s: UnsafeMutablePointer<Float>, _ count: Int) {
    if let softCap { ck_soft_cap(s, scale, softCap, nil, count) }
    _ = ck_softmax(s, softCap == nil ? scale : 1, count)
  }
}
