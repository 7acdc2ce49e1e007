import CKernels
import Kernels

/// The keys and values of the tokens that a decoder has seen while it generates text, for every layer and sequence.
public final class KeyValueCache {
  /// The length of a token's keys in one layer, and of its values.
  let columns: Int
  private let layers: Int
  private var sequences: [Sequence]

  private final class Sequence {
    var keys: [FloatStorage]
    var values: [FloatStorage]
    /// The number of tokens in each layer.
    var counts: [Int]

    init(layers: Int) {
      keys = (0..<layers).map { _ in FloatStorage(zeros: 0) }
      values = keys
      counts = Array(repeating: 0, count: layers)
    }
  }

  /// An empty cache for `sequences` sequences. `columns` is the number of key and value heads times their size. `windows`
  /// has the number of tokens that a query of each layer sees with its own, or nil for all; an empty list is all nil.
  public init(layers: Int, sequences: Int, columns: Int, windows: [Int?] = []) {
    precondition(windows.allSatisfy { $0 == nil }, "not yet")
    self.layers = layers
    self.columns = columns
    self.sequences = (0..<sequences).map { _ in Sequence(layers: layers) }
  }

  /// The number of tokens of sequence `index` that all layers have seen.
  public func length(_ index: Int) -> Int { sequences[index].counts.last ?? 0 }

  /// The size in bytes.
  public var byteCount: Int {
    sequences.reduce(0) { $0 + $1.keys.reduce(0) { $0 + 8 * $1.count } }
  }

  /// Appends the rows of k and v [N, K·D] to their sequences in a layer.
  public func append(layer: Int, k: Tensor, v: Tensor) {
    precondition(k.layout.sequences == sequences.count && k.columns == columns)
    for (index, sequence) in sequences.enumerated() {
      let rows = k.layout.range(index), count = sequence.counts[layer]
      Self.append(k.row(rows.lowerBound), rows.count * columns, after: count * columns, to: &sequence.keys[layer])
      Self.append(v.row(rows.lowerBound), rows.count * columns, after: count * columns, to: &sequence.values[layer])
      sequence.counts[layer] = count + rows.count
    }
  }

  private static func append(
    _ source: UnsafePointer<Float>, _ count: Int, after used: Int, to storage: inout FloatStorage
  ) {
    // Swift may release a storage as soon as its pointer has been read.
    if used + count > storage.count {
      let old = storage, larger = FloatStorage(zeros: max(used + count, 2 * storage.count))
      withExtendedLifetime(old) { larger.base.update(from: old.base, count: used) }
      storage = larger
    }
    withExtendedLifetime(storage) { (storage.base + used).update(from: source, count: count) }
  }

  /// Keeps only the sequences `kept`, in this order. One that occurs twice is copied.
  public func select(_ kept: [Int]) {
    var taken: Set<Int> = []
    sequences = kept.map { index in
      let sequence = sequences[index]
      if taken.insert(index).inserted { return sequence }
      let copy = Sequence(layers: layers)
      copy.keys = sequence.keys.map { $0.copy() }
      copy.values = sequence.values.map { $0.copy() }
      copy.counts = sequence.counts
      return copy
    }
  }

  func keys(layer: Int, _ index: Int) -> (keys: FloatStorage, values: FloatStorage, count: Int) {
    let sequence = sequences[index]
    return (sequence.keys[layer], sequence.values[layer], sequence.counts[layer])
  }
}

extension Tape {
  /// Causal `attention` of q [M, H·D] over the cached keys and values, of which the last belong to q's own tokens. It has
  /// no derivative.
  public func cachedAttention(
    q: Tensor, cache: KeyValueCache, layer: Int, heads: Int, scale: Float? = nil, softCap: Float? = nil
  ) -> Tensor {
    precondition(softCap == nil, "not yet")
    let size = q.columns / heads, sharing = heads / (cache.columns / size)
    let scale = scale ?? 1 / Float(size).squareRoot()
    let output = make(q.layout, columns: q.columns, needsGradient: false)
    for sequence in 0..<q.layout.sequences {
      let (keys, values, count) = cache.keys(layer: layer, sequence), queries = q.layout.range(sequence)
      for start in stride(from: queries.lowerBound, to: queries.upperBound, by: 128) {
        let rows = min(128, queries.upperBound - start)
        // The first of these queries sees `before` keys and its own.
        let before = count - (queries.upperBound - start), seen = before + rows
        let scores = workspace.allocate(rows * seen)
        for head in 0..<heads {
          let first = head / sharing * size
          multiply(
            rows, seen, size, MatrixView(q.row(start) + head * size, stride: q.columns),
            MatrixView(keys.base + first, stride: cache.columns).transposed, scores.view(seen))
          for row in 0..<rows {
            let at = scores.base + row * seen, visible = before + row + 1
            _ = ck_softmax(at, scale, visible)
            (at + visible).update(repeating: 0, count: seen - visible)
          }
          multiply(
            rows, size, seen, scores.view(seen), MatrixView(values.base + first, stride: cache.columns),
            MatrixView(output.row(start) + head * size, stride: q.columns))
        }
      }
    }
    return output
  }
}
