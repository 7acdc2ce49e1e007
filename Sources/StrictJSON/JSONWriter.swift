/// Writes JSON, always the same for the same value: members in their order, numbers in the shortest form that reads back
/// the same.
///
///     JSONWriter.text(["r": 8, "target_modules": ["query", "value"]], pretty: true)
public enum JSONWriter {
  /// `value` as JSON. `pretty` puts every member and element on its own line, indented by two spaces, and ends with a line
  /// feed; otherwise the text is one line without spaces.
  ///
  /// NaN and infinity, which JSON lacks, become `null`.
  public static func text(_ value: JSONValue, pretty: Bool) -> String {
    var text = ""
    write(value, to: &text, indent: pretty ? 0 : nil)
    if pretty { text += "\n" }
    return text
  }

  /// `text` as a JSON string in quotes. Escapes only what JSON demands: quotes, backslashes and control characters.
  public static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      case "\u{8}": quoted += "\\b"
      case "\u{C}": quoted += "\\f"
      case _ where scalar.value < 0x20:
        quoted += (scalar.value < 0x10 ? "\\u000" : "\\u00") + String(scalar.value, radix: 16)
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  /// - Parameter indent: the depth of the enclosing value, or nil for text on one line.
  private static func write(_ value: JSONValue, to text: inout String, indent: Int?) {
    switch value {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .integer(let integer): text += String(integer)
    case .number(let number): text += number.isFinite ? String(describing: number) : "null"
    case .string(let string): text += quoted(string)
    case .array(let elements):
      members(elements, open: "[", close: "]", to: &text, indent: indent) { element, text, indent in
        write(element.value, to: &text, indent: indent)
      }
    case .object(let object):
      members(object.keys, open: "{", close: "}", to: &text, indent: indent) { key, text, indent in
        text += quoted(key) + (indent == nil ? ":" : ": ")
        write(object[key]?.value ?? .null, to: &text, indent: indent)
      }
    }
  }

  private static func members<Member>(
    _ members: [Member], open: String, close: String, to text: inout String, indent: Int?,
    write: (Member, inout String, Int?) -> Void
  ) {
    text += open
    for (index, member) in members.enumerated() {
      if index > 0 { text += "," }
      newLine(in: &text, indent: indent.map { $0 + 1 })
      write(member, &text, indent.map { $0 + 1 })
    }
    if !members.isEmpty { newLine(in: &text, indent: indent) }
    text += close
  }

  private static func newLine(in text: inout String, indent: Int?) {
    if let indent { text += "\n" + String(repeating: "  ", count: indent) }
  }
}
