import Diagnostics
import Foundation

/// One worker's memory for activations: an arena that hands out the lowest free address.
///
/// A block is free again when the last reference to its `Buffer` is gone, so memory that an operation does not keep for
/// its backward pass is reused at once, while it is still in the cache. No system allocator is called. A workspace
/// belongs to one thread at a time.
public final class Workspace {
  private let base: UnsafeMutablePointer<Float>
  private let capacity: Int
  /// Free blocks by address; neighbours are merged.
  private var free: [(offset: Int, count: Int)]
  /// False for a workspace that only counts memory: operations allocate but compute nothing.
  public let computes: Bool
  /// The highest end of a block so far, in bytes.
  public private(set) var peakBytes = 0

  /// The worker's matrix products.
  public private(set) lazy var products = Products(computes: computes)

  /// Threads that share this worker's operations; nil if other workers use the other cores.
  public var team: Team? {
    didSet { products.team = team }
  }

  private static let alignment = 16  // Floats in a cache line.

  /// Reserves address space: as much as the machine has memory, at least 64 GiB, or the largest power of two below
  /// that the system allows. Memory is taken only as pages are touched.
  ///
  /// Without `computes`, the workspace only counts memory, of which it can have any amount.
  public convenience init(computes: Bool = true) {
    self.init(bytes: computes ? Self.wantedBytes : 1 << 46, computes: computes)
  }

  /// Reserves `wanted` bytes of address space, or the largest half, quarter, … of it that the system allows.
  init(bytes wanted: Int, computes: Bool = true) {
    self.computes = computes
    var bytes = wanted
    var region = Self.reserve(bytes)
    while region == nil, bytes > 1 << 20 {
      bytes >>= 1
      region = Self.reserve(bytes)
    }
    guard let mapped = region else { WorkspaceError(needed: 1 << 20, available: 0).endProcess() }
    #if os(Linux)
      madvise(mapped, bytes, 14)  // MADV_HUGEPAGE
    #endif
    base = mapped.bindMemory(to: Float.self, capacity: bytes / 4)
    capacity = bytes / 4
    free = [(0, capacity)]
  }

  deinit { munmap(base, capacity * 4) }

  private static var wantedBytes: Int {
    let memory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    var bytes = 1 << 36
    while bytes < memory { bytes <<= 1 }
    return bytes
  }

  private static func reserve(_ bytes: Int) -> UnsafeMutableRawPointer? {
    let region = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return region == MAP_FAILED ? nil : region
  }

  /// Runs `body` for every piece of an operation, in parallel if there is a team and `work`, the count of numbers to
  /// process, is large enough. `member` is below `members`; calls with the same member never overlap. Pieces must be
  /// independent and must not allocate here.
  public func forEach(_ pieces: Int, work: Int, _ body: (_ piece: Int, _ member: Int) -> Void) {
    guard computes else { return }
    guard let team, work >= Self.smallestSharedWork else { return (0..<pieces).forEach { body($0, 0) } }
    team.forEach(pieces, body)
  }

  /// Runs `body` for ranges that make up 0..<count, in parallel like `forEach`. The result for an element, which has
  /// `numbers` numbers, must not depend on its range.
  public func forEachRange(of count: Int, numbers: Int = 1, _ body: (Range<Int>) -> Void) {
    forEachRange(of: count, numbers: numbers) { range, _ in body(range) }
  }

  /// The same with the number of the thread, as for `forEach`.
  public func forEachRange(of count: Int, numbers: Int = 1, _ body: (Range<Int>, _ member: Int) -> Void) {
    guard computes else { return }
    guard team != nil, count * numbers >= Self.smallestSharedWork else { return body(0..<count, 0) }
    // If elements are single numbers, pieces are whole vectors.
    let multiple = numbers == 1 ? 64 : 1
    let size = max(1, (count / ProductPieces.most + multiple - 1) / multiple) * multiple
    forEach((count + size - 1) / size, work: count * numbers) { piece, member in
      body((piece * size)..<min(count, (piece + 1) * size), member)
    }
  }

