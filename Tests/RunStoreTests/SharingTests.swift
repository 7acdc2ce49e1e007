import Foundation
import GRDB
import RunStore
import Testing

/// Several writers on one file.
@Suite struct SharingTests {
  let scratch: Scratch
  let path: String

  init() throws {
    scratch = try Scratch()
    path = scratch.path("runs.sqlite")
  }

  @Test func writersLoseNothing() async throws {
    let path = path
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<4 {
        group.addTask {
          let store = try RunStore(path: path)
          let id = try store.beginRun(.example("writer \(writer)"))
          for step in 0..<50 {
            try store.record(
              run: id,
              metrics: ["loss", "grad_norm"].map {
                MetricPoint(step: step, epoch: 0, split: .train, name: $0, value: Double(step))
              })
          }
          try store.finishRun(id, status: .completed)
        }
      }
      try await group.waitForAll()
    }
    let store = try RunStore.openExisting(path: path)
    #expect(try store.runs(RunFilter(status: .completed)).count == 4)
    for run in try store.runs() {
      #expect(try store.metrics(run: run.id).map(\.step) == (0..<50).flatMap { [$0, $0] })
    }
  }

  @Test func manyMayMakeTheFileAtOnce() async throws {
    for round in 0..<10 {
      let path = scratch.path("new-\(round).sqlite")
      let ids = try await withThrowingTaskGroup(of: Int64.self, returning: Set<Int64>.self) { group in
        for _ in 0..<8 { group.addTask { try RunStore(path: path).beginRun(.example()) } }
        return try await group.reduce(into: []) { $0.insert($1) }
      }
      #expect(ids == Set(1...8))
    }
  }

  @Test func aLockIsWaitedForThenReported() throws {
    let store = try RunStore(path: path, timeout: 0.2)
    let holder = try DatabaseQueue(path: path)
    let locked = RunStoreError.locked(path: path, seconds: 0.2)
    try holder.writeWithoutTransaction { database throws in
      try database.execute(sql: "BEGIN EXCLUSIVE")
      #expect(throws: locked) { try store.beginRun(.example()) }
      try database.execute(sql: "COMMIT")
    }

    #expect(locked.exitStatus == .ioError)
    #expect(try store.beginRun(.example()) == 1)
  }

  @Test func openingALockedFileReportsIt() throws {
    let holder = try DatabaseQueue(path: path)
    let locked = RunStoreError.locked(path: path, seconds: 0.2)
    try holder.writeWithoutTransaction { database throws in
      try database.execute(sql: "BEGIN EXCLUSIVE")
      #expect(throws: locked) { try RunStore(path: path, timeout: 0.2) }
      try database.execute(sql: "COMMIT")
    }
  }
}
