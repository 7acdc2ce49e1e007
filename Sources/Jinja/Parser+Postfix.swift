extension Parser {
  // MARK: - What follows a value

  mutating func postfix(_ value: any Expression) throws -> any Expression {
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

  mutating func call(_ function: any Expression) throws -> CallExpression {
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

  mutating func filters(_ value: any Expression) throws -> any Expression {
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
