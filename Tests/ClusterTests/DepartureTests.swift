import Foundation
import Testing

@testable import Cluster

@Suite struct DepartureTests {
  @Test(arguments: ["3.3.2", "4.0", "4.0.2", "4.1.2"]) func olderVersionsHang(version: String) {
    #expect(Departure.mayHang("MPICH Version: \(version)"))
  }

  @Test(arguments: [
    "MPICH Version: 4.2.0", "MPICH Version: 4.3.0rc1", "MPICH Version: 5.0.2", "MPICH Version:",
    "Open MPI v4.1.4, package: Debian OpenMPI", "Intel(R) MPI Library 2021.14 for Linux* OS", "",
  ]) func othersDoNot(version: String) {
    #expect(!Departure.mayHang(version))
  }

  /// The launcher hears the words of PMI, and its answer is taken off the connection.
  @Test func theLauncherIsTold() throws {
    var ends: [Int32] = [0, 0]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    defer { ends.forEach { close($0) } }
    let answer = Array("cmd=finalize_ack\n".utf8)
    #expect(write(ends[1], answer, answer.count) == answer.count)
    #expect(Departure.tellLauncher(environment: ["PMI_FD": "\(ends[0])"]))
    var heard = [UInt8](repeating: 0, count: 64)
    let count = read(ends[1], &heard, heard.count)
    #expect(String(decoding: heard.prefix(max(0, count)), as: UTF8.self) == "cmd=finalize\n")
    var wait = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
    #expect(poll(&wait, 1, 0) == 0)
  }

  @Test func withoutAConnectionNobodyIsTold() {
    #expect(!Departure.tellLauncher(environment: [:]))
    #expect(!Departure.tellLauncher(environment: ["PMI_FD": "none"]))
  }
}
