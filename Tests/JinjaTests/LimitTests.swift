import Diagnostics
import Jinja
import Testing

/// Templates that would run or grow without end: each is an error that names template and line.
struct LimitTests {
  private static func error(
    _ source: String, _ variables: [(String, JinjaValue)] = [], options: JinjaOptions = JinjaOptions()
  ) -> JinjaError? {
    do {
      let text = try JinjaTemplate(source, name: "hostile.jinja").render(variables, options: options).text
      Issue.record("no error but \(text.prefix(100)): \(source.prefix(100))")
    } catch let error as JinjaError {
      return error
    } catch {
      Issue.record("another error: \(error)")
    }
    return nil
  }

  @Test(arguments: [
    ("{{ 'a' * 10 ** 9 }}", "the template makes a text of more than 67108864 bytes"),
    ("{{ 'ab'.center(10 ** 12) }}", "the template makes a text of more than 67108864 bytes"),
    ("{{ '%999999999d' % 1 }}", "the template makes a text of more than 67108864 bytes"),
    ("{{ [0] * 10 ** 9 }}", "the template makes a list of more than 1000000 elements"),
    ("{{ 10 ** 10 ** 10 }}", "a whole number of more than 64 bits"),
    ("{{ 9223372036854775807 + 1 }}", "a whole number of more than 64 bits"),
    ("{{ '99999999999999999999'|int }}", "a whole number of more than 64 bits"),
    ("{{ '%.2000f' % 1 }}", "a precision of more than 1000"),
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "macros call each other more than 100 deep"),
    ("{% for x in [[1]] recursive %}{{ loop([[x]]) }}{% endfor %}", "macros call each other more than 100 deep"),
    (
      "{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}",
      "values are nested more than 200 deep in one another"
    ),
    (
      "{% set n = namespace(x=[1]) %}{% for i in range(999) %}{% set n.x = n.x|map('string') %}{% endfor %}",
      "values are nested more than 200 deep in one another"
    ),
    ("{% set n = namespace() %}{% set n.n = n %}{{ n }}", "values are nested more than 200 deep in one another"),
  ])
  func isRefused(source: String, message: String) {
    let error = Self.error(source)
    #expect(error?.message == message)
    #expect(error?.kind == .limit)
    #expect(error?.exitStatus == .badInput)
  }

  @Test func stepsAreCounted() {
    let source = "\n{% for i in range(99999) %}{% for j in range(99999) %}\n{{ i * j }}{% endfor %}{% endfor %}"
    let error = Self.error(source, options: JinjaOptions(stepLimit: 10_000))
    #expect(error?.description == "hostile.jinja:3: the template takes more than 10000 steps")
    #expect(error?.kind == .limit)
  }

  /// A text that doubles, whether it is printed or not.
  @Test(arguments: ["", "{{ n.x }}"])
  func textIsCounted(end: String) {
    let source = "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}\(end){% endfor %}"
    let error = Self.error(source, options: JinjaOptions(outputLimit: 1000))
    #expect(error?.message == "the template makes a text of more than 1000 bytes")
  }

  /// Work that has no statement of its own is paid for, too.
  @Test(arguments: [
    "{% set x = [1] * 1000 %}{% for i in range(1000) %}{% if x == x + [] %}{% endif %}{% endfor %}",
    "{% set x = 'a' * 10000 %}{% for i in range(1000) %}{% set y = x.split('a') %}{% endfor %}",
    "{% set x = 'a' * 10000 %}{% for i in range(1000) %}{% set y = x|upper %}{% endfor %}",
    "{% set x = 'a' * 100000 %}{% for i in range(1000) %}{% set y = 'b' in x %}{% endfor %}",
    "{% set x = [1] * 1000 %}{% for i in range(1000) %}{% set y = x|tojson %}{% endfor %}",
    "{% set x = [1] * 1000 %}{% for i in range(1000) %}{% set y = x|sort %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|string|length }}",
    "{% for a in range(99999)|map('string') %}{% for b in range(99999)|select %}{% endfor %}{% endfor %}",
    "{% for a in range(9999) %}{{ '%s'|format('a' * 9999)|length }}{% endfor %}",
  ])
  func workIsCounted(source: String) {
    let error = Self.error(source, options: JinjaOptions(stepLimit: 300_000))
    #expect(error?.message == "the template takes more than 300000 steps")
  }

  @Test(arguments: [
    "{{ \(String(repeating: "(", count: 5000))1\(String(repeating: ")", count: 5000)) }}",
    "{{ \(String(repeating: "[", count: 5000))\(String(repeating: "]", count: 5000)) }}",
    "{{ \(String(repeating: "-", count: 5000))1 }}", "{{ \(String(repeating: "not ", count: 5000))1 }}",
    "{{ 1\(String(repeating: " + 1", count: 5000)) }}", "{{ a\(String(repeating: ".a", count: 5000)) }}",
    "{{ a\(String(repeating: "|e", count: 5000)) }}", "{{ a\(String(repeating: "()", count: 5000)) }}",
    "{{ a\(String(repeating: " or a", count: 5000)) }}", "{{ 1\(String(repeating: " if 1 else 1", count: 5000)) }}",
    String(repeating: "{% if a %}", count: 5000) + String(repeating: "{% endif %}", count: 5000),
    "{% set \(String(repeating: "(", count: 5000))a\(String(repeating: ")", count: 5000)) = 1 %}",
  ])
  func nestingIsLimited(source: String) {
    let error = Self.error(source)
    #expect(error?.message == "expressions or tags are nested too deep in one another")
    #expect(error?.kind == .limit)
  }

  /// What comes from outside may be nested as deep as the JSON reader allows.
  @Test func deepInputIsWritten() throws {
    var value: JinjaValue = 1
    for _ in 0..<127 { value = [value] }
    let template = try JinjaTemplate("{{ x|tojson|length }} {{ x|string|length }} {{ x == x }}", name: "t")
    #expect(try template.render([("x", value)]).text == "255 255 True")
  }
}
