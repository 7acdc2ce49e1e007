import StrictJSON
import Testing

@Suite struct StrictJSONTests {
  @Test func keepsOrderLinesAndTypes() throws {
    let node = try JSONParser.parse("{\"b\": 1,\n \"a\": [1.5, true, null, \"x\\u00e9\\ud83d\\ude00\"]}")
    #expect(node.object?.keys == ["b", "a"])
    #expect(node["a"]?.line == 2)
    #expect(node["b"]?.integer == 1)
    #expect(node["a"]?.array?[3].string == "xé😀")
  }

  @Test func keysAreComparedScalarByScalar() throws {
    let node = try JSONParser.parse("{\"\\u00e9\": 1, \"e\\u0301\": 2}")
    #expect(node.object?.count == 2)
    #expect(node["\u{e9}"]?.integer == 1)
    #expect(node["e\u{301}"]?.integer == 2)
  }

  @Test func acceptsCommentsAndTrailingCommasOnlyWhereAsked() throws {
    let text = "{ // one\n /* two\n */ \"a\": [1, 2,], }"
    #expect(try JSONParser.parse(text, dialect: .config)["a"]?.line == 3)
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(text) }
  }

  @Test(arguments: [
    ("", "text:1:1: unexpected end of the text, a value is missing"),
    ("{\"a\":1,\n\"a\":2}", "text:2:1: the key \"a\" occurs twice"),
    ("[1 2]", "text:1:4: expected , or ]"),
    ("[01]", "text:1:4: malformed number"),
    ("[1e999]", "text:1:7: number out of range"),
    ("\"\\ud800\"", "text:1:8: half a surrogate pair in a string"),
    ("\"a", "text:1:3: the string does not end"),
    ("[1] x", "text:1:5: unexpected text after the end of the value"),
    ("nul", "text:1:1: expected a value"),
  ])
  func pointsAtSyntaxErrors(text: String, message: String) {
    #expect { try JSONParser.parse(text) } throws: { "\($0)" == message }
  }

  @Test func refusesBottomlessNesting() {
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse(deep) }
  }

  @Test func refusesInvalidUTF8() {
    #expect(throws: JSONSyntaxError.self) { try JSONParser.parse([0x22, 0xFF, 0x22], file: "f") }
  }
}
