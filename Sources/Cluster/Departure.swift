import Foundation

/// How a rank leaves where `MPI_Finalize` may never return.
///
/// In MPICH before 4.2 a rank that closes its connections needs the others for it, and they may wait for that rank in a
/// barrier of the launcher: pmodels/mpich#6596. With 4.0.2, half of all runs on three and four hosts hung there, with all
/// their work done. A rank says goodbye to the launcher itself instead, as `MPI_Finalize` does at its end.
enum Departure {
  /// Whether `MPI_Finalize` of the library that calls itself `version` may hang.
  static func mayHang(_ version: String) -> Bool {
    let prefix = "MPICH Version: "
    guard version.hasPrefix(prefix) else { return false }
    let numbers = version.dropFirst(prefix.count).split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    return numbers.count == 2 && (numbers[0], numbers[1]) < (4, 2)
  }

  /// Says goodbye over `PMI_FD`, waiting a little for the answer. Returns false where there is no such connection.
  ///
  /// No other thread may use it meanwhile; MPI's functions may not be called afterwards.
  static func tellLauncher(environment: [String: String] = ProcessInfo.processInfo.environment) -> Bool {
    guard let descriptor = environment["PMI_FD"].flatMap({ Int32($0) }) else { return false }
    let goodbye = Array("cmd=finalize\n".utf8)
    guard write(descriptor, goodbye, goodbye.count) == goodbye.count else { return false }
    // The launcher takes a connection that is closed before its answer for a failure.
    var answer = [UInt8](repeating: 0, count: 64), wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    if poll(&wait, 1, 5000) == 1 { _ = read(descriptor, &answer, answer.count) }
    return true
  }
}
