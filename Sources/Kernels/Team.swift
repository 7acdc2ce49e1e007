import Synchronization

/// Threads that share one worker's operations where a batch is a single shard, so that the other cores are not idle.
///
/// How an operation is cut depends on its shape alone, or does not matter since no piece adds to another (the products of
/// few rows), so results have the same bits at any number of threads, one included.
public final class Team {
  /// One for each thread, since compiled products belong to a thread.
  private let products: [Products]
  private lazy var crew = Crew(helpers: threads - 1)

  /// Threads that work side by side.
  public var threads: Int { products.count }

  /// A team of `threads`, the calling one included.
  public init(threads: Int) {
    products = (0..<max(1, threads)).map { _ in Products() }
  }

  /// Runs `body` for every piece, several at a time, and returns when all have run. `member` numbers the thread.
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

  /// The same, with the thread's products.
  func forEach(_ pieces: Int, _ body: (_ piece: Int, Products) -> Void) {
    forEach(pieces) { piece, member in body(piece, products[member]) }
  }
}

/// How a product is cut into pieces for a team.
enum ProductPieces {
  /// Pieces that a large product is cut into: enough for the cores of a common machine.
  static let most = 16
  /// Operations below which a product is not worth several threads.
  static let smallest = 8e6
  /// Rows or columns below which a piece runs at a lower rate.
  static let narrowest = 128

  /// Into how many pieces of the rows or of the columns; nil where the product stays whole.
  static func cut(_ m: Int, _ n: Int, _ k: Int) -> (rows: Bool, size: Int)? {
    guard 2 * Double(m) * Double(n) * Double(k) >= smallest else { return nil }
    // Columns rather than rows: kernels arrange B's numbers anew, and so each piece does only its own.
    let byRows = n < 2 * narrowest
    let length = byRows ? m : n
    guard length >= 2 * narrowest else { return nil }
    let pieces = min(most, length / narrowest) / 2 * 2
    return (byRows, (length / pieces + 15) / 16 * 16)
  }
}
