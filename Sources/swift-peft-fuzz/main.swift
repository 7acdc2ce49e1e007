import Foundation
import FuzzTargets

// libFuzzer without its own main. Built by scripts/fuzz.sh only.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

private let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
guard let chosen = FuzzTarget.all.first(where: { $0.name == name }) else {
  FileHandle.standardError.write(
    Data("FUZZ_TARGET: one of \(FuzzTarget.all.map(\.name).joined(separator: " "))\n".utf8))
  exit(64)
}
private let target = chosen
nonisolated(unsafe) private let directory = try FuzzDirectory(in: "/dev/shm")

private var count = CommandLine.argc
private var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(
  runFuzzer(&count, &arguments) { bytes, length in
    do {
      try target.run(Array(UnsafeBufferPointer(start: bytes, count: length)), in: directory)
    } catch {
      // An error without a type of ours is a finding; libFuzzer saves the input of a process that aborts.
      FileHandle.standardError.write(Data("untyped error: \(error)\n".utf8))
      abort()
    }
    return 0
  })
