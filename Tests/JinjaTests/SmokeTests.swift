import Jinja
import Testing

struct SmokeTests {
  @Test func renders() throws {
    let template = try JinjaTemplate("{% for x in xs %}{{ loop.index }}{{ x }} {% endfor %}", name: "t")
    #expect(try template.render([("xs", ["a", "b"])]).text == "1a 2b ")
  }
}
