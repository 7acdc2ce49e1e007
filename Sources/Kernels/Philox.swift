import CKernels
import Foundation

/// What a random number is for. Different purposes have independent numbers.
public enum RandomPurpose: Sendable, Equatable {
  case initialization
  case shuffle
  /// Tokens drawn while text is generated.
  case sampling
  /// Which examples are held back to validate on.
  case holdOut
  /// Which groups of layers are merged.
  case merging
  /// Dropout at `site`, as the model's forward code numbers them.
  case dropout(site: Int)

  var counter: UInt32 {
    switch self {
    case .initialization: 1
    case .shuffle: 2
    case .sampling: 3
    case .holdOut: 4
    case .merging: 5
    case .dropout(let site): 0x100 + UInt32(truncatingIfNeeded: site)
    }
  }
}

/// Counter-based random numbers (Philox4x32-10): a function of seed, purpose, stream and index, without state.
///
/// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public struct Philox: Sendable {
  /// The run's seed.
  public let seed: UInt64

  /// The random numbers of a run.
  public init(seed: UInt64) { self.seed = seed }

  /// The stream of the tensor called `name`: the 64-bit FNV-1a hash of its UTF-8, the same in every process.
  public static func stream(named name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// The first `count` words of a stream.
  public func words(_ count: Int, purpose: RandomPurpose, stream: UInt64) -> [UInt32] {
    let blocks = (count + 3) / 4
    var words = [UInt32](repeating: 0, count: 4 * blocks)
    ck_philox(
      &words, blocks, 0, UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32), purpose.counter,
      seed)
    words.removeLast(words.count - count)
    return words
  }

  /// `count` numbers of U(-bound, bound).
  public func uniform(_ count: Int, bound: Float, stream: UInt64) -> [Float] {
    words(count, purpose: .initialization, stream: stream).map { word in
      (2 * (Float(word >> 8) + 0.5) * 0x1p-24 - 1) * bound
    }
  }

  /// `count` numbers of N(0, deviation²), by the Box–Muller transform.
  public func normal(_ count: Int, deviation: Double, stream: UInt64) -> [Float] {
    let words = words(2 * ((count + 1) / 2), purpose: .initialization, stream: stream)
    var numbers: [Float] = []
    numbers.reserveCapacity(words.count)
    for pair in stride(from: 0, to: words.count, by: 2) {
      let radius = (-2 * log((Double(words[pair]) + 0.5) * 0x1p-32)).squareRoot() * deviation
      let angle = 2 * Double.pi * Double(words[pair + 1]) * 0x1p-32
      numbers.append(Float(radius * cos(angle)))
      numbers.append(Float(radius * sin(angle)))
    }
    numbers.removeLast(numbers.count - count)
    return numbers
  }

  /// A permutation of 0 ..< count for an epoch, by the Fisher–Yates shuffle.
  public func permutation(_ count: Int, epoch: Int) -> [Int] {
    permutation(count, purpose: .shuffle, stream: UInt64(epoch))
  }

  /// A permutation of 0 ..< count.
  public func permutation(_ count: Int, purpose: RandomPurpose, stream: UInt64) -> [Int] {
    var order = Array(0..<count)
    let words = words(2 * max(0, count - 1), purpose: purpose, stream: stream)
    for last in stride(from: count - 1, to: 0, by: -1) {
      let place = 2 * (count - 1 - last)
      let random = UInt64(words[place]) << 32 | UInt64(words[place + 1])
      // The high half of a 128-bit product is uniform to 2^-64 without rejection.
      order.swapAt(last, Int(random.multipliedFullWidth(by: UInt64(last) + 1).high))
    }
    return order
  }

  /// The C kernel makes this many multipliers at once.
  public static let dropoutGroup = 128

  /// Writes a row of a dropout mask: `count` multipliers, 0 with probability p (to 1/65536), otherwise 1 / (1 − p).
  ///
  /// - Parameters:
  ///   - site: the place in the model.
  ///   - step: the optimiser step, from 0.
  ///   - example: the example's number in the step, which makes masks independent of how the batch is cut into shards.
  ///   - row: the row in the example (token, or head · tokens + token).
  ///   - part: writes only these multipliers of the row; it begins with a multiple of `dropoutGroup`.
  public func dropout(
    site: Int, step: Int, example: Int, row: Int, probability: Float, into multipliers: UnsafeMutablePointer<Float>,
    count: Int, part: Range<Int>? = nil
  ) {
    let part = part ?? 0..<count
    precondition(part.lowerBound % Self.dropoutGroup == 0 && part.upperBound <= count)
    let threshold = UInt32((probability * 65536).rounded())
    // A group comes from 16 Philox blocks.
    let group = row * ((count + Self.dropoutGroup - 1) / Self.dropoutGroup) + part.lowerBound / Self.dropoutGroup
    ck_dropout_multipliers(
      multipliers, part.count, threshold, 65536 / Float(65536 - threshold), UInt32(truncatingIfNeeded: group * 16),
      UInt32(truncatingIfNeeded: example), UInt32(truncatingIfNeeded: step),
      RandomPurpose.dropout(site: site).counter, seed)
  }
}
