import Diagnostics
import Foundation
import StrictJSON
import Testing

@testable import Adapters

/// Ranks and options of which a few multiplied are more than a machine, or an integer, can hold.
@Suite struct TableSizeTests {
  private let sites = queryValue(layers: 4, hidden: 64)

  private func table(_ method: AdapterMethod, _ options: [String: JSONValue] = [:], r: Int = 8) throws -> SiteTable {
    var values = MethodValues()
    for (key, value) in options { values[key] = value }
    return try SiteTable(sites: sites, method: method.with(values), r: r)
  }

  /// Of a table with a form its tensors and its products: A and B of every map.
  @Test func numbersAreThoseOfTensorsAndProducts() throws {
    #expect(try table(.lora).storageCount == 8 * 8 * 128)
    #expect(try table(.vera, r: 100).storageCount == 100 * 128 + 8 * (100 + 64) + 8 * 100 * 128)
    #expect(try table(.gralora).storageCount == 8 * 8 * 128 + 8 * 2 * 8 * 128)
  }

  /// Those whose ranks and options fit no map have errors of their own; what counts is that nothing overflows before.
  private static let absurd: [(AdapterMethod, [String: JSONValue], r: Int, isCounted: Bool)] = [
    (.vera, [:], 2_000_000_000, true),
    (.vbLoRA, ["num_vectors": 2_147_483_647, "vector_length": 1], 8, true),
    (.mos, ["equivalent_rank": 2_147_483_647, "private_rank": 0, "chunks": 64], 8, false),
    (.tiedLoRA, [:], 2_147_483_647, false), (.multiLevel, [:], 2_147_483_647, false),
    (.uniLoRA, [:], 2_147_483_647, false), (.rasa, ["k": 2_147_483_646], 2_147_483_647, false),
    (.gralora, ["hybrid_r": 2_147_483_647], 2_147_483_646, false),
  ]

  @Test(arguments: absurd.indices) func tooManyNumbersAreRefused(index: Int) throws {
    let (method, options, r, isCounted) = Self.absurd[index]
    let error = #expect(throws: (any Error).self) { try table(method, options, r: r) }
    #expect((error as? any UserFacingError)?.exitStatus == .badInput)
    #expect((error as? AdapterError == .tooManyNumbers(strategy: method.name, limit: 1 << 40)) == isCounted)
  }

  @Test func ranksAreBoundedAlways() throws {
    let error = #expect(throws: AdapterError.self) { try table(.vera, r: .max) }
    #expect(error?.description == "adapter.r: 9223372036854775807 is above 2147483647")
  }

  @Test func whatThisMachineCannotHoldIsRefused() throws {
    let table = try table(.vera, r: 1000)
    let bytes = 4 * table.storageCount
    try table.requireRoom(limit: bytes)
    let error = #expect(throws: AdapterError.self) { try table.requireRoom(limit: bytes - 1) }
    #expect(
      error?.description
        == "adapter: vera would have \(bytes) bytes of numbers with these sizes; this machine can hold \(bytes - 1)")
  }

  /// A file of a few numbers whose config says how many are to be drawn.
  @Test(arguments: [
    (200_000_000, "this machine can hold"), (.max, "r: must be at most 2147483647, not 9223372036854775807"),
  ])
  func aFileCannotAskForMoreThanThereIs(r: Int, sentence: String) throws {
    let directory = try TemporaryDirectory(), table = try table(.vera, ["save_projection": false])
    let stored = StoredAdapter(
      table: table,
      tensors: Dictionary(
        uniqueKeysWithValues: table.tensors.map { key in
          (key, [Float](repeating: 1, count: table.tensor(key).count))
        }), head: [:],
      metadata: AdapterMetadata(
        baseModel: "tiny", modelType: "bert", taskType: "SEQ_CLS", labels: [], loraAlpha: 8, targetModules: ["query"]))
    try AdapterFile.write(stored, to: directory.path)
    #expect(try AdapterFile.read(directory.path, sites: sites).table == table)
    try directory.replace("\"r\": 8", with: "\"r\": \(r)", in: AdapterFile.configName)
    let error = #expect(throws: (any Error).self) { try AdapterFile.read(directory.path, sites: sites) }
    #expect((error as? any UserFacingError)?.exitStatus == .badInput)
    #expect(error.map { "\($0)" }?.contains(sentence) == true)
  }
}
