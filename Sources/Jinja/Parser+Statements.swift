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
  mutating func function<Result>(_ parse: (inout Parser) throws -> Result) throws -> Result {
    let outer = loops, known = unknown.count
    loops = 0
    defer { loops = outer }
    let result = try parse(&self)
    try complain(since: known)
    return result
  }

  // MARK: - Loops and conditions

  mutating func forLoop(_ line: Int) throws -> any Statement {
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

  mutating func condition(_ line: Int) throws -> any Statement {
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
}
