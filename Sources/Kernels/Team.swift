import Synchronization

/// Threads that share one worker's operations when a batch is a single shard, so that no core is idle.
///
/// Operations are cut by their shape alone, or into pieces whose results are independent (products of few rows), so
/// results have the same bits at any number of threads.
public final class Team {
  /// One per thread, since compiled products belong to a thread.
  private let products: [Products]
  private lazy var crew = Crew(helpers: threads - 1)

  /// The number of threads.
  public var threads: Int { products.count }

  /// A team of `threads`, including the calling one.
  public init(threads: Int) {
    products = (0..<max(1, threads)).map { _ in Products() }
  }

  /// Runs `body` for every piece, several at a time, and waits for all. `member` numbers the thread.
  func forEach(_ pieces: Int, _ body: (_ piece: Int, _ member: Int) -> Void) {
    let members = min(threads, pieces)
    guard members > 1 else { return (0..<pieces).forEach { body($0, 0) } }
    let next = Atomic(0)
    crew.run(helpers: members - 1) { member in
      while true {
        let piece = next.add(1, ordering: .relaxed).oldValue
        guard piece < pieces else { return }
        body(piece, member)
      }
    }
  }

  /// The same with the thread's products.
  func forEach(_ pieces: Int, _ body: (_ piece: Int, Products) -> Void) {
    forEach(pieces) { piece, member in body(piece, products[member]) }
  }
}

/// Cuts a product into pieces for a team.
enum ProductPieces {
  /// The most pieces: enough for the cores of a common machine.
  static let most = 16
  /// Products with fewer operations are not worth several threads.
  static let smallest = 8e6
  /// Pieces with fewer rows or columns run at a lower rate.
  static let narrowest = 128

  /// The size of the pieces, of rows or of columns; nil if the product is not cut.
  static func cut(_ m: Int, _ n: Int, _ k: Int) -> (rows: Bool, size: Int)? {
    guard 2 * Double(m) * Double(n) * Double(k) >= smallest else { return nil }
    // Columns rather than rows: kernels rearrange B, and then each piece rearranges only its own columns.
    let byRows = n < 2 * narrowest
    let length = byRows ? m : n
    guard length >= 2 * narrowest else { return nil }
    let pieces = min(most, length / narrowest) / 2 * 2
    return (byRows, (length / pieces + 15) / 16 * 16)
  }
}
