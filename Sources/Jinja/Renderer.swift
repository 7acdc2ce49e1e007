/// The variables of a block; names that it does not have are looked up further outside.
final class Scope {
  let parent: Scope?
  private var ids: [Int] = []
  private var values: [JinjaValue] = []

  init(_ parent: Scope?) { self.parent = parent }

  func value(_ id: Int) -> JinjaValue? {
    var scope: Scope? = self
    while let current = scope {
      for position in current.ids.indices where current.ids[position] == id { return current.values[position] }
      scope = current.parent
    }
    return nil
  }

  func set(_ id: Int, _ value: JinjaValue) {
    if let position = ids.firstIndex(of: id) {
      values[position] = value
    } else {
      ids.append(id)
      values.append(value)
    }
  }

  /// A scope apart from all others that has the values of this one, but not what is only hidden.
  func copy() -> Scope {
    let copy = Scope(nil)
    for (id, value) in zip(ids, values) where !value.isUndefined { copy.set(id, value) }
    return copy
  }

  func clear() {
    ids.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }
}

/// One run of a template: its output, its variables, what it may still spend.
final class Renderer {
  let options: JinjaOptions
  /// The names in the template, by their ids.
  let names: [String]
  /// The variables given and the built-in functions, by the ids of their names.
  var globals: [JinjaValue?]

  /// The variables that the template sets outside of all blocks.
  let root = Scope(nil)
  /// The names that blocks hide.
  let hidden: [[Int]]
  private var output = ""
  /// The outputs that wait until a macro or a block has been captured.
  private var waiting: [String] = []
  private var stepsLeft: Int
  private var calls = 0
  private var nesting: Int
  private(set) var generated: [Generated] = []
  private var namespaces: [Namespace] = []
  private var scopes: [Scope] = []

  /// Where a `generation` block stands.
  struct Generated {
    /// In bytes of the output.
    let start: Int
    let bytes: Int
    /// The text's length in code points, where it is captured: see `JinjaRendering.generated`.
    let codePoints: Int?
  }

  init(_ program: Program, options: JinjaOptions) {
    self.options = options
    names = program.names
    hidden = program.hidden
    globals = Array(repeating: nil, count: program.names.count)
    stepsLeft = options.stepLimit
    nesting = program.body.nesting
  }

  // MARK: - Limits

  @inline(__always)
  func step() throws {
    stepsLeft -= 1
    if stepsLeft < 0 { throw tooManySteps }
  }

  func spend(_ steps: Int) throws {
    stepsLeft -= steps
    if stepsLeft < 0 { throw tooManySteps }
  }

  /// Pays for handling `bytes` bytes of text.
  func spend(bytes: Int) throws { try spend(1 + bytes / 32) }

  private var tooManySteps: JinjaFailure {
    JinjaFailure("the template takes more than \(options.stepLimit) steps", kind: .limit)
  }

  /// Checks the length of a text before it is made.
  func check(length: Int) throws {
    if length > options.outputLimit {
      throw JinjaFailure("the template makes a text of more than \(options.outputLimit) bytes", kind: .limit)
    }
  }

  /// Checks the number of elements of a list before it is made, and pays for it.
  func check(count: Int) throws {
    if count > Limit.elements {
      throw JinjaFailure("the template makes a list of more than \(Limit.elements) elements", kind: .limit)
    }
    try spend(count)
  }

  func check(depth: Int) throws { if depth > Limit.valueDepth { throw tooDeep } }

  /// Runs a macro whose blocks are nested `levels` deep.
  func nested<Result>(_ levels: Int, _ body: () throws -> Result) throws -> Result {
    calls += 1
    nesting += levels
    defer {
      calls -= 1
      nesting -= levels
    }
    if calls > Limit.calls || nesting > Limit.running {
      throw JinjaFailure("macros call each other more than \(calls - 1) deep", kind: .limit)
    }
    return try body()
  }

  // MARK: - Output

  func print(_ text: String) throws {
    try spend(bytes: text.utf8.count)
    try check(length: output.utf8.count + text.utf8.count)
    output += text
  }

  /// Prints what a `filter` or `call` tag gives, which jinja2 does not make a text.
  func print(text value: JinjaValue) throws {
    guard let text = value.text else {
      throw JinjaFailure("sequence item 0: expected str instance, \(value.typeName) found")
    }
    try print(text)
  }

  /// The text that `body` prints.
  func capture(_ body: () throws -> Void) throws -> String {
    waiting.append(output)
    output = ""
    defer { output = waiting.removeLast() }
    try body()
    return output
  }

  /// Prints the text of a `generation` block and notes where it is.
  func printGenerated(_ text: String) throws {
    // transformers looks at what has left the template, so that a block inside of a macro counts from there.
    let start = waiting.first?.utf8.count ?? output.utf8.count
    let codePoints = waiting.isEmpty ? nil : text.unicodeScalars.count
    generated.append(Generated(start: start, bytes: text.utf8.count, codePoints: codePoints))
    try print(text)
  }

  /// What has been printed.
  var rendering: JinjaRendering {
    JinjaRendering(text: output, generated: generated.map(range))
  }

  private func range(_ block: Generated) -> Range<Int> {
    guard let codePoints = block.codePoints else { return block.start..<(block.start + block.bytes) }
    let rest = String(bytes: output.utf8.dropFirst(block.start))
    let bytes = String(rest.unicodeScalars.prefix(codePoints)).utf8.count
    return block.start..<(block.start + bytes)
  }

  // MARK: - What must be taken apart in the end

  /// Namespaces may hold themselves, macros are held by the scope that they hold.
  func keep(_ namespace: Namespace) { namespaces.append(namespace) }
  func keep(_ scope: Scope) { if scopes.last !== scope { scopes.append(scope) } }

  func takeApart() {
    for namespace in namespaces { namespace.clear() }
    for scope in scopes { scope.clear() }
  }
}
