import Diagnostics
import StrictJSON
import Testing

@Suite struct JSONFieldTests {
  private func field(_ text: String) throws -> JSONField { try JSONField(parsing: Array(text.utf8), file: "a.json") }

  @Test func readsTypedValues() throws {
    let root = try field(#"{"n": 3, "x": 0.5, "s": "t", "b": true, "l": ["u", "v"], "o": {"k": null}, "z": null}"#)
    #expect(try root.member("n").integer(in: 1...3) == 3)
    #expect(try root.member("n").number() == 3)
    #expect(try root.member("n").integer(atLeast: 3) == 3)
    #expect(try root.member("x").number(in: 0...1) == 0.5)
    #expect(try root.member("s").string() == "t")
    #expect(try root.member("b").bool())
    #expect(try root.member("l").strings() == ["u", "v"])
    #expect(try root.optional("z") == nil && root.optional("none") == nil)
    #expect(try root.member("z").node.isNull)
    #expect(try root.member("o").member("k").path == "o.k")
    #expect(try root.members().map(\.key) == ["n", "x", "s", "b", "l", "o", "z"])
    #expect(try root.member("o").members(named: false)[0].field.path == "o")
    try root.member("o").requireOnly(["k"])
  }

  static let errors: [(String, @Sendable (JSONField) throws -> Void)] = [
    ("a.json:1: rank: is missing", { _ = try $0.member("rank") }),
    ("a.json:2: o.k: is missing", { _ = try $0.member("o").member("k") }),
    ("a.json:1: must be a list, not an object", { _ = try $0.elements() }),
    ("a.json:1: n: must be an object, not a whole number", { _ = try $0.member("n").member("k") }),
    ("a.json:1: n: must be a string, not a whole number", { _ = try $0.member("n").string() }),
    ("a.json:1: n: must be true or false, not a whole number", { _ = try $0.member("n").bool() }),
    ("a.json:1: n: must be from 4 to 9, not 3", { _ = try $0.member("n").integer(in: 4...9) }),
    ("a.json:1: n: must be at least 4, not 3", { _ = try $0.member("n").integer(atLeast: 4) }),
    ("a.json:2: x: must be a whole number, not a number", { _ = try $0.member("x").integer() }),
    ("a.json:2: x: must be from 0.0 to 1.0, not 1.5", { _ = try $0.member("x").number(in: 0...1) }),
    ("a.json:3: l[1]: must be a string, not null", { _ = try $0.member("l").strings() }),
    ("a.json:2: o.layer: unknown key, did you mean \"layers\"?", { try $0.member("o").requireOnly(["layers"]) }),
    ("a.json:1: n: is odd", { throw try $0.member("n").error("is odd") }),
  ]

  @Test(arguments: errors) func errorsNameTheirPlace(_ sentence: String, _ read: @Sendable (JSONField) throws -> Void)
    throws
  {
    let root = try field("{\"n\": 3,\n\"x\": 1.5, \"o\": {\"layer\": 1},\n\"l\": [\"u\", null]}")
    let error = #expect(throws: JSONFieldError.self) { try read(root) }
    #expect(error?.description == sentence)
    #expect(error?.exitStatus == .badInput)
  }

  @Test func longKeysAreClipped() throws {
    let key = String(repeating: "k", count: 1000)
    #expect(try field("{\"\(key)\": 1}").member(key).path.count < 300)
  }

  @Test func theReaderGathersEveryErrorInTheOrderOfLines() throws {
    var reader = JSONObjectReader(
      try field("{\"width\": null,\n\"rank\": 2, \"pad\": null,\n\"layers\": 0, \"name\": 7}"))
    #expect(reader.optional("name") { try $0.string() } == nil)
    #expect(reader.value("layers", or: 12) { try $0.integer(in: 1...100) } == 12)
    #expect(reader.value("width", or: 768) { try $0.integer() } == 768)
    #expect(reader.value("heads", or: 4) { try $0.integer() } == 4)
    #expect(reader.optional("pad") { try $0.integer() } == nil)
    #expect(reader.required("type") { try $0.string() } == nil)
    #expect(reader.has("pad") && reader["pad"] == nil && reader["rank"] != nil)
    reader.report("rank", "does not divide the width")
    reader.report("type", .missing(expected: "bert or gpt2"))
    let error = #expect(throws: ErrorList.self) { try reader.finish() }
    #expect(
      error?.description == """
        a.json:1: width: must be a whole number, not null
        a.json:1: type: is missing
        a.json:1: type: is missing; expected bert or gpt2
        a.json:2: rank: does not divide the width
        a.json:3: name: must be a string, not a whole number
        a.json:3: layers: must be from 1 to 100, not 0
        """)
  }

  @Test func theReaderOfAnotherKindReportsOnlyThat() throws {
    var reader = JSONObjectReader(try field("[1]"))
    #expect(reader.value("a", or: 1) { try $0.integer() } == 1)
    #expect(reader.required("b") { try $0.integer() } == nil)
    let error = #expect(throws: JSONFieldError.self) { try reader.finish() }
    #expect(error?.description == "a.json:1: must be an object, not a list")
  }
}
