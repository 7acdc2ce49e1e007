import Diagnostics
import Testing

@Suite struct TextTests {
  private let rows = [["run", "seeds", "note"], ["lora", "12", "a"], ["é", "3", ""]]

  @Test func columnsAreAligned() {
    #expect(TextTable(rows).plain == "run   seeds  note\nlora  12     a\né     3      \n")
    #expect(TextTable(rows, .left, .right).plain == "run   seeds  note\nlora     12     a\né         3      \n")
    #expect(TextTable(rows, right: [1]).plain == "run   seeds  note\nlora     12  a\né         3  \n")
    #expect(TextTable([]).plain.isEmpty)
    #expect(TextTable([["a"], ["b", "c"]]).plain == "a\nb  c\n")
  }

  @Test func markdown() {
    #expect(
      TextTable(rows, .left, .right).markdown
        == "| run | seeds | note |\n| --- | ---: | ---: |\n| lora | 12 | a |\n| é | 3 |  |\n")
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (.min, "-9,223,372,036,854,775,808"),
  ])
  func thousands(number: Int, text: String) { #expect(number.grouped == text) }

  @Test(arguments: [
    ("*", "", true), ("*", "a/b", true), ("a*c", "a/.c", true), ("lora-?", "lora-1", true),
    ("lora-?", "lora-12", false),
    ("caf?", "café", true), ("[ab]-1", "b-1", true), ("[ab]-1", "c-1", false), ("", "", true), ("", "a", false),
    ("a", "ab", false), ("*-1", "x-1-1", true), ("日?語", "日本語", true),
  ]) func globs(pattern: String, text: String, matches: Bool) { #expect(Glob(pattern).matches(text) == matches) }
}
