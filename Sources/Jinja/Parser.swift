import Diagnostics

/// A template, ready to run.
struct Program: Sendable {
  let body: Block
  /// The names in the template, by their ids.
  let names: [String]
  let hasGeneration: Bool
  /// The names that each block with variables of its own hides, by its number.
  let hidden: [[Int]]
}

/// Makes a program of a template's text.
struct Parser {
  var tokens: [Token]
  var position = 0
  private var names: [String] = []
  private var ids: [ExactText: Int] = [:]
  private var depth = 0

  /// Open tags, for errors.
  var openTags: [String] = []
  /// What the open tags wait for.
  var awaited: [[String]] = []
  /// How many loops are around what is parsed, as far as `break` reaches.
  var loops = 0
  /// How many loops are around what is parsed at all.
  var allLoops = 0
  /// How often each of the special names has been used.
  var uses: [String: Int] = ["loop": 0, "caller": 0, "varargs": 0, "kwargs": 0]
  /// Filters and tests that do not exist. Inside of an `if` this matters only when they are reached.
  var unknown: [JinjaFailure] = []
  var hasGeneration = false
  var blocks: [String] = []
  var frames = Frames()

  /// The program of `source`.
  static func program(_ source: String) throws -> Program {
    var parser = Parser(tokens: try Lexer.tokens(source))
    let body = Block(try parser.statements(until: nil), frame: 0)
    try parser.check(body.nesting)
    if let unknown = parser.unknown.first { throw unknown }
    return Program(
      body: body, names: parser.names, hasGeneration: parser.hasGeneration, hidden: parser.frames.hidden)
  }

  private init(tokens: [Token]) { self.tokens = tokens }

  // MARK: - Tokens

  var current: Token { tokens[position] }

  func look(_ distance: Int = 1) -> Token { tokens[min(position + distance, tokens.count - 1)] }

  /// The current token, after which the next one becomes it.
  @discardableResult
  mutating func next() -> Token {
    defer { if position < tokens.count - 1 { position += 1 } }
    return tokens[position]
  }

  func isName(_ name: String, _ token: Token? = nil) -> Bool { (token ?? current).kind == .name(name) }

  func isSymbol(_ symbol: Symbol) -> Bool { current.kind == .symbol(symbol) }

  mutating func skip(name: String) -> Bool {
    guard isName(name) else { return false }
    next()
    return true
  }

  mutating func skip(_ symbol: Symbol) -> Bool {
    guard isSymbol(symbol) else { return false }
    next()
    return true
  }

  @discardableResult
  mutating func expect(_ kind: Token.Kind) throws -> Token {
    guard current.kind == kind else { throw unexpected(Token(kind: kind, line: 0).shown) }
    return next()
  }

  mutating func expectName() throws -> String {
    guard case .name(let name) = current.kind else { throw unexpected("name") }
    next()
    return name
  }

  private func unexpected(_ expected: String) -> JinjaFailure {
    if current.kind == .end { return failure("unexpected end of template, expected '\(expected)'.") }
    return failure("expected token '\(expected)', got \(PythonText.quoted(current.shown))")
  }

  func failure(_ message: String, line: Int? = nil) -> JinjaFailure {
    JinjaFailure(message, kind: .syntax, line: line ?? current.line)
  }

  // MARK: - Names and limits

  /// The id of `name`.
  mutating func id(_ name: String) -> Int {
    if let id = ids[ExactText(name)] { return id }
    names.append(name)
    ids[ExactText(name)] = names.count - 1
    return names.count - 1
  }

  /// Parses a part of the block `frame`, which has variables of its own.
  mutating func inside<Result>(_ frame: Int, _ parse: (inout Parser) throws -> Result) rethrows -> Result {
    let outer = frames.current
    frames.current = frame
    defer { frames.current = outer }
    return try parse(&self)
  }

  /// Parses something one level deeper.
  mutating func deeper<Result>(_ parse: (inout Parser) throws -> Result) throws -> Result {
    depth += 1
    defer { depth -= 1 }
    if depth > Limit.parsing { throw tooDeep }
    return try parse(&self)
  }

  func check(_ nesting: Int) throws { if nesting > Limit.nesting { throw tooDeep } }

  /// `expression`, if it is not nested too deep.
  func checked<Node: Expression>(_ expression: Node) throws -> Node {
    try check(expression.nesting)
    return expression
  }

  private var tooDeep: JinjaFailure {
    JinjaFailure("expressions or tags are nested too deep in one another", kind: .limit, line: current.line)
  }

  /// Forgets what is unknown since `count`: it lies inside of an `if`.
  mutating func forgive(since count: Int) { unknown.removeLast(unknown.count - count) }

  /// Throws what is unknown since `count`: a loop or a macro is checked even inside of an `if`.
  func complain(since count: Int) throws { if unknown.count > count { throw unknown[count] } }
}
