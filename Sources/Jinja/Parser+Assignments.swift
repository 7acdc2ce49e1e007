extension Parser {
  // MARK: - Assignments

  mutating func assignment(_ line: Int) throws -> any Statement {
    next()
    let target = try self.target(until: nil, withNamespace: true)
    if skip(.assign) {
      let value = try tuple()
      note(target)
      return SetStatement(target, value, line: line)
    }
    note(target)
    let frame = frames.add()
    let filter = try inside(frame) { try $0.filterChain(startsInline: false) }
    return SetBlockStatement(target, filter, try block(until: ["endset"], frame: frame), line: line)
  }

  mutating func with(_ line: Int) throws -> any Statement {
    next()
    var assignments: [(target: Target, value: any Expression)] = []
    while current.kind != .blockEnd {
      if !assignments.isEmpty { try expect(.symbol(.comma)) }
      let target = try self.target(until: nil, stores: false)
      try expect(.symbol(.assign))
      assignments.append((target, try expression()))
    }
    let frame = frames.add()
    inside(frame) { parser in for assignment in assignments { parser.read(assignment.target) } }
    return WithStatement(assignments, try block(until: ["endwith"], frame: frame), line: line)
  }

  /// Notes that the current block sets `target`.
  private mutating func note(_ target: Target) {
    switch target {
    case .name(let id): frames.set(id)
    case .attribute(let id, _): frames.read(id)
    case .tuple(let targets): for target in targets { note(target) }
    }
  }

  /// Notes that the current block begins with `target` set.
  mutating func read(_ target: Target) {
    switch target {
    case .name(let id), .attribute(let id, _): frames.read(id)
    case .tuple(let targets): for target in targets { read(target) }
    }
  }

  /// What is assigned to: a name, several with commas, the attribute of a namespace.
  mutating func target(
    until end: String?, withNamespace: Bool = false, stores: Bool = true
  ) throws -> Target {
    var targets: [Target] = []
    var isTuple = false
    while true {
      if !targets.isEmpty { try expect(.symbol(.comma)) }
      if isTupleEnd(end) { break }
      targets.append(try simpleTarget(withNamespace: withNamespace, stores: stores))
      guard isSymbol(.comma) else { break }
      isTuple = true
    }
    if isTuple { return .tuple(targets) }
    guard let target = targets.first else {
      throw failure("Expected an expression, got \(PythonText.quoted(current.shown))")
    }
    return target
  }

  private mutating func simpleTarget(withNamespace: Bool, stores: Bool) throws -> Target {
    if skip(.openParenthesis) {
      let target = try deeper { try $0.target(until: nil, stores: stores) }
      try expect(.symbol(.closeParenthesis))
      return target
    }
    guard case .name(let name) = current.kind else {
      if isSymbol(.openBracket) || isSymbol(.openBrace) { throw failure("can't assign to a list or object") }
      if case .symbol = current.kind { throw failure("unexpected \(PythonText.quoted(current.shown))") }
      throw failure("can't assign to 'const'")
    }
    if ["true", "false", "none", "True", "False", "None"].contains(name) { throw failure("can't assign to 'const'") }
    next()
    if withNamespace, skip(.dot) { return .attribute(id(name), try expectName()) }
    if name == "loop", stores, allLoops > 0 {
      throw failure("Can't assign to special loop variable in for-loop target")
    }
    return .name(id(name))
  }
}
