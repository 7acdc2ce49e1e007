import StrictJSON
import Testing

@Suite struct JSONWriterTests {
  @Test func prettyTextHasTheObjectsOrderAndTwoSpaces() {
    let value: JSONValue = [
      "z": 1, "a": [1, 2.5, true, .null], "empty": [:], "none": [], "nested": ["name": "x"],
    ]
    #expect(
      JSONWriter.text(value, pretty: true) == """
        {
          "z": 1,
          "a": [
            1,
            2.5,
            true,
            null
          ],
          "empty": {},
          "none": [],
          "nested": {
            "name": "x"
          }
        }

        """)
    #expect(
      JSONWriter.text(value, pretty: false)
        == #"{"z":1,"a":[1,2.5,true,null],"empty":{},"none":[],"nested":{"name":"x"}}"#)
  }

  @Test(arguments: [
    (0.1, "0.1"), (1e-8, "1e-08"), (1e300, "1e+300"), (-0.0, "-0.0"), (3, "3.0"), (.nan, "null"), (.infinity, "null"),
    (.leastNonzeroMagnitude, "5e-324"), (1e16, "1e+16"),
  ])
  func numbersReadBackAsThemselves(_ number: Double, _ text: String) throws {
    #expect(JSONWriter.text(.number(number), pretty: false) == text)
    if number.isFinite { #expect(try JSONParser.parse(text).number == number) }
  }

  @Test func float32IsWrittenWithItsOwnDigits() {
    #expect(JSONWriter.text(.float(0.1), pretty: false) == "0.1")
    #expect(JSONWriter.text(.float(.nan), pretty: false) == "null")
    for value: Float in [1e-5, 0.3, .pi, 16_777_218, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
      guard case .number(let number) = JSONValue.float(value) else { continue }
      #expect(Float(number) == value)
    }
  }

  @Test func everyScalarSurvivesARoundTrip() throws {
    var text = ""
    for code in 0..<0x11_0000 as Range<UInt32> where code < 0x300 || code % 97 == 0 {
      if let scalar = UnicodeScalar(code) { text.unicodeScalars.append(scalar) }
    }
    let written = JSONWriter.quoted(text)
    #expect(try JSONParser.parse(written).string.map { Array($0.utf8) } == Array(text.utf8))
    #expect(JSONWriter.quoted("\u{1}\u{1F}\"\\\n") == #""\u0001\u001f\"\\\n""#)
  }

  @Test func whatWasParsedIsWrittenBack() throws {
    let text = #"{"b":[1,{"c":"é"}],"a":-1.5}"#
    #expect(JSONWriter.text(try JSONParser.parse(text).value, pretty: false) == text)
  }
}
