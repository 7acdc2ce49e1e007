import CKernels
import Kernels

extension Tape {
  /// Causal `attention` of q [M, H·D] over the cached keys and values, of which the last belong to q's own tokens, in the
  /// window that the cache has for the layer. It has no derivative.
  public func cachedAttention(
    q: Tensor, cache: KeyValueCache, layer: Int, heads: Int, scale: Float? = nil, softCap: Float? = nil
  ) -> Tensor {
    let size = q.columns / heads, sharing = heads / (cache.columns / size), columns = cache.columns
    let scale = scale ?? 1 / Float(size).squareRoot()
    let output = make(q.layout, columns: q.columns, needsGradient: false)
    for sequence in 0..<q.layout.sequences {
      let (keys, values, kept, window) = cache.tokens(layer: layer, sequence), queries = q.layout.range(sequence)
      let reach = AttentionReach(before: window.map { $0 - 1 }, after: 0)
      for start in stride(from: queries.lowerBound, to: queries.upperBound, by: 128) {
        let rows = min(128, queries.upperBound - start)
        // Places among the kept tokens: of the first of these queries, and of what they see.
        let place = kept.count - (queries.upperBound - start)
        let first = reach.keys(of: place, count: kept.count).lowerBound, seen = place + rows - first
        let scores = workspace.allocate(rows * seen)
        for head in 0..<heads {
          let at = (kept.lowerBound + first) * columns + head / sharing * size
          multiply(
            rows, seen, size, MatrixView(q.row(start) + head * size, stride: q.columns),
            MatrixView(keys.base + at, stride: columns).transposed, scores.view(seen))
          for row in 0..<rows {
            let s = scores.base + row * seen, visible = reach.keys(of: place + row, count: kept.count)
            let begin = visible.lowerBound - first, end = visible.upperBound - first
            if let softCap { ck_soft_cap(s + begin, scale, softCap, nil, end - begin) }
            _ = ck_softmax(s + begin, softCap == nil ? scale : 1, end - begin)
            s.update(repeating: 0, count: begin)
            (s + end).update(repeating: 0, count: seen - end)
          }
          multiply(
            rows, size, seen, scores.view(seen), MatrixView(values.base + at, stride: columns),
            MatrixView(output.row(start) + head * size, stride: q.columns))
        }
      }
      withExtendedLifetime((keys, values)) {}
    }
    return output
  }
}
