extension Parser {
  /// Statements until one of the tags `end`, which is the current token afterwards, or until the end of the template.
  mutating func statements(until end: [String]?) throws -> [any Statement] {
    var statements: [any Statement] = []
    if let end { awaited.append(end) }
    defer { if end != nil { awaited.removeLast() } }
    while current.kind != .end {
      switch current.kind {
      case .data(let text):
        next()
        statements.append(DataStatement(text))
      case .variableBegin:
        let line = next().line
        statements.append(PrintStatement(try tuple(), line: line))
        try expect(.variableEnd)
      default:
        next()
        if let end, case .name(let name) = current.kind, end.contains(name) { return statements }
        statements.append(contentsOf: try deeper { try $0.statement() })
        try expect(.blockEnd)
      }
    }
    return statements
  }

  /// The block that a tag begins, until one of the tags `end`.
  ///
  /// - Parameter frame: its number, if it has variables of its own.
  mutating func block(until end: [String], dropsEnd: Bool = true, frame: Int? = nil) throws -> Block {
    _ = skip(.colon)
    try expect(.blockEnd)
    let block = Block(try inside(frame ?? frames.current) { try $0.statements(until: end) }, frame: frame)
    if current.kind == .end { throw unknownTag(nil, awaited + [end]) }
    try check(block.nesting)
    if dropsEnd { next() }
    return block
  }

  private mutating func statement() throws -> [any Statement] {
    guard case .name(let tag) = current.kind else { throw failure("tag name expected") }
    let line = current.line
    openTags.append(tag)
    defer { openTags.removeLast() }
    switch tag {
    case "for": return [try forLoop(line)]
    case "if": return [try condition(line)]
    case "set": return [try assignment(line)]
    case "macro": return [try macro(line)]
    case "call": return [try callBlock(line)]
    case "filter":
      next()
      guard let filter = try filterChain(startsInline: true) else { break }
      return [FilterStatement(filter, try block(until: ["endfilter"], frame: frames.add()), line: line)]
    case "with": return [try with(line)]
    case "print":
      next()
      var printed: [any Statement] = []
      while current.kind != .blockEnd {
        if !printed.isEmpty { try expect(.symbol(.comma)) }
        printed.append(PrintStatement(try expression(), line: line))
      }
      return printed
    case "block": return [try namedBlock(line)]
    case "autoescape":
      next()
      guard let constant = try expression() as? Constant, case .bool(false) = constant.value else {
        throw failure("autoescape is not available in templates here", line: line)
      }
      return [WithStatement([], try block(until: ["endautoescape"], frame: frames.add()), line: line)]
    case "generation":
      next()
      hasGeneration = true
      let frame = frames.add()
      let body = try function { try $0.block(until: ["endgeneration"], frame: frame) }
      return [GenerationStatement(body)]
    case "break", "continue":
      next()
      guard loops > 0 else { throw failure("'\(tag)' outside loop", line: line) }
      return [JumpStatement(tag == "break" ? .leaveLoop : .nextRound)]
    case "include", "import", "from", "extends":
      throw failure("\(tag) is not available: a chat template cannot read other files", line: line)
    default: break
    }
    openTags.removeLast()
    defer { openTags.append(tag) }
    throw unknownTag(tag, awaited)
  }

  /// The error of a tag that is not known or not expected here, or that misses its end.
  private func unknownTag(_ tag: String?, _ awaited: [[String]]) -> JinjaFailure {
    var message = tag.map { "Encountered unknown tag \(PythonText.quoted($0))." } ?? "Unexpected end of template."
    if let last = awaited.last {
      let looking = last.map(PythonText.quoted).joined(separator: " or ")
      if let tag, awaited.contains(where: { $0.contains(tag) }) {
        message +=
          " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for \(looking)."
      } else {
        message += " Jinja was looking for the following tags: \(looking)."
      }
    }
    if let open = openTags.last {
      message += " The innermost block that needs to be closed is \(PythonText.quoted(open))."
    }
    return failure(message)
  }

  /// Parses a body that becomes a function of its own, which `break` cannot leave.
  private mutating func function<Result>(_ parse: (inout Parser) throws -> Result) throws -> Result {
    let outer = loops, known = unknown.count
    loops = 0
    defer { loops = outer }
    let result = try parse(&self)
    try complain(since: known)
    return result
  }

  // MARK: - Loops and conditions

  private mutating func forLoop(_ line: Int) throws -> any Statement {
    next()
    allLoops += 1
    defer { allLoops -= 1 }
    let target = try self.target(until: "in")
    guard skip(name: "in") else { throw failure("expected token 'in', got \(PythonText.quoted(current.shown))") }
    let values = try tuple(withCondition: false, until: "recursive")
    let known = unknown.count
    let frame = frames.add()
    inside(frame) { $0.read(target) }
    var condition: (any Expression)?
    if skip(name: "if") {
      let own = frames.add()
      condition = try inside(own) { try $0.expression() }
    }
    let isRecursive = skip(name: "recursive")
    let loopUses = uses["loop"] ?? 0
    let loop = id("loop")
    inside(frame) { $0.frames.read(loop) }
    loops += 1
    let body: Block
    do {
      defer { loops -= 1 }
      body = try block(until: ["endfor", "else"], dropsEnd: false, frame: frame)
    }
    let usesLoop = isRecursive || uses["loop"] ?? 0 > loopUses
    var other = Block([], frame: nil)
    if isName("else", next()) {
      let outer = loops
      if isRecursive { loops = 0 }
      defer { loops = outer }
      other = try block(until: ["endfor"], frame: frames.add())
    }
    try complain(since: known)
    return ForStatement(
      target, in: values, if: condition, isRecursive: isRecursive, body, else: other,
      loop: usesLoop ? loop : nil, line: line)
  }

