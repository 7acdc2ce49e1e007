import Foundation
import Jinja
import StrictJSON
import Testing

/// Small templates against jinja2 itself; scripts/golden/jinja.py makes the table.
struct ExpressionTests {
  /// What jinja2 made of a template.
  struct Case: CustomTestStringConvertible {
    let source: String
    let text: String?
    let errorClass: String?
    let line: Int?
    let message: String?

    var testDescription: String { source }

    /// Whether no tag that fails has several lines.
    var tagsAreShort: Bool { !source.contains("{{\n") && !source.contains("=\n") }

    init(_ node: JSONNode) {
      let parts = node.array ?? []
      source = parts.first?.string ?? ""
      text = parts.last?.string
      errorClass = parts.last?["error"]?.string
      line = parts.last?["line"]?.integer
      message = parts.last?["message"]?.string
    }
  }

  private static let table: [JSONNode] = (try? golden("expressions.json").array) ?? []
  private static let variables: [(String, JinjaValue)] =
    table.first?.object.map { object in object.keys.map { ($0, JinjaValue(object[$0]?.value ?? .null)) } } ?? []
  static let cases = table.dropFirst().map(Case.init)

  @Test func theTableIsThere() {
    #expect(Self.cases.count > 1000)
    #expect(Self.variables.count > 20)
  }

  @Test(arguments: cases)
  func rendersLikeJinja2(_ expected: Case) throws {
    let result = Result {
      try JinjaTemplate(expected.source, name: "t").render(Self.variables).text
    }
    switch result {
    case .success(let text):
      let isSame = expected.text.map { Array($0.utf8) == Array(text.utf8) } ?? false
      #expect(isSame, "\(text.debugDescription), not \(expected.text?.debugDescription ?? expected.errorClass ?? "")")
    case .failure(let error):
      guard let error = error as? JinjaError else { throw error }
      #expect(expected.text == nil, "\(error), not \(expected.text?.debugDescription ?? "")")
      guard expected.text == nil, let message = expected.message else { return }
      #expect(error.message == message)
      // jinja2 knows in which line a tag begins; of a longer tag we know more.
      if expected.tagsAreShort { #expect(error.line == expected.line) }
    }
  }
}

/// A file of the folder Golden, parsed.
func golden(_ name: String) throws -> JSONNode {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
  let data = try Data(contentsOf: folder.appendingPathComponent(name))
  return try JSONParser.parse([UInt8](data), file: name)
}
