import Diagnostics
import Foundation

/// The processes that a launcher started, through MPI.
struct MPITransport: Transport {
  let rank: Int
  let size: Int
  private let library: MPILibrary
  private let launcher: Launcher

  /// Meets the other processes of `launcher`. Throws a `ClusterError`.
  init(_ library: MPILibrary, launcher: Launcher) throws {
    (self.library, self.launcher) = (library, launcher)
    let world = library.abi.world
    func call(_ function: String, _ code: Int32) throws {
      if code != 0 { throw ClusterError.failed(library: library.name, function: function, code: code) }
    }
    var level: Int32 = 0, rank: Int32 = 0, size: Int32 = 0
    try call("MPI_Init_thread", library.initialize(nil, nil, library.abi.funneled, &level))
    try call("MPI_Comm_rank", library.commRank(world, &rank))
    try call("MPI_Comm_size", library.commSize(world, &size))
    (self.rank, self.size) = (Int(rank), Int(size))
    // Without this, processes that do not see each other would all be rank 0 of 1 and train into the same files.
    guard size == launcher.ranks else {
      _ = library.finalize()
      throw ClusterError.wrongSize(launcher, library: library.name, seen: Int(size))
    }
    guard level >= library.abi.funneled else {
      _ = library.finalize()
      throw ClusterError.singleThreaded(library: library.name)
    }
  }

  func exchange(
    _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
  ) {
    let sent = Parts(counts, of: bytes.count), got = Parts(received, of: result.count), byte = library.abi.byte
    check(
      "MPI_Alltoallv",
      library.exchange(
        bytes.baseAddress, sent.counts, sent.starts, byte, result.baseAddress, got.counts, got.starts, byte,
        library.abi.world))
  }

  func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) {
    let got = Parts(counts, of: result.count), byte = library.abi.byte
    precondition(bytes.count == counts[rank], "this rank's part has the length that the others expect")
    check(
      "MPI_Allgatherv",
      library.gather(
        bytes.baseAddress, Int32(bytes.count), byte, result.baseAddress, got.counts, got.starts, byte,
        library.abi.world))
  }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count <= Int(Int32.max), "MPI counts in 32 bits")
    check("MPI_Bcast", library.broadcast(bytes.baseAddress, Int32(bytes.count), library.abi.byte, 0, library.abi.world))
  }

  func abort(_ status: Int32) -> Never {
    Launcher.letOutputPass()
    _ = library.abort(library.abi.world, status)
    _exit(status)
  }

  func finish() {
    // Everything that ranks owe each other must have arrived.
    check("MPI_Barrier", library.wait(library.abi.world))
    if launcher.kind == .mpich, Departure.mayHang(library.version), Departure.tellLauncher() { return }
    _ = library.finalize()
  }

  /// By default MPI itself ends the job where a call fails.
  private func check(_ function: String, _ code: Int32) {
    if code != 0 { ClusterError.failed(library: library.name, function: function, code: code).endProcess() }
  }
}

/// The lengths and starts of parts that lie one behind the other, as MPI wants them.
private struct Parts {
  let counts: [Int32]
  let starts: [Int32]

  init(_ lengths: [Int], of total: Int) {
    precondition(total <= Int(Int32.max), "MPI counts in 32 bits")
    precondition(lengths.reduce(0, +) == total, "the parts make up the whole")
    counts = lengths.map(Int32.init)
    var start: Int32 = 0
    starts = counts.map { count in
      defer { start += count }
      return start
    }
  }
}
