import Autograd
import Kernels
import Testing

@Suite struct CachedAttentionTests {
  static let columns = 8, heads = 4, size = 4
  /// One layer without a window, and others with one of a token, of a few, and of more than all.
  static let windows: [Int?] = [nil, 1, 5, 40, 1000]
  let tape = Tape(workspace: dirtyWorkspace(), parameters: FloatStorage(zeros: 0))

  /// Numbers of the tokens of a text, which repeat in every layer.
  private func numbers(_ text: Int, _ tokens: Range<Int>, columns: Int, stream: UInt64) -> [Float] {
    let all = normal(400 * columns, stream: stream + 100 * UInt64(text))
    return Array(all[(tokens.lowerBound * columns)..<(tokens.upperBound * columns)])
  }

  private func tensor(_ texts: [Int], _ tokens: [Range<Int>], columns: Int, stream: UInt64) -> Tensor {
    tape.constant(
      zip(texts, tokens).flatMap { numbers($0, $1, columns: columns, stream: stream) },
      layout: PackedLayout(tokens.map(\.count)), columns: columns)
  }

  /// Appends tokens of texts to every layer of the cache and compares each layer's result with attention over all.
  private func see(
    _ texts: [Int], _ tokens: [Range<Int>], asking: Int? = nil, _ cache: KeyValueCache, softCap: Float?,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let asked = tokens.map { $0.suffix(asking ?? $0.count) }
    let q = tensor(texts, asked, columns: Self.heads * Self.size, stream: 1)
    let k = tensor(texts, tokens, columns: Self.columns, stream: 2)
    let v = tensor(texts, tokens, columns: Self.columns, stream: 3)
    let all = tokens.map { 0..<$0.upperBound }
    let allKeys = tensor(texts, all, columns: Self.columns, stream: 2)
    let allValues = tensor(texts, all, columns: Self.columns, stream: 3)
    for (layer, window) in Self.windows.enumerated() {
      cache.append(layer: layer, k: k, v: v)
      let found = tape.cachedAttention(
        q: q, cache: cache, layer: layer, heads: Self.heads, scale: 0.7, softCap: softCap)
      let expected = tape.attention(
        q: q, k: allKeys, v: allValues, heads: Self.heads, keyValueHeads: 2,
        reach: window.map { .causal(window: $0) } ?? .causal, scale: 0.7, softCap: softCap, dropout: 0, site: 0)
      expectClose(found.values, expected.values.map(Double.init), tolerance: 2e-6, "layer \(layer)", sourceLocation)
    }
    for (index, tokens) in tokens.enumerated() {
      #expect(cache.length(index) == tokens.upperBound, sourceLocation: sourceLocation)
    }
  }

  /// One query over many tokens, of heads that are longer than a kernel's piece: as attention, at any number of threads.
  @Test(arguments: [16, 64, 80]) func oneQueryOfLongHeads(size: Int) {
    let tokens = 300, heads = 4, columns = 2 * size
    func run(threads: Int) -> (found: [Float], expected: [Float]) {
      let workspace = dirtyWorkspace()
      workspace.team = Team(threads: threads)
      let tape = Tape(workspace: workspace, parameters: FloatStorage(zeros: 0))
      let cache = KeyValueCache(layers: 1, sequences: 1, columns: columns)
      func tensor(_ rows: Int, _ columns: Int, _ stream: UInt64) -> Tensor {
        tape.constant(normal(rows * columns, stream: stream), layout: PackedLayout([rows]), columns: columns)
      }
      let q = tensor(1, heads * size, 1), k = tensor(tokens, columns, 2), v = tensor(tokens, columns, 3)
      cache.append(layer: 0, k: k, v: v)
      let found = tape.cachedAttention(q: q, cache: cache, layer: 0, heads: heads)
      let expected = tape.attention(
        q: q, k: k, v: v, heads: heads, keyValueHeads: 2, reach: .causal, dropout: 0, site: 0)
      return (found.values, expected.values)
    }
    let alone = run(threads: 1)
    expectClose(alone.found, alone.expected.map(Double.init), tolerance: 2e-6)
    #expect(run(threads: 3).found == alone.found)
  }

  private func makeCache(_ sequences: Int) -> KeyValueCache {
    KeyValueCache(layers: Self.windows.count, sequences: sequences, columns: Self.columns, windows: Self.windows)
  }

  /// Prompts shorter and longer than the windows, at once; then token by token, past the windows again; then a few
  /// tokens at once.
  @Test(arguments: [nil, 1.5] as [Float?]) func isAttentionOverAllTokens(softCap: Float?) {
    let cache = makeCache(3)
    var lengths = [150, 3, 41]
    see([0, 1, 2], lengths.map { 0..<$0 }, cache, softCap: softCap)
    for step in 0..<50 {
      // Whatever the layers ask for: here and there more than one token comes.
      let new = step % 10 == 9 ? 7 : 1
      see([0, 1, 2], lengths.map { $0..<($0 + new) }, asking: 1, cache, softCap: softCap)
      lengths = lengths.map { $0 + new }
    }
  }

  /// Beams: sequences leave, change places and are copied, and each goes on with its own tokens.
  @Test func sequencesAreSelectedAndCopied() {
    let cache = makeCache(3)
    see([0, 1, 2], [0..<30, 0..<8, 0..<50], cache, softCap: nil)
    cache.select([2, 1, 2])
    see([2, 1, 2], [50..<51, 8..<9, 50..<53], asking: 1, cache, softCap: nil)
    cache.select([1, 2])
    for step in 0..<20 {
      see([1, 2], [(9 + step)..<(10 + step), (53 + step)..<(54 + step)], cache, softCap: nil)
    }
  }

  /// A window bounds the memory, also after a long prompt.
  @Test func aWindowBoundsTheMemory() {
    let cache = KeyValueCache(layers: 1, sequences: 1, columns: Self.columns, windows: [10])
    for tokens in [0..<300] + (300..<330).map({ $0..<($0 + 1) }) {
      cache.append(
        layer: 0, k: tensor([0], [tokens], columns: Self.columns, stream: 2),
        v: tensor([0], [tokens], columns: Self.columns, stream: 3))
    }
    #expect(cache.byteCount <= 2 * 10 * 8 * Self.columns)
    #expect(cache.length(0) == 330)
  }
}
