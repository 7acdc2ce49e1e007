extension Parser {
  /// An expression, with commas a tuple.
  mutating func tuple(
    withCondition: Bool = true, until end: String? = nil, inParentheses: Bool = false
  ) throws -> any Expression {
    var elements: [any Expression] = []
    var isTuple = false
    while true {
      if !elements.isEmpty { try expect(.symbol(.comma)) }
      if isTupleEnd(end) { break }
      elements.append(try expression(withCondition: withCondition))
      guard isSymbol(.comma) else { break }
      isTuple = true
    }
    if !isTuple {
      if let element = elements.first { return element }
      guard inParentheses else {
        throw failure("Expected an expression, got \(PythonText.quoted(current.shown))")
      }
    }
    return try checked(ListExpression(elements, isTuple: true))
  }

  func isTupleEnd(_ end: String?) -> Bool {
    switch current.kind {
    case .variableEnd, .blockEnd, .symbol(.closeParenthesis): true
    case .name(let name): name == end
    default: false
    }
  }

  mutating func expression(withCondition: Bool = true) throws -> any Expression {
    try deeper { try withCondition ? $0.conditional() : $0.or() }
  }

  private mutating func conditional() throws -> any Expression {
    var line = current.line
    let known = unknown.count
    var value = try or()
    while skip(name: "if") {
      let condition = try or()
      let other = skip(name: "else") ? try deeper { try $0.conditional() } : nil
      value = try checked(ConditionalExpression(condition, value, else: other, line: line))
      line = current.line
      forgive(since: known)
    }
    return value
  }

  private mutating func or() throws -> any Expression {
    var left = try and()
    while skip(name: "or") { left = try checked(LogicalExpression(isAnd: false, left, and())) }
    return left
  }

  private mutating func and() throws -> any Expression {
    var left = try not()
    while skip(name: "and") { left = try checked(LogicalExpression(isAnd: true, left, not())) }
    return left
  }

  private mutating func not() throws -> any Expression {
    let line = current.line
    guard skip(name: "not") else { return try comparison() }
    return try checked(UnaryExpression(.not, try deeper { try $0.not() }, line: line))
  }

  private mutating func comparison() throws -> any Expression {
    let line = current.line
    let first = try sum()
    var others: [(operation: Comparison, operand: any Expression)] = []
    while true {
      if case .symbol(let symbol) = current.kind, let operation = Comparison(rawValue: symbol.rawValue) {
        next()
        others.append((operation, try sum()))
      } else if skip(name: "in") {
        others.append((.isIn, try sum()))
      } else if isName("not"), isName("in", look()) {
        next()
        next()
        others.append((.notIn, try sum()))
      } else {
        break
      }
    }
    return others.isEmpty ? first : try checked(CompareExpression(first, others, line: line))
  }

  private mutating func sum() throws -> any Expression {
    var line = current.line
    var left = try concatenation()
    while isSymbol(.add) || isSymbol(.subtract) {
      let operation: Arithmetic = next().kind == .symbol(.add) ? .add : .subtract
      left = try checked(BinaryExpression(operation, left, concatenation(), line: line))
      line = current.line
    }
    return left
  }

  private mutating func concatenation() throws -> any Expression {
    let line = current.line
    var parts = [try product()]
    while skip(.tilde) { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : try checked(ConcatenationExpression(parts, line: line))
  }

  private mutating func product() throws -> any Expression {
    var line = current.line
    var left = try power()
    while case .symbol(let symbol) = current.kind, let operation = Arithmetic(rawValue: symbol.rawValue),
      operation != .add, operation != .subtract, operation != .power
    {
      next()
      left = try checked(BinaryExpression(operation, left, power(), line: line))
      line = current.line
    }
    return left
  }

  private mutating func power() throws -> any Expression {
    var line = current.line
    var left = try unary()
    // From the left, unlike Python.
    while skip(.power) {
      left = try checked(BinaryExpression(.power, left, unary(), line: line))
      line = current.line
    }
    return left
  }

  private mutating func unary(withFilter: Bool = true) throws -> any Expression {
    let line = current.line
    var value: any Expression
    if isSymbol(.subtract) || isSymbol(.add) {
      let operation: UnaryExpression.Operation = next().kind == .symbol(.subtract) ? .minus : .plus
      value = try checked(UnaryExpression(operation, try deeper { try $0.unary(withFilter: false) }, line: line))
    } else {
      value = try primary()
    }
    value = try postfix(value)
    return withFilter ? try filters(value) : value
  }

  mutating func primary() throws -> any Expression {
    let token = next()
    switch token.kind {
    case .name("true"), .name("True"): return Constant(.bool(true))
    case .name("false"), .name("False"): return Constant(.bool(false))
    case .name("none"), .name("None"): return Constant(.none)
    case .name(let name):
      if name == "self" { throw failure("self is not available: a chat template has no parent", line: token.line) }
      if let count = uses[name] { uses[name] = count + 1 }
      let id = id(name)
      frames.read(id)
      return NameExpression(name, id: id)
    case .string(let text):
      var text = text
      while case .string(let more) = current.kind {
        text += more
        next()
      }
      return Constant(.string(text))
    case .integer(let integer): return Constant(.integer(integer))
    case .float(let float): return Constant(.float(float))
    case .symbol(.openParenthesis):
      let value = try deeper { try $0.tuple(inParentheses: true) }
      try expect(.symbol(.closeParenthesis))
      return value
    case .symbol(.openBracket):
      let elements = try list(until: .closeBracket) { try $0.expression() }
      return try checked(ListExpression(elements, isTuple: false))
    case .symbol(.openBrace):
      let members = try list(until: .closeBrace) { parser in
        let key = try parser.expression()
        try parser.expect(.symbol(.colon))
        return (key: key, value: try parser.expression())
      }
      return try checked(ObjectExpression(members))
    default:
      throw failure("unexpected \(PythonText.quoted(token.shown))", line: token.line)
    }
  }

  private mutating func list<Element>(
    until end: Symbol, _ element: (inout Parser) throws -> Element
  ) throws -> [Element] {
    var elements: [Element] = []
    while !isSymbol(end) {
      if !elements.isEmpty { try expect(.symbol(.comma)) }
      if isSymbol(end) { break }
      elements.append(try element(&self))
    }
    next()
    return elements
  }
}
