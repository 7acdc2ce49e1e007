/// A regular expression over the paths of modules, in the syntax that PEFT hands to Python's `re`.
struct ModulePattern {
  /// Why a text is no such expression.
  struct Refused: Error {
    let pattern: String
    let reason: String
  }

  /// The expression.
  let text: String
  private let regex: Regex<AnyRegexOutput>

  init(_ text: String) throws(Refused) {
    self.text = text
    do {
      regex = try Regex(text)
    } catch {
      throw Refused(pattern: text, reason: "\(error)")
    }
  }

  /// The expression that PEFT makes of a key of `rank_pattern` or `alpha_pattern`: it may name the end of a path.
  init(key: String) throws(Refused) {
    // By itself first, so that a refusal speaks of what the person wrote.
    _ = try ModulePattern(key)
    try self.init(#"(.*\.)?("# + key + ")")
  }

  /// Whether it matches all of `path`, as `re.fullmatch` does.
  func matches(_ path: String) -> Bool { (try? regex.wholeMatch(in: path)) != nil }

  /// The whole number in the group `idx` of a match at the start of `path`, as `re.match` finds it.
  func index(in path: String) -> Int? {
    (try? regex.prefixMatch(in: path))?["idx"]?.substring.flatMap { Int($0) }
  }
}
