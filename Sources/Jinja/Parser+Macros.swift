extension Parser {
  // MARK: - Macros and blocks

  mutating func macro(_ line: Int) throws -> any Statement {
    next()
    let name = try expectName()
    let macro = id(name)
    frames.set(macro)
    let definition = try definition(name, line, hasParameters: true, until: "endmacro") { _ in () }.definition
    return MacroStatement(definition, id: macro)
  }

  mutating func callBlock(_ line: Int) throws -> any Statement {
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

  mutating func namedBlock(_ line: Int) throws -> any Statement {
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
