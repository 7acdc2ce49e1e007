import Diagnostics
import Jinja
import Testing

/// Templates that would run or grow without end: each is an error that names template and line.
struct LimitTests {
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
    let error = failure(of: source)
    #expect(error?.message == message)
    #expect(error?.kind == .limit)
    #expect(error?.exitStatus == .badInput)
  }

  @Test func stepsAreCounted() {
    let source = "\n{% for i in range(99999) %}{% for j in range(99999) %}\n{{ i * j }}{% endfor %}{% endfor %}"
    let error = failure(of: source, options: JinjaOptions(stepLimit: 10_000))
    #expect(error?.description == "t.jinja:3: the template takes more than 10000 steps")
    #expect(error?.kind == .limit)
  }

  /// A text that doubles, whether it is printed or not.
  @Test(arguments: ["", "{{ n.x }}"])
  func textIsCounted(end: String) {
    let source = "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}\(end){% endfor %}"
    let error = failure(of: source, options: JinjaOptions(outputLimit: 1000))
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
    let error = failure(of: source, options: JinjaOptions(stepLimit: 300_000))
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
    let error = failure(of: source)
    #expect(error?.message == "expressions or tags are nested too deep in one another")
    #expect(error?.kind == .limit)
  }

  /// Numbers at the ends of 64 bits.
  @Test func theLargestNumbersAreSafe() {
    let most = "9223372036854775807", least = "(-9223372036854775807 - 1)"
    let values = [most, least, "0", "1", "-1", "3"]
    var templates = ["{{ range(0, \(most), \(most) - 1)[:2] }}", "{{ \(least) in range(1, 3, 2) }}"]
    for a in values {
      for form in [
        "-A", "A|abs", "A|round(-1)", "A|round(-18)", "A|round(A)", "A|int", "A|float", "A|tojson", "A|filesizeformat",
        "'a'.zfill(A)", "'a'.center(A)", "'a\\n\\t'.expandtabs(A)", "'a'|center(A)", "'a'|truncate(A)", "'a'|indent(A)",
        "'%*d' % (A, 1)", "'%.*f' % (A, 1)", "'a' * A", "[1] * A", "'abc'[A:]", "'abc'[:A]", "'abc'[::A]", "'abc'[A]",
        "[1, 2][A:A:A]", "[1, 2][::A]", "range(A)", "range(9)[A:]", "range(9)[::A]", "range(0, 9, A)", "range(A, 0, A)",
        "'abc'.find('b', A)", "'abc'.count('b', A, A)", "[1].index(1, A)", "'a b'.split(' ', A)", "[1]|batch(A)|list",
        "[1]|slice(A)|list", "[1]|tojson(indent=A)", "'aa'.replace('a', 'b', A)", "'{:d}'.format(A)",
        "'{:,}'.format(A)", "A in range(A, 3, 2)", "1.5|round(A)", "A is even", "'5'|int(0, A)",
      ] { templates.append("{{ " + form.replacing("A", with: a) + " }}") }
      for b in values {
        for operation in ["+", "-", "*", "/", "//", "%", "**", "<", "=="] {
          templates.append("{{ \(a) \(operation) \(b) }}")
        }
        templates.append("{{ \(a) in range(\(b), 9) }}{{ range(\(a), \(b), 9223372036854775807)|list }}")
      }
    }
    for source in templates {
      do {
        _ = try JinjaTemplate(source, name: "t").render([])
      } catch {
        #expect(error is JinjaError, "\(source)")
      }
    }
  }

  /// What comes from outside may be nested as deep as the JSON reader allows.
  @Test func deepInputIsWritten() throws {
    var value: JinjaValue = 1
    for _ in 0..<127 { value = [value] }
    let template = try JinjaTemplate("{{ x|tojson|length }} {{ x|string|length }} {{ x == x }}", name: "t")
    #expect(try template.render([("x", value)]).text == "255 255 True")
  }
}
