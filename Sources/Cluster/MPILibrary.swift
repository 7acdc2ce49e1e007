import Foundation

/// A library of MPI, loaded at run time: the program needs none to be built or to run alone, and works with each of them.
///
/// Two things differ between them, see `MPIABI`: how a communicator and a datatype are written, and a constant. Handles
/// are passed as 64 bits, which also serves libraries whose handles have 32: x86-64 and arm64 pass both in a register or
/// a stack slot of 64, of which those libraries read the lower half.
struct MPILibrary: Sendable {
  /// The variable that names a library.
  static let variable = "SWIFT_PEFT_MPI_LIBRARY"

  typealias Handle = UInt
  typealias Counts = UnsafePointer<Int32>
  typealias Initialize =
    @convention(c) @Sendable (
      UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<Int32>
    ) -> Int32
  typealias Ask = @convention(c) @Sendable (Handle, UnsafeMutablePointer<Int32>) -> Int32
  typealias Exchange =
    @convention(c) @Sendable (
      UnsafeRawPointer?, Counts, Counts, Handle, UnsafeMutableRawPointer?, Counts, Counts, Handle, Handle
    ) -> Int32
  typealias Gather =
    @convention(c) @Sendable (
      UnsafeRawPointer?, Int32, Handle, UnsafeMutableRawPointer?, Counts, Counts, Handle, Handle
    ) -> Int32
  typealias Broadcast = @convention(c) @Sendable (UnsafeMutableRawPointer?, Int32, Handle, Int32, Handle) -> Int32
  typealias Wait = @convention(c) @Sendable (Handle) -> Int32
  typealias Abort = @convention(c) @Sendable (Handle, Int32) -> Int32
  typealias Finalize = @convention(c) @Sendable () -> Int32
  typealias GetVersion = @convention(c) @Sendable (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32
  typealias GetText = @convention(c) @Sendable (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32

  /// The name under which it was loaded.
  let name: String
  /// How it writes handles.
  let abi: MPIABI
  /// What it says of itself, on one line.
  let version: String

  let initialize: Initialize
  let commRank: Ask
  let commSize: Ask
  let exchange: Exchange
  let gather: Gather
  let broadcast: Broadcast
  let wait: Wait
  let abort: Abort
  let finalize: Finalize

  /// The names to try where `variable` names none.
  static func names(environment: [String: String]) -> [String] {
    environment["PMIX_RANK"] != nil
      ? ["libmpi.so.40", "libmpi.so"]
      // Debian calls MPICH's library libmpich.
      : ["libmpi_abi.so.1", "libmpi.so.12", "libmpich.so.12", "libmpi.so"]
  }

  /// Loads the library for the processes of `launcher`. Throws a `ClusterError`.
  init(for launcher: Launcher, environment: [String: String]) throws {
    if let path = environment[Self.variable], !path.isEmpty {
      guard let library = Self.load(path) else { throw ClusterError.cannotLoad(reason: Self.loadingError(path)) }
      try self.init(name: path, library: LoadedLibrary(address: library))
      return
    }
    let names = Self.names(environment: environment)
    for name in names {
      if let library = Self.load(name) {
        try self.init(name: name, library: LoadedLibrary(address: library))
        return
      }
    }
    throw ClusterError.noLibrary(launcher, names: names)
  }

  private init(name: String, library: LoadedLibrary) throws {
    self.name = name
    /// The function `symbol`. `Function` must be its type in the standard.
    func function<Function>(_ symbol: String, _: Function.Type = Function.self) throws -> Function {
      guard let address = library[symbol] else { throw ClusterError.missingFunction(library: name, name: symbol) }
      return unsafeBitCast(address, to: Function.self)
    }
    initialize = try function("MPI_Init_thread")
    commRank = try function("MPI_Comm_rank")
    commSize = try function("MPI_Comm_size")
    exchange = try function("MPI_Alltoallv")
    gather = try function("MPI_Allgatherv")
    broadcast = try function("MPI_Bcast")
    wait = try function("MPI_Barrier")
    abort = try function("MPI_Abort")
    finalize = try function("MPI_Finalize")
    var number: Int32 = 0, minor: Int32 = 0
    let getVersion = try function("MPI_Get_version", GetVersion.self)
    _ = getVersion(&number, &minor)
    var abiNumber: Int32 = 0
    if let address = library["MPI_Abi_get_version"] {
      _ = unsafeBitCast(address, to: GetVersion.self)(&abiNumber, &minor)
    }
    abi = try MPIABI(version: number, abiVersion: abiNumber, library: name) { library[$0] }
    // The longest of all libraries' texts has 8,192 bytes.
    var text = [CChar](repeating: 0, count: 1 << 15), length: Int32 = 0
    _ = try function("MPI_Get_library_version", GetText.self)(&text, &length)
    version = Self.firstLine(String(decoding: text.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self))
  }

  /// The first line, without double spaces: MPICH puts a dozen lines and tabs.
  static func firstLine(_ text: String) -> String {
    (text.split { "\n\0".contains($0) }.first ?? "").split { " \t".contains($0) }.joined(separator: " ")
  }

  /// The plug-ins of Open MPI look for symbols of the library that loads them, so they must be global. It stays loaded,
  /// since its threads may run to the end.
  private static func load(_ name: String) -> UnsafeMutableRawPointer? {
    dlopen(name, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)
  }

  private static func loadingError(_ path: String) -> String {
    dlerror().map { String(cString: $0) } ?? "\(path) cannot be loaded"
  }
}

/// What `dlopen` gave.
private struct LoadedLibrary {
  let address: UnsafeMutableRawPointer

  subscript(symbol: String) -> UnsafeMutableRawPointer? { dlsym(address, symbol) }
}

/// How a library of MPI writes what we pass.
struct MPIABI: Sendable, Equatable {
  /// Its name, for people.
  let name: String
  /// `MPI_COMM_WORLD`
  let world: UInt
  /// `MPI_BYTE`
  let byte: UInt
  /// `MPI_THREAD_FUNNELED`
  let funneled: Int32

  /// Recognises a library by the version of the standard that it implements, the version of the standard's ABI (0 or less
  /// if it has none), and its symbols.
  ///
  /// Drafts of the ABI came with version 4 of the standard and differ.
  init(
    version: Int32, abiVersion: Int32, library: String, address: (String) -> UnsafeMutableRawPointer?
  ) throws {
    if version >= 5, abiVersion > 0 {
      (name, world, byte, funneled) = ("MPI-5", 257, 583, 1024)
    } else if let world = address("ompi_mpi_comm_world") {
      guard let byte = address("ompi_mpi_byte") else {
        throw ClusterError.missingFunction(library: library, name: "ompi_mpi_byte")
      }
      (name, self.world, self.byte, funneled) = ("Open MPI", UInt(bitPattern: world), UInt(bitPattern: byte), 1)
    } else {
      (name, world, byte, funneled) = ("MPICH", 0x4400_0000, 0x4c00_010d, 1)
    }
  }
}
