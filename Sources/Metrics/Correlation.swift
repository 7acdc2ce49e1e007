/// Pearson's correlation of `x` and `y`, which are equally long.
///
///     Σ (x − x̄)(y − ȳ) / √(Σ (x − x̄)² Σ (y − ȳ)²)
///
/// 0 where either is constant or not finite.
func pearson(_ x: [Double], _ y: [Double]) -> Double {
  guard let firstX = x.first, let firstY = y.first, (x + y).allSatisfy(\.isFinite) else { return 0 }
  // The mean of equal values need not be that value in floating point, so constants are found by comparing.
  if x.allSatisfy({ $0 == firstX }) || y.allSatisfy({ $0 == firstY }) { return 0 }
  let centredX = centred(x), centredY = centred(y)
  let product = zip(centredX, centredY).reduce(0) { $0 + $1.0 * $1.1 }
  let normX = squares(centredX).squareRoot(), normY = squares(centredY).squareRoot()
  guard normX > 0, normY > 0 else { return 0 }
  return min(1, max(-1, product / normX / normY))
}

/// Spearman's rank correlation of `x` and `y`; 0 where either is constant or not finite.
func spearman(_ x: [Double], _ y: [Double]) -> Double {
  (x + y).allSatisfy(\.isFinite) ? pearson(averageRanks(x), averageRanks(y)) : 0
}

/// Ranks from 1 by ascending value; equal values share the average of their ranks.
func averageRanks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var ranks = [Double](repeating: 0, count: values.count)
  var start = 0
  while start < order.count {
    var end = start + 1
    while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
    // Ranks start + 1 … end.
    for position in start..<end { ranks[order[position]] = Double(start + 1 + end) / 2 }
    start = end
  }
  return ranks
}

private func centred(_ values: [Double]) -> [Double] {
  let mean = values.reduce(0, +) / Double(values.count)
  return values.map { $0 - mean }
}

private func squares(_ values: [Double]) -> Double {
  values.reduce(0) { $0 + $1 * $1 }
}