  private mutating func condition(_ line: Int) throws -> any Statement {
    let known = unknown.count
    var branches: [(condition: any Expression, body: Block, line: Int)] = []
    var other = Block([], frame: nil)
    var line = line
    var mark: Int?
    next()
    while true {
      let condition = try tuple(withCondition: false)
      mark = mark ?? frames.mark
      let body = try block(until: ["elif", "else", "endif"], dropsEnd: false)
      branches.append((condition, body, line))
      let end = next()
      if isName("elif", end) {
        line = end.line
        continue
      }
      if isName("else", end) { other = try block(until: ["endif"]) }
      break
    }
    forgive(since: known)
    frames.forget(since: mark ?? frames.mark)
    return IfStatement(branches, else: other)
  }

  // MARK: - Assignments

  private mutating func assignment(_ line: Int) throws -> any Statement {
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

  private mutating func with(_ line: Int) throws -> any Statement {
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
  private mutating func read(_ target: Target) {
    switch target {
    case .name(let id), .attribute(let id, _): frames.read(id)
    case .tuple(let targets): for target in targets { read(target) }
    }
  }

  /// What is assigned to: a name, several with commas, the attribute of a namespace.
  private mutating func target(
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

  // MARK: - Macros and blocks

  private mutating func macro(_ line: Int) throws -> any Statement {
    next()
    let name = try expectName()
    let macro = id(name)
    frames.set(macro)
    let definition = try definition(name, line, hasParameters: true, until: "endmacro") { _ in () }.definition
    return MacroStatement(definition, id: macro)
  }

  private mutating func callBlock(_ line: Int) throws -> any Statement {
    next()
    let (definition, call) = try definition(
      "caller", line, hasParameters: isSymbol(.openParenthesis), until: "endcall"
    ) { parser in
      guard let call = try parser.expression() as? CallExpression else {
        throw parser.failure("expected call", line: line)
      }
      return call
    }
    return CallStatement(call, definition, line: line)
  }

  /// - Parameter head: parses what stands between the parameters and the end of the tag.
  private mutating func definition<Head>(
    _ name: String?, _ line: Int, hasParameters: Bool, until end: String, _ head: (inout Parser) throws -> Head
  ) throws -> (definition: MacroDefinition, head: Head) {
    var parameters: [MacroDefinition.Parameter] = []
    let frame = frames.add()
    if hasParameters {
      try expect(.symbol(.openParenthesis))
      while !isSymbol(.closeParenthesis) {
        if !parameters.isEmpty { try expect(.symbol(.comma)) }
        let name = try expectName()
        if ["true", "false", "none", "True", "False", "None"].contains(name) {
          throw failure("can't assign to 'const'")
        }
        var standard: (any Expression)?
        if skip(.assign) {
          standard = try inside(frame) { try $0.expression() }
        } else if parameters.last?.standard != nil {
          throw failure("non-default argument follows default argument")
        }
        let parameter = id(name)
        inside(frame) { $0.frames.read(parameter) }
        parameters.append(MacroDefinition.Parameter(name: name, id: parameter, standard: standard))
      }
      next()
    }
    let result = try head(&self)
    let before = uses
    let special = SpecialNames(caller: id("caller"), varargs: id("varargs"), kwargs: id("kwargs"))
    inside(frame) { parser in
      for id in [special.caller, special.varargs, special.kwargs] { parser.frames.read(id) }
    }
    let body = try function { try $0.block(until: [end], frame: frame) }
    func isUsed(_ special: String) -> Bool {
      uses[special] != before[special] && !parameters.contains { $0.name == special }
    }
    if uses["caller"] != before["caller"],
      let caller = parameters.first(where: { $0.name == "caller" }), caller.standard == nil
    {
      throw failure(
        "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a default.",
        line: line)
    }
    let definition = MacroDefinition(
      name: name, parameters: parameters, body: body, line: line, special: special, takesCaller: isUsed("caller"),
      takesMore: isUsed("varargs"), takesNamed: isUsed("kwargs"))
    try check(definition.nesting)
    return (definition, result)
  }

  private mutating func namedBlock(_ line: Int) throws -> any Statement {
    next()
    let name = try expectName()
    guard !blocks.contains(where: { $0.isSame(as: name) }) else {
      throw failure("block \(PythonText.quoted(name)) defined twice", line: line)
    }
    blocks.append(name)
    let isScoped = skip(name: "scoped")
    if isName("required") { throw failure("required blocks are not available", line: line) }
    if isSymbol(.subtract) {
      throw failure(
        "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, "
          + "use an underscore instead.")
    }
    let frame = frames.add(isApart: !isScoped)
    let body = try function { try $0.block(until: ["endblock"], frame: frame) }
    _ = skip(name: name)
    return NamedBlockStatement(body, isScoped: isScoped)
  }
}