  /// Less work than this is not shared.
  private static let smallestSharedWork = 1 << 14

  /// The most threads that `forEach` uses.
  public var members: Int { team?.threads ?? 1 }

  /// A block of `count` floats with undefined contents.
  ///
  /// If the reserved address space is used up, the process ends with a message and status 74: an operation in the
  /// middle of a step has no way to go on.
  public func allocate(_ count: Int) -> Buffer {
    let rounded = max(1, (count + Self.alignment - 1) / Self.alignment) * Self.alignment
    guard let index = free.firstIndex(where: { $0.count >= rounded }) else {
      WorkspaceError(needed: peakBytes + rounded * 4, available: capacity * 4).endProcess()
    }
    let offset = free[index].offset
    if free[index].count == rounded {
      free.remove(at: index)
    } else {
      free[index] = (offset + rounded, free[index].count - rounded)
    }
    peakBytes = max(peakBytes, (offset + rounded) * 4)
    return Buffer(base: base + offset, count: count, reserved: rounded, workspace: self)
  }

  /// A block of `count` numbers of either precision with undefined contents.
  public func allocate(_ count: Int, _ precision: Precision) -> Buffer {
    allocate(precision == .float32 ? count : (count + 1) / 2)
  }

  /// A block of `count` zeros.
  public func allocateZeros(_ count: Int) -> Buffer {
    let buffer = allocate(count)
    buffer.base.update(repeating: 0, count: count)
    return buffer
  }

  fileprivate func release(_ block: UnsafeMutablePointer<Float>, _ count: Int) {
    let offset = block - base
    let index = free.firstIndex { $0.offset > offset } ?? free.count
    var block = (offset: offset, count: count)
    var range = index..<index
    if index < free.count, offset + count == free[index].offset {
      block.count += free[index].count
      range = index..<(index + 1)
    }
    if index > 0, free[index - 1].offset + free[index - 1].count == offset {
      block = (free[index - 1].offset, free[index - 1].count + block.count)
      range = (index - 1)..<range.upperBound
    }
    free.replaceSubrange(range, with: CollectionOfOne(block))
  }
}

/// A block of a workspace, free again when the last reference is gone.
public final class Buffer {
  /// The first float.
  public let base: UnsafeMutablePointer<Float>
  /// The same block as bfloat16 numbers.
  public var bf16: UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(base).assumingMemoryBound(to: UInt16.self)
  }
  /// The number of floats requested.
  public let count: Int
  private let reserved: Int
  private let workspace: Workspace
  /// Whether operations on the block compute anything.
  public var computes: Bool { workspace.computes }

  fileprivate init(base: UnsafeMutablePointer<Float>, count: Int, reserved: Int, workspace: Workspace) {
    self.base = base
    self.count = count
    self.reserved = reserved
    self.workspace = workspace
  }

  /// Fills the block with zeros.
  public func clear() { if computes { base.update(repeating: 0, count: count) } }

  deinit { workspace.release(base, reserved) }
}

/// Activations need more address space than the process can have, which `ulimit -v` or a container limits.
public struct WorkspaceError: UserFacingError, Equatable {
  /// Bytes that are needed, at least.
  public let needed: Int
  /// Bytes that could be reserved.
  public let available: Int

  /// Needed and available bytes, and what to change.
  public var description: String {
    """
    activations need at least \(gibibytes(needed)) GiB of address space, and \(gibibytes(available)) GiB are available: \
    use a smaller batch, shorter sequences, fewer threads or gradient checkpointing, or raise the limit (ulimit -v)
    """
  }

  /// 74: reading or writing failed while running.
  public var exitStatus: ExitStatus { .ioError }

  private func gibibytes(_ bytes: Int) -> String {
    let tenths = (Double(bytes) / Double(1 << 30) * 10).rounded(.up) / 10
    return tenths < 10 ? String(tenths) : String(Int(min(tenths, 1e12)))
  }
}
