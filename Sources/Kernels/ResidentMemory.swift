#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A block of memory, in large pages if the system has them. Its creator fills it before sharing it.
final class ResidentMemory: Sendable {
  nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private static let largePage = 1 << 21

  init(byteCount: Int) {
    // A small block would waste most of its last large page.
    let isLarge = byteCount >= 8 * Self.largePage
    base = .allocate(byteCount: max(64, byteCount), alignment: isLarge ? Self.largePage : 64)
    #if os(Linux)
      if isLarge { madvise(base, byteCount, 14) }  // MADV_HUGEPAGE
    #endif
  }

  deinit { base.deallocate() }
}
