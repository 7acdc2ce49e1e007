import Foundation
import Kernels
import Testing

@Suite struct WorkspaceTests {
  /// Random allocations and releases against the list of what is alive.
  @Test(arguments: 0..<8) func blocksAliveNeverOverlap(seed: Int) {
    let workspace = Workspace()
    let random = Philox(seed: UInt64(seed)).words(6000, purpose: .shuffle, stream: 0)
    var alive: [(buffer: Buffer, mark: Float)] = []
    var inUse = 0
    for step in 0..<3000 {
      let choice = random[2 * step], size = Int(random[2 * step + 1])
      if choice % 5 < 3 || alive.isEmpty {
        let count = [0, 1, 15, 16, 17, 1000, size % 5000][size / 7 % 7]
        let buffer = workspace.allocate(count), mark = Float(step)
        #expect(Int(bitPattern: buffer.base) % 64 == 0)
        #expect(buffer.count == count)
        buffer.base.update(repeating: mark, count: count)
        alive.append((buffer, mark))
        inUse += max(1, (count + 15) / 16) * 64
      } else {
        let (buffer, mark) = alive.remove(at: size % alive.count)
        // Nobody else wrote here.
        #expect((0..<buffer.count).allSatisfy { buffer.base[$0] == mark })
        inUse -= max(1, (buffer.count + 15) / 16) * 64
      }
      #expect(workspace.peakBytes >= inUse)
    }
    let ranges = alive.map { Int(bitPattern: $0.buffer.base)..<Int(bitPattern: $0.buffer.base) + 4 * $0.buffer.count }
      .filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
    for (one, next) in zip(ranges, ranges.dropFirst()) { #expect(one.upperBound <= next.lowerBound) }
    for (buffer, mark) in alive { #expect((0..<buffer.count).allSatisfy { buffer.base[$0] == mark }) }
  }

  /// Whatever the order of release, the pieces join: the next large block starts at the bottom again.
  @Test(arguments: 0..<6) func releasedBlocksJoin(seed: Int) {
    let workspace = Workspace()
    let bottom = workspace.allocate(1).base
    var buffers = (0..<50).map { workspace.allocate(16 * ($0 % 7 + 1)) }
    let peak = workspace.peakBytes
    #expect(peak == 64 * (0..<50).reduce(0) { $0 + $1 % 7 + 1 })
    for place in Philox(seed: UInt64(seed)).permutation(50, epoch: 0) { buffers[place] = workspace.allocate(0) }
    buffers = []
    let large = workspace.allocate(peak / 4)
    #expect(large.base == bottom)
  }

  @Test func repeatedRoundsNeedNoMoreMemory() {
    let workspace = Workspace()
    var peaks: [Int] = []
    for _ in 0..<20 {
      var kept: [Buffer] = []
      for size in [700, 33, 4096, 1, 129] {
        let scratch = workspace.allocate(2 * size)
        kept.append(workspace.allocateZeros(size))
        scratch.base[0] = 1
      }
      kept.remove(at: 1)
      kept.append(workspace.allocate(40))
      peaks.append(workspace.peakBytes)
    }
    #expect(Set(peaks).count == 1)
  }

  @Test func zerosAreZeroInUsedMemoryToo() {
    let workspace = Workspace()
    do {
      let dirty = workspace.allocate(100)
      dirty.base.update(repeating: .nan, count: 100)
    }
    let clean = workspace.allocateZeros(100)
    #expect((0..<100).allSatisfy { clean.base[$0] == 0 })
  }

  @Test func aBufferOutlivesItsWorkspacesName() {
    var workspace: Workspace? = Workspace()
    let buffer = workspace?.allocateZeros(64)
    workspace = nil
    #expect(buffer?.base[63] == 0)
  }
}

@Suite struct FloatStorageTests {
  @Test func rangesAreReadAndWritten() {
    let storage = FloatStorage(zeros: 10)
    #expect(storage[0..<10] == [Float](repeating: 0, count: 10))
    storage[3..<6] = [1, 2, 3]
    #expect(storage[2..<7] == [0, 1, 2, 3, 0])
    storage[4..<4] = []
    #expect(storage[10..<10] == [])
    #expect(Int(bitPattern: storage.base) % 64 == 0)
    storage.clear()
    #expect(storage[0..<10] == [Float](repeating: 0, count: 10))
    #expect(FloatStorage(zeros: 0)[0..<0] == [])
  }

  @Test func readingBeyondTheEndStops() async {
    await #expect(processExitsWith: .failure) { _ = FloatStorage(zeros: 10)[5..<11] }
  }

  @Test func writingBeyondTheEndStops() async {
    await #expect(processExitsWith: .failure) { FloatStorage(zeros: 10)[9..<11] = [1, 2] }
  }

  @Test func writingTheWrongNumberStops() async {
    await #expect(processExitsWith: .failure) { FloatStorage(zeros: 10)[1..<3] = [1] }
  }
}

@Suite struct MappedFileTests {
  @Test func aFilesBytesAreThere() throws {
    let file = try mapped(Array(0...255))
    #expect(file.count == 256)
    #expect(Array(file.bytes) == Array(0...255))
    #expect(file.copy(10..<13) == [10, 11, 12])
  }

  @Test func anEmptyFileHasNoBytes() throws {
    let file = try mapped([])
    #expect(file.count == 0)
    #expect(file.bytes.isEmpty)
    #expect(file.copy(0..<0) == [])
  }

  @Test func aMissingFileIsNamed() {
    let error = #expect(throws: FileError.self) { _ = try MappedFile(path: "/nonexistent/weights") }
    #expect(error?.description == "/nonexistent/weights: No such file or directory")
    #expect(error?.exitStatus == .missingInput)
  }

  @Test func aDirectoryIsNoFile() {
    let path = FileManager.default.temporaryDirectory.path
    let error = #expect(throws: FileError.self) { _ = try MappedFile(path: path) }
    #expect(error?.description == "\(path): Is a directory")
  }
}

/// A mapped temporary file with the given bytes; its name is gone at once, its contents with the last reference.
func mapped(_ bytes: [UInt8]) throws -> MappedFile {
  let url = FileManager.default.temporaryDirectory.appendingPathComponent("swift-peft-\(UUID().uuidString)")
  try Data(bytes).write(to: url)
  defer { try? FileManager.default.removeItem(at: url) }
  return try MappedFile(path: url.path)
}
