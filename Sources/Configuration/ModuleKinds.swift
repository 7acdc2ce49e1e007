import Adapters
import StrictJSON

extension FieldKind where Value == TargetModules {
  /// A list of names, "all-linear", or a regular expression.
  static var targets: Self {
    modules("a list of module names, \"all-linear\" or a regular expression") {
      $0 == TargetSelection.allLinear ? .allLinear : .expression($0)
    }
  }

  /// A list of names, or a regular expression.
  static var excluded: Self {
    modules("a list of module names or a regular expression") { .expression($0) }
  }

  private static func modules(_ what: String, _ text: @escaping @Sendable (String) -> TargetModules) -> Self {
    let names = FieldKind<[String]>.list(what, of: .text)
    return Self(
      read: { node in
        if let string = node.string, !string.isEmpty { return .success(text(string)) }
        return names.read(node).map { TargetSelection($0).targets }
      },
      write: { modules in
        switch modules {
        case .suffixes(let suffixes): names.write(suffixes)
        case .allLinear: .string(TargetSelection.allLinear)
        case .expression(let text): .string(text)
        }
      },
      schema: ["anyOf": [["type": "string", "minLength": 1], names.schema]])
  }
}

extension FieldKind where Value == [Int] {
  /// A layer's number, or a list of them.
  static var layers: Self { oneOrMore("a layer's number or a list of them", of: .integer(0...)) }
}

extension FieldKind where Value == [String] {
  /// A text, or a list of them.
  static var textOrTexts: Self { oneOrMore("text or a list of texts", of: .text) }
}

extension FieldKind {
  /// One value of another kind, or a list of them.
  static func oneOrMore<Element: Hashable & Sendable>(
    _ what: String, of element: FieldKind<Element>
  ) -> Self where Value == [Element] {
    let list = FieldKind<[Element]>.list(what, of: element)
    return Self(
      read: { node in
        node.array == nil ? element.read(node).map { [$0] }.mapError { _ in Expected(what: what) } : list.read(node)
      },
      write: list.write, schema: ["anyOf": [element.schema, list.schema]])
  }

  /// An object of regular expressions with `what` for each, in its order.
  static func byPattern<Element: Sendable & Equatable>(
    _ what: String, _ element: FieldKind<Element>
  ) -> Self where Value == [ModuleValue<Element>] {
    Self(
      read: { node in
        guard let object = node.object else { return .expected("an object that gives module names \(what)") }
        var values: [ModuleValue<Element>] = []
        for key in object.keys {
          guard let member = object[key] else { continue }
          switch element.read(member) {
          case .success(let value): values.append(ModuleValue(key, value))
          case .failure(let expected):
            return .expected("an object that gives module names \(what): \(expected.what)")
          }
        }
        return .success(values)
      },
      write: { values in .members(values.map { ($0.pattern, element.write($0.value)) }) },
      schema: ["type": "object", "additionalProperties": element.schema])
  }
}
