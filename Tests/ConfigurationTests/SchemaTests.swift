import Foundation
import StrictJSON
import Testing

@testable import Configuration

@Suite struct SchemaTests {
  let schema: JSONNode

  init() throws { schema = try JSONParser.parse(RunConfig.schemaText()) }

  /// Mend it with `swift-peft schema > configs/run-config.schema.json`.
  @Test func theCommittedFileIsThisOne() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../configs/run-config.schema.json")
    #expect(try String(contentsOf: file, encoding: .utf8) == RunConfig.schemaText())
  }

  @Test func everyKeyIsDescribedAndNoOther() {
    var paths: [String] = []
    func walk(_ keys: [SchemaKey], under path: String) {
      for key in keys {
        paths.append(joined(path, key.key))
        walk(key.below, under: joined(path, key.key))
      }
    }
    walk(RunConfig.schema, under: "")
    #expect(Set(paths) == Set(FieldDescriptions.text.keys))
  }

  @Test func boundsAreThoseOfTheReader() {
    let training = schema["properties"]?["training"]?["properties"],
      adapter = schema["properties"]?["adapter"]?["properties"]
    #expect(training?["adam_beta1"]?["minimum"]?.integer == 0)
    #expect(training?["adam_beta1"]?["exclusiveMaximum"]?.integer == 1)
    #expect(training?["learning_rate"]?["exclusiveMinimum"]?.integer == 0)
    #expect(training?["learning_rate"]?["default"]?.number == 4e-4)
    #expect(training?["save_total_limit"]?["type"]?.array?.map(\.string) == ["integer", "null"])
    #expect(adapter?["strategy"]?["enum"]?.array?.count == Catalog.standard.methods.count)
    #expect(adapter?["target_modules"]?["anyOf"]?.array?.map { $0["type"]?.string } == ["string", "array"])
    #expect(adapter?["rank_pattern"]?["additionalProperties"]?["minimum"]?.integer == 1)
    #expect(schema["required"]?.array?.map(\.string) == ["model", "task"])
    #expect(schema["properties"]?["task"]?["additionalProperties"]?.bool == false)
    let sweep = schema["properties"]?["sweep"]?["properties"]
    #expect(sweep?["training.seed"]?["items"]?["minimum"]?.integer == 0)
    #expect(sweep?["output_dir"] == nil && sweep?["adapter.aslora"] != nil)
  }

  @Test func configsMayNameTheirSchema() {
    #expect(refusal(config(top: "\"$schema\": \"run-config.schema.json\"")) == nil)
    #expect(refusal(config(top: "\"$schema\": 3")) != nil)
  }
}
