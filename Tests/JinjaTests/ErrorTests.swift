import Diagnostics
import Foundation
import Jinja
import Testing

/// Every error names template, line and what is wrong.
struct ErrorTests {
  @Test(arguments: [
    ("a\n{{ s|shout }}", "2: No filter named 'shout'."),
    ("{% if s %}\n{{ s|shout }}{% endif %}", "2: No filter named 'shout' found."),
    ("{{ s is loud }}", "1: No test named 'loud'."),
    (
      "\n\n{% if s %}",
      "3: Unexpected end of template. Jinja was looking for the following tags: "
        + "'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'."
    ),
    ("{{ s s }}", "1: expected token 'end of print statement', got 's'"),
    ("\n{% for m in 5 %}{% endfor %}", "2: 'int' object is not iterable"),
    ("\n\n{{ missing() }}", "3: 'missing' is undefined"),
    ("{{ s.shout() }}", "1: 'str object' has no attribute 'shout'"),
    ("{{ missing.name }}", "1: 'missing' is undefined"),
    ("{{ s + 1 }}", "1: can only concatenate str (not \"int\") to str"),
    ("{{ xs.append(1) }}", "1: access to attribute 'append' of 'list' object is unsafe."),
    ("{% include 'other' %}", "1: include is not available: a chat template cannot read other files"),
    ("\n{% from 'other' import x %}", "2: from is not available: a chat template cannot read other files"),
    ("{{ xs|pprint }}", "1: the filter 'pprint' is not available here; use tojson"),
    ("{{ xs|random }}", "1: the filter 'random' would give other texts in another run"),
    ("{{ lipsum() }}", "1: lipsum() would give other texts in another run"),
    ("{{ self.x() }}", "1: self is not available: a chat template has no parent"),
    ("{% autoescape true %}{% endautoescape %}", "1: autoescape is not available in templates here"),
    (
      "{{ s.upper }}",
      "1: a function has no text of its own: jinja2 would print an address in memory, "
        + "which differs from run to run"
    ),
    ("{{ s.encode() }}", "1: encode() gives bytes, which templates here do not have"),
    ("{{ '\\N{DASH}' }}", "1: \\N{…}, a character by its name, is not available in a string"),
    ("{% break %}", "1: 'break' outside loop"),
    ("{{ (-8) ** 0.5 }}", "1: a complex number, which templates here do not have"),
  ])
  func namesTemplateAndLine(source: String, message: String) {
    let error = failure(of: source, [("s", "text"), ("xs", [1])])
    #expect(error?.description == "t.jinja:" + message)
    #expect(error?.exitStatus == .badInput)
  }

  @Test func raisedMessagesAreTold() {
    let error = failure(of: "{% for m in xs %}\n{{ raise_exception('No ' ~ m ~ '!') }}{% endfor %}", [("xs", [7])])
    #expect(error?.description == "t.jinja:2: No 7!")
    #expect(error?.kind == .raised)
  }

  /// The line is that of the macro, not of its call.
  @Test func theInnermostLineCounts() {
    #expect(failure(of: "{% macro f() %}\n{{ a.b }}\n{% endmacro %}\n\n{{ f() }}")?.line == 2)
    #expect(failure(of: "{{\n1 +\na.b }}")?.line == 3)
  }
}

/// What programs see of a template.
struct TemplateTests {
  @Test func aTemplateRunsOftenAndInManyThreads() async throws {
    let template = try JinjaTemplate(
      "{% set ns = namespace(n=0) %}{% for x in xs %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", name: "t")
    let texts = try await withThrowingTaskGroup(of: String.self) { group in
      for n in 0..<20 { group.addTask { try template.render([("xs", [.integer(n), 1])]).text } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(texts.compactMap(Int.init).sorted() == Array(1...20))
  }

  @Test func theTimeIsASetting() throws {
    let template = try JinjaTemplate("{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}", name: "t")
    #expect(try template.render([]).text == "26 Jul 2024 00:00:00.000000")
    let options = JinjaOptions(now: Date(timeIntervalSince1970: 86_399.25))
    #expect(try template.render([], options: options).text == "01 Jan 1970 23:59:59.250000")
  }

  @Test func generatedRangesAreBytes() throws {
    let source = "é{% for m in ms %}[{% generation %}{{ m }}{% endgeneration %}]{% endfor %}"
    let template = try JinjaTemplate(source, name: "t")
    let rendering = try template.render([("ms", ["a😀", ""])])
    #expect(rendering.text == "é[a😀][]")
    #expect(rendering.generated == [3..<8, 10..<10])
    #expect(template.hasGeneration)
    #expect(try !JinjaTemplate("{{ 'generation' }}", name: "t").hasGeneration)
  }

  @Test func laterVariablesWin() throws {
    #expect(try JinjaTemplate("{{ x }}{{ range }}", name: "t").render([("x", 1), ("x", 2), ("range", 3)]).text == "23")
  }

  @Test func keysAreCodePoints() throws {
    let object: JinjaValue = ["é": 1, "e\u{301}": 2]
    let template = try JinjaTemplate("{{ o|length }}{{ o['é'] }}{{ o['e\u{301}'] }}", name: "t")
    #expect(try template.render([("o", object)]).text == "212")
  }
}
