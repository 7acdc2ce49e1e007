import Diagnostics

/// Text with `{fields}` to be filled in; `{{` and `}}` write braces.
public struct PromptTemplate: Sendable, Equatable {
  private enum Part: Sendable, Equatable {
    case text(String)
    case field(String)
  }

  private var parts: [Part] = []

  /// Parses `text`. Throws where a field is not one of `fields`, or a brace stands alone.
  public init(_ text: String, fields: [String]) throws {
    var rest = text.unicodeScalars[...]
    var literal = String.UnicodeScalarView()
    while let scalar = rest.popFirst() {
      if scalar != "{", scalar != "}" {
        literal.append(scalar)
      } else if rest.first == scalar {
        literal.append(scalar)
        rest.removeFirst()
      } else if scalar == "}" {
        throw TaskError.badTemplate(problem: "} without { (a brace itself is written twice)")
      } else {
        guard let end = rest.firstIndex(of: "}") else {
          throw TaskError.badTemplate(problem: "{ without } (a brace itself is written twice)")
        }
        let name = String(rest[..<end])
        guard fields.contains(name) else { throw Self.unknown(name, fields) }
        parts += [.text(String(literal)), .field(name)]
        literal = String.UnicodeScalarView()
        rest = rest[rest.index(after: end)...]
      }
    }
    parts.append(.text(String(literal)))
  }

  private static func unknown(_ name: String, _ fields: [String]) -> TaskError {
    let meant = nearestName(to: name, among: fields).map { ", did you mean {\($0)}?" } ?? ""
    let known = fields.map { "{\($0)}" }.joined(separator: ", ")
    return .badTemplate(problem: "no field {\(name)}\(meant); the fields are \(known)")
  }

  /// Whether the field `name` stands in the text.
  public func uses(_ name: String) -> Bool { parts.contains(.field(name)) }

  /// The text with every field replaced by its value.
  public func filled(_ values: [String: String]) -> String {
    parts.reduce(into: "") { text, part in
      switch part {
      case .text(let literal): text += literal
      case .field(let name): text += values[name] ?? ""
      }
    }
  }
}
