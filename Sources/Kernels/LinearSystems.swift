import COpenBLAS

extension Dense {
  /// M G⁻¹ [rows, n] for a symmetric positive definite G [n, n], in double precision; nil if G is not positive definite.
  public static func product(_ m: [Float], withInverseOf g: [Double], size n: Int) -> [Float]? {
    precondition(g.count == n * n && m.count % n == 0)
    guard !m.isEmpty else { return [] }
    BLASLibrary.makeSingleThreaded
    // The rows of M are columns to LAPACK: it solves G X = Mᵀ.
    var g = g, x = m.map { Double($0) }
    var order = blasint(n), columns = blasint(m.count / n), info: blasint = 0
    dposv_("U", &order, &columns, &g, &order, &x, &order, &info)
    return info == 0 ? x.map { Float($0) } : nil
  }
}
