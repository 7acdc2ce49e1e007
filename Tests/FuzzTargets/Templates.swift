import Jinja
import StrictJSON

extension FuzzTarget {
  /// A chat template, and after a mark the variables that it gets as JSON, instead of a conversation that is always the
  /// same.
  static let jinja = FuzzTarget(name: "jinja") { input, _ in
    let parts = parts(input)
    let template = try JinjaTemplate(String(decoding: parts[0], as: UTF8.self), name: "fuzzed.jinja")
    var variables = standardVariables
    if let json = parts[optional: 1] {
      let object = try JSONField(parsing: json, file: "variables.json").object()
      variables = object.keys.compactMap { key in object[key].map { (key, JinjaValue($0.value)) } }
    }
    let options = JinjaOptions(stepLimit: 200_000, outputLimit: 1 << 20)
    let rendering = try template.render(variables, options: options)
    let length = rendering.text.utf8.count
    guard length <= options.outputLimit else { throw FuzzFinding(problem: "a text of \(length) bytes") }
    guard template.hasGeneration || rendering.generated.isEmpty else {
      throw FuzzFinding(problem: "a mark without a generation block")
    }
    for range in rendering.generated where range.upperBound > length {
      throw FuzzFinding(problem: "a mark up to \(range.upperBound) of \(length)")
    }
    guard try template.render(variables, options: options) == rendering else {
      throw FuzzFinding(problem: "another text in the second run")
    }
  }

  private static let standardVariables: [(String, JinjaValue)] = [
    (
      "messages",
      [
        ["role": "system", "content": "Be kind."], ["role": "user", "content": " Hello, wörld 😀\r\n"],
        [
          "role": "assistant", "content": "<think>hm</think>Hi",
          "tool_calls": [["function": ["name": "f", "arguments": ["x": 1.5]]]],
        ],
        ["role": "tool", "content": [["type": "text", "text": "e\u{301}"]]],
      ]
    ),
    (
      "tools",
      [["type": "function", "function": ["name": "f", "parameters": ["properties": ["x": ["type": "number"]]]]]]
    ),
    ("add_generation_prompt", true), ("bos_token", "<s>"), ("n", 3), ("xs", [3, 1, 2]), ("s", "abc"),
  ]
}
