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

  private mutating func primary() throws -> any Expression {
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

  // MARK: - What follows a value

  private mutating func postfix(_ value: any Expression) throws -> any Expression {
    var value = value
    while true {
      switch current.kind {
      case .symbol(.dot), .symbol(.openBracket): value = try subscripted(value)
      case .symbol(.openParenthesis): value = try call(value)
      default: return value
      }
    }
  }

  private mutating func subscripted(_ value: any Expression) throws -> any Expression {
    let line = current.line
    if next().kind == .symbol(.dot) {
      let token = next()
      switch token.kind {
      case .name(let name): return try checked(AttributeExpression(value, name, line: line))
      case .integer(let integer): return try checked(ItemExpression(value, Constant(.integer(integer)), line: line))
      default: throw failure("expected name or number", line: token.line)
      }
    }
    var keys: [any Expression] = []
    var slice: SliceExpression?
    while !isSymbol(.closeBracket) {
      if !keys.isEmpty || slice != nil { try expect(.symbol(.comma)) }
      var bounds: [(any Expression)?] = [nil]
      if !isSymbol(.colon) {
        let key = try expression()
        guard isSymbol(.colon) else {
          keys.append(key)
          continue
        }
        bounds = [key]
      }
      while bounds.count < 3, skip(.colon) {
        let isEmpty = isSymbol(.colon) || isSymbol(.closeBracket) || isSymbol(.comma)
        bounds.append(isEmpty ? nil : try expression())
      }
      bounds += [nil, nil]
      guard slice == nil, keys.isEmpty else { throw failure("a slice among several keys") }
      slice = SliceExpression(value, bounds[0], bounds[1], bounds[2], line: line)
    }
    try expect(.symbol(.closeBracket))
    if let slice {
      guard keys.isEmpty else { throw failure("a slice among several keys", line: line) }
      return try checked(slice)
    }
    let key = keys.count == 1 ? keys[0] : try checked(ListExpression(keys, isTuple: true))
    return try checked(ItemExpression(value, key, line: line))
  }

  private mutating func call(_ function: any Expression) throws -> CallExpression {
    let line = current.line
    return try checked(CallExpression(function, arguments(), line: line))
  }

  private mutating func arguments() throws -> ArgumentExpressions {
    let line = try expect(.symbol(.openParenthesis)).line
    var arguments = ArgumentExpressions()
    var isFirst = true
    func require(_ condition: Bool) throws {
      if !condition { throw failure("invalid syntax for function call expression", line: line) }
    }
    while !isSymbol(.closeParenthesis) {
      if !isFirst {
        try expect(.symbol(.comma))
        if isSymbol(.closeParenthesis) { break }
      }
      isFirst = false
      if skip(.multiply) {
        try require(arguments.list == nil && arguments.object == nil)
        arguments.list = try expression()
      } else if skip(.power) {
        try require(arguments.object == nil)
        arguments.object = try expression()
      } else if case .name(let name) = current.kind, look().kind == .symbol(.assign) {
        try require(arguments.object == nil)
        next()
        next()
        guard !arguments.named.contains(where: { $0.name.isSame(as: name) }) else {
          throw failure("keyword argument repeated: \(name)")
        }
        arguments.named.append((name, try expression()))
      } else {
        try require(arguments.list == nil && arguments.object == nil && arguments.named.isEmpty)
        arguments.positional.append(try expression())
      }
    }
    try expect(.symbol(.closeParenthesis))
    return arguments
  }

  private mutating func filters(_ value: any Expression) throws -> any Expression {
    var value = value
    while true {
      if isSymbol(.pipe) {
        next()
        value = try filter(value)
      } else if isName("is") {
        value = try test(value)
      } else if isSymbol(.openParenthesis) {
        value = try call(value)
      } else {
        return value
      }
    }
  }

  /// The filters of a `filter` or `set` tag, one after the other.
  mutating func filterChain(startsInline: Bool) throws -> OperationExpression? {
    var chain: OperationExpression?
    var startsInline = startsInline
    while startsInline || isSymbol(.pipe) {
      if !startsInline { next() }
      chain = try filter(chain)
      startsInline = false
    }
    return chain
  }

  private mutating func filter(_ value: (any Expression)?) throws -> OperationExpression {
    let line = current.line
    let name = try dottedName()
    let arguments = isSymbol(.openParenthesis) ? try self.arguments() : ArgumentExpressions()
    let operation = operation("filter", name, Filters.all[name], line)
    return try checked(OperationExpression(value, operation, arguments, line: line))
  }

  private mutating func test(_ value: any Expression) throws -> any Expression {
    let line = next().line
    let isNegated = skip(name: "not")
    let name = try dottedName()
    var arguments = ArgumentExpressions()
    switch current.kind {
    case .symbol(.openParenthesis): arguments = try self.arguments()
    case .name("else"), .name("or"), .name("and"): break
    case .name("is"): throw failure("You cannot chain multiple tests with is")
    case .name, .string, .integer, .float, .symbol(.openBracket), .symbol(.openBrace):
      let argument = try primary()
      arguments.positional = [try postfix(argument)]
    default: break
    }
    let operation = operation("test", name, Tests.all[name], line)
    let test = try checked(OperationExpression(value, operation, arguments, line: line))
    return isNegated ? try checked(UnaryExpression(.not, test, line: line)) : test
  }

  private mutating func dottedName() throws -> String {
    var name = try expectName()
    while skip(.dot) { name += "." + (try expectName()) }
    return name
  }

  /// The filter or test, or what complains that there is none when it is reached.
  private mutating func operation(
    _ kind: String, _ name: String, _ operation: Operation?, _ line: Int
  ) -> Operation {
    if let operation { return operation }
    if kind == "filter", let reason = Filters.refused[name] {
      unknown.append(JinjaFailure("the filter '\(name)' \(reason)", kind: .syntax, line: line))
      return { _, _, _ in throw JinjaFailure("the filter '\(name)' \(reason)") }
    }
    let message = "No \(kind) named \(PythonText.quoted(name))"
    unknown.append(JinjaFailure(message + ".", kind: .syntax, line: line))
    return { _, _, _ in throw JinjaFailure(message + " found.") }
  }
}
