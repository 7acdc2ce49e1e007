import Diagnostics

/// Text with `{fields}` to be filled in; `{{` and `}}` write braces.
package struct PromptTemplate: Sendable, Equatable {
  private enum Part: Sendable, Equatable {
    case text(String)
    case field(String)
  }

  private var parts: [Part] = []

  /// Parses `text`, the value of the option `key`. Throws where a field is not one of `fields`, or a brace stands alone.
  init(_ text: String, key: String, fields: [String]) throws {
    func bad(_ problem: String) -> TaskError { .badOption(key: key, problem: problem) }
    var rest = text.unicodeScalars[...]
    var literal = String.UnicodeScalarView()
    while let scalar = rest.popFirst() {
      if scalar != "{", scalar != "}" {
        literal.append(scalar)
      } else if rest.first == scalar {
        literal.append(scalar)
        rest.removeFirst()
      } else if scalar == "}" {
        throw bad("} without { (a brace itself is written twice)")
      } else {
        guard let end = rest.firstIndex(of: "}") else { throw bad("{ without } (a brace itself is written twice)") }
        let name = String(rest[..<end])
        guard fields.contains(name) else { throw bad(Self.unknown(name, fields)) }
        parts += [.text(String(literal)), .field(name)]
        literal = String.UnicodeScalarView()
        rest = rest[rest.index(after: end)...]
      }
    }
    parts.append(.text(String(literal)))
  }

  private static func unknown(_ name: String, _ fields: [String]) -> String {
    let meant = nearestName(to: name, among: fields).map { ", did you mean {\($0)}?" } ?? ""
    let known = fields.map { "{\($0)}" }.joined(separator: ", ")
    return "no field {\(name)}\(meant); the fields are \(known)"
  }

  func uses(_ name: String) -> Bool { parts.contains(.field(name)) }

  func filled(_ values: [String: String]) -> String {
    parts.map { part in
      switch part {
      case .text(let literal): literal
      case .field(let name): values[name] ?? ""
      }
    }.joined()
  }
}
