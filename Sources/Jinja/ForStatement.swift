/// `{% for target in values if condition recursive %}…{% else %}…{% endfor %}`
final class ForStatement: Statement {
  private let target: Target
  private let values: any Expression
  private let condition: (any Expression)?
  private let isRecursive: Bool
  private let body: Block
  private let other: Block
  /// The id of `loop`, where the body uses it.
  private let loop: Int?
  private let line: Int
  let nesting: Int

  init(
    _ target: Target, in values: any Expression, if condition: (any Expression)?, isRecursive: Bool, _ body: Block,
    else other: Block, loop: Int?, line: Int
  ) {
    self.target = target
    self.values = values
    self.condition = condition
    self.isRecursive = isRecursive
    self.body = body
    self.other = other
    self.loop = loop
    self.line = line
    nesting = 1 + max(max(body.nesting, other.nesting), max(values.nesting, condition?.nesting ?? 0))
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    let values = try at(line) { try self.values.evaluate(scope, renderer) }
    if isRecursive {
      try renderer.print(renderer.capture { _ = try run(values, scope, renderer, depth: 0) })
      return .next
    }
    return try run(values, scope, renderer, depth: 0)
  }

  private func run(_ values: JinjaValue, _ scope: Scope, _ renderer: Renderer, depth: Int) throws -> Flow {
    let cursor = try at(line) { try self.cursor(values, scope, renderer) }
    var state: Loop?
    if loop != nil {
      try renderer.check(depth: values.depth + 1)
      let count = condition == nil ? try renderer.count(values) : nil
      state = Loop(cursor, count: count, depth: depth, nesting: values.depth + 1)
      if isRecursive { state?.recurse = recursion(scope, depth: depth + 1) }
    }
    // A loop that leaves its scope to a macro gives it away; all others use one scope for all rounds.
    var inner = Scope(scope)
    var isEmpty = true
    while let value = try at(line, { try state?.next() ?? (state == nil ? cursor.next() : nil) }) {
      try renderer.step()
      if !isKnownUniquelyReferenced(&inner) { inner = Scope(scope) }
      inner.clear()
      body.hideNames(in: inner, renderer)
      if let loop, let state { inner.set(loop, .reference(state)) }
      try at(line) { try target.set(value, inner, renderer) }
      let flow = try body.run(inner, renderer)
      if flow == .leaveLoop {
        // Python leaves the flag for the else branch as it is.
        break
      }
      isEmpty = isEmpty && flow == .nextRound
    }
    state?.recurse = nil
    return isEmpty ? try other.run(other.scope(in: scope, renderer), renderer) : .next
  }

  private func cursor(_ values: JinjaValue, _ scope: Scope, _ renderer: Renderer) throws -> Cursor {
    let all = try renderer.cursor(values)
    guard let condition else { return all }
    let inner = Scope(scope)
    return FunctionCursor { [line, target] in
      while let value = try all.next() {
        try renderer.step()
        try at(line) { try target.set(value, inner, renderer) }
        if try at(line, { try renderer.isTrue(condition.evaluate(inner, renderer)) }) { return value }
      }
      return nil
    }
  }

  /// What `loop(values)` does in a recursive loop.
  private func recursion(_ scope: Scope, depth: Int) -> (JinjaValue, Renderer) throws -> JinjaValue {
    { [self] values, renderer in
      .string(
        try renderer.nested(nesting) { try renderer.capture { _ = try run(values, scope, renderer, depth: depth) } })
    }
  }
}

/// The variable `loop`.
final class Loop: JinjaReference, @unchecked Sendable {
  private var cursor: Cursor
  private var knownCount: Int?
  private let depth0: Int
  private let valueDepth: Int
  private var index0 = -1
  private var current: JinjaValue?
  private var before: JinjaValue?
  /// The next value, where it has been asked for.
  private var after: JinjaValue?
  private var lastChange: JinjaList?
  var recurse: ((JinjaValue, Renderer) throws -> JinjaValue)?

  init(_ cursor: Cursor, count: Int?, depth: Int, nesting: Int) {
    self.cursor = cursor
    knownCount = count
    depth0 = depth
    valueDepth = nesting
  }

  override var typeName: String { "LoopContext" }
  override var objectName: String { "jinja2.runtime.LoopContext object" }
  override var depth: Int { valueDepth }
  override var isCallable: Bool { true }

  func next() throws -> JinjaValue? {
    let value = try after ?? cursor.next()
    after = nil
    guard let value else { return nil }
    index0 += 1
    before = current
    current = value
    return value
  }

  private func peek() throws -> JinjaValue? {
    if after == nil { after = try cursor.next() }
    return after
  }

  override func count(_ renderer: Renderer) throws -> Int {
    if let knownCount { return knownCount }
    var rest: [JinjaValue] = []
    while let value = try cursor.next() {
      try renderer.check(count: 1)
      rest.append(value)
    }
    cursor = ListCursor(rest)
    let count = rest.count + index0 + 1 + (after == nil ? 0 : 1)
    knownCount = count
    return count
  }

  override func cursor(_ renderer: Renderer) -> Cursor? {
    FunctionCursor { [self] in try next().map { .pair($0, .reference(self)) } }
  }

  override func attribute(_ name: String, _ renderer: Renderer) throws -> JinjaValue? {
    switch name {
    case "index": .integer(index0 + 1)
    case "index0": .integer(index0)
    case "first": .bool(index0 == 0)
    case "last": .bool(try peek() == nil)
    case "length": .integer(try count(renderer))
    case "revindex": .integer(try count(renderer) - index0)
    case "revindex0": .integer(try count(renderer) - index0 - 1)
    case "depth": .integer(depth0 + 1)
    case "depth0": .integer(depth0)
    case "previtem": index0 == 0 ? .undefined("there is no previous item") : before
    case "nextitem": try peek() ?? .undefined("there is no next item")
    case "cycle":
      .reference(
        Function("cycle") { [index0] arguments, _ in
          let values = arguments.positional
          guard !values.isEmpty else { throw JinjaFailure("no items for cycling given") }
          return values[index0 % values.count]
        })
    case "changed":
      .reference(
        Function("changed", depth: depth) { [self] arguments, renderer in
          let values = JinjaList(arguments.positional)
          try renderer.check(depth: values.depth)
          if let lastChange, try renderer.areEqual(.tuple(lastChange), .tuple(values)) { return .bool(false) }
          lastChange = values
          return .bool(true)
        })
    default: nil
    }
  }

  override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    guard let recurse else {
      throw JinjaFailure("The loop must have the 'recursive' marker to be called recursively.")
    }
    return try recurse(try arguments.bound("loop", ["iterable"], required: 1)[0] ?? .none, renderer)
  }

  override func write(to text: inout String, depth: Int, _ renderer: Renderer) throws {
    text += "<LoopContext \(index0 + 1)/\(try count(renderer))>"
  }
}
