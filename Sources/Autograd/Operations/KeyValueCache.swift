import Kernels

/// The keys and values of the tokens that a decoder has seen while it generates text, for every layer and sequence. A
/// layer with a window keeps only what later queries see.
public final class KeyValueCache {
  /// The length of a token's keys in one layer, and of its values.
  let columns: Int
  /// The tokens that a query of each layer sees, its own included; nil: all.
  private let windows: [Int?]
  private var sequences: [[Layer]]

  /// One layer's tokens of one sequence.
  private struct Layer {
    var keys = FloatStorage(zeros: 0)
    var values = FloatStorage(zeros: 0)
    /// The kept tokens: rows of `keys` and `values`.
    var kept = 0..<0
    /// The number of tokens so far, kept or not.
    var seen = 0

    /// Memory of its own.
    func copy() -> Layer { Layer(keys: keys.copy(), values: values.copy(), kept: kept, seen: seen) }
  }

  /// An empty cache for `sequences` sequences. `columns` is the number of key and value heads times their size. `windows`
  /// has the number of tokens that a query of each layer sees, its own included, or nil for all; an empty list is all nil.
  public init(layers: Int, sequences: Int, columns: Int, windows: [Int?] = []) {
    precondition(windows.isEmpty || windows.count == layers && windows.allSatisfy { $0 ?? 1 > 0 })
    self.columns = columns
    self.windows = windows.isEmpty ? Array(repeating: nil, count: layers) : windows
    self.sequences = (0..<sequences).map { _ in (0..<layers).map { _ in Layer() } }
  }

  /// The number of tokens of sequence `index` that all layers have seen.
  public func length(_ index: Int) -> Int { sequences[index].last?.seen ?? 0 }

  /// Whether a layer has seen no token of any sequence.
  public func isEmpty(layer: Int) -> Bool { sequences.allSatisfy { $0[layer].seen == 0 } }

  /// The size in bytes.
  public var byteCount: Int {
    sequences.joined().reduce(0) { $0 + 8 * $1.keys.count }
  }

  /// Appends the rows of k and v [N, K·D] to their sequences in a layer, and lets go what their queries do not see.
  public func append(layer: Int, k: Tensor, v: Tensor) {
    precondition(k.layout.sequences == sequences.count && k.columns == columns)
    for index in sequences.indices {
      let rows = k.layout.range(index)
      makeRoom(for: rows.count, &sequences[index][layer], window: windows[layer])
      let state = sequences[index][layer], at = state.kept.upperBound * columns
      // Swift may release a storage as soon as its pointer has been read.
      withExtendedLifetime(state) {
        (state.keys.base + at).update(from: k.row(rows.lowerBound), count: rows.count * columns)
        (state.values.base + at).update(from: v.row(rows.lowerBound), count: rows.count * columns)
      }
      sequences[index][layer].kept = state.kept.lowerBound..<(state.kept.upperBound + rows.count)
      sequences[index][layer].seen += rows.count
    }
  }

  /// Makes room for `new` tokens after the kept ones. Where a window has let tokens go, the rest moves to the front once
  /// per as many tokens as are kept, so that a token costs the same in every step; memory that a long prompt took is
  /// given back.
  private func makeRoom(for new: Int, _ layer: inout Layer, window: Int?) {
    if let window { layer.kept = layer.kept.suffix(window - 1) }
    let capacity = layer.keys.count / max(1, columns), needed = layer.kept.count + new
    let bound = window.map { 2 * ($0 - 1 + new) }
    if layer.kept.upperBound + new <= capacity, capacity <= bound ?? capacity { return }
    let wanted = bound.map { min($0, max(needed, 2 * capacity)) } ?? max(needed, 2 * capacity)
    let old = layer
    if wanted > capacity || capacity > bound ?? capacity {
      layer.keys = FloatStorage(zeros: wanted * columns)
      layer.values = FloatStorage(zeros: wanted * columns)
    }
    layer.kept = 0..<old.kept.count
    let from = old.kept.lowerBound * columns, count = old.kept.count * columns
    withExtendedLifetime((old, layer)) {
      // The same storage may be both; `update` allows the overlap.
      layer.keys.base.update(from: old.keys.base + from, count: count)
      layer.values.base.update(from: old.values.base + from, count: count)
    }
  }

  /// Keeps only the sequences `kept`, in this order. One that occurs twice is copied.
  public func select(_ kept: [Int]) {
    var taken: Set<Int> = []
    sequences = kept.map { index in
      taken.insert(index).inserted ? sequences[index] : sequences[index].map { $0.copy() }
    }
  }

  /// Lets go all tokens of sequence `index`: the next are its first.
  public func forget(_ index: Int) { sequences[index] = sequences[index].map { _ in Layer() } }

  /// The tokens that a layer keeps of a sequence, of which the last are the newest.
  func tokens(layer: Int, _ index: Int) -> (keys: FloatStorage, values: FloatStorage, rows: Range<Int>, window: Int?) {
    let state = sequences[index][layer]
    return (state.keys, state.values, state.kept, windows[layer])
  }
}
