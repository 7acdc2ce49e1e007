import Models

extension ExpandedAdapter {
  /// The same function with every LoRA on a whole map of `geometry`.
  ///
  /// Slices of a fused map become one LoRA on the fused map: their A's stacked, their B's in the rows of the slice and
  /// the columns of its A, so that the rank is the sum of theirs.
  public func fused(_ geometry: ModelGeometry) -> ExpandedAdapter {
    let byPath = Dictionary(entries.map { ($0.site.path, $0) }) { first, _ in first }
    let whole = geometry.sites.filter { $0.slice == nil }.compactMap { site in
      byPath[site.path] ?? Self.fused(site, from: entries.filter { $0.site.slice?.path == site.path })
    }
    return ExpandedAdapter(entries: whole, head: head)
  }

  /// One LoRA on `site` from those on its slices, or nil where none is adapted.
  private static func fused(_ site: Site, from slices: [Entry]) -> Entry? {
    guard let scale = slices.first?.scale else { return nil }
    let rank = slices.reduce(0) { $0 + $1.rank }
    var b = [Float](repeating: 0, count: site.outFeatures * rank)
    var rowScale = slices.contains { $0.rowScale != nil } ? [Float](repeating: 1, count: site.outFeatures) : nil
    var column = 0
    for entry in slices {
      let values = entry.b(scaledFor: scale)
      for row in 0..<entry.site.outFeatures {
        let whole = row + (entry.site.slice?.firstRow ?? 0), start = whole * rank + column
        if let own = entry.rowScale { rowScale?[whole] = own[row] }
        b.replaceSubrange(start..<(start + entry.rank), with: values[(row * entry.rank)..<((row + 1) * entry.rank)])
      }
      column += entry.rank
    }
    return Entry(site: site, rank: rank, scale: scale, a: slices.flatMap(\.a), b: b, rowScale: rowScale)
  }
}

extension ExpandedAdapter.Entry {
  /// B as another `scale` needs it for the same product s · B A; all zeros where either scale is 0.
  func b(scaledFor other: Double) -> [Float] {
    if scale == other { return b }
    let ratio = other == 0 ? 0 : Float(scale / other)
    return b.map { $0 * ratio }
  }
}
