import Foundation
import Testing

/// Every example of every `--help` runs as it is printed.
@Suite struct ExampleTests {
  /// What the examples find: the quick start's names, with a tiny model, little data and few steps.
  private static func sandbox() throws -> Sandbox {
    let sandbox = try Sandbox.trainable()
    let files = FileManager.default
    try files.createDirectory(atPath: sandbox.place("models"), withIntermediateDirectories: true)
    try files.createDirectory(atPath: sandbox.place("configs"), withIntermediateDirectories: true)
    try files.moveItem(atPath: sandbox.place("model"), toPath: sandbox.place("models/all-MiniLM-L6-v2"))
    try files.moveItem(atPath: sandbox.place("data"), toPath: sandbox.place("configs/quickstart-data"))
    let decoder = Sandbox.golden("decoders/llama-grouped")
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
      try sandbox.write("models/SmolLM2-135M/\(file)", Data(contentsOf: URL(fileURLWithPath: "\(decoder)/\(file)")))
    }
    try sandbox.write(
      "models/SmolLM2-135M/chat_template.jinja", "{% for m in messages %}{{ m.content }}\n{% endfor %}")
    try sandbox.write("questions.txt", "what\n/exit\n")
    try sandbox.write("beginnings.txt", "once\nupon\n")
    try sandbox.write("texts.txt", "a pub\n")
    try sandbox.write("devset.csv", "mr,ref\nname[A],A is a pub.\n")
    try sandbox.write("train.tsv", Data(sandbox.read("configs/quickstart-data/train.tsv")))
    for name in ["quickstart.json", "quickstart-sweep.json"] {
      let text = try String(contentsOfFile: "\(Repository.path)/configs/\(name)", encoding: .utf8)
      let short = text.replacing(/"aslora": \{.*?\}/, with: "\"use_rslora\": false")
        .replacing("\"num_train_epochs\": 3", with: "\"max_steps\": 4").replacing("\"r\": 8", with: "\"r\": 4")
        .replacing("\"max_seq_length\": 64", with: "\"max_seq_length\": 32")
      try sandbox.write("configs/\(name)", short)
    }
    return sandbox
  }

  /// The verbs that `help` lists, `runs list` as two words.
  private static func verbs(_ help: String) -> [String] {
    guard let list = help.firstRange(of: "SUBCOMMANDS:\n") else { return [] }
    return help[list.upperBound...].split(separator: "\n", omittingEmptySubsequences: false)
      .prefix { !$0.isEmpty }.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
      .map { String($0.split(separator: " ")[0]) }
  }

  /// The commands behind `EXAMPLE: `, with the lines that a `\` continues.
  static func examples(_ help: String) -> [String] {
    var found: [String] = []
    var lines = help.split(separator: "\n", omittingEmptySubsequences: false)[...]
    while let line = lines.popFirst() {
      guard line.hasPrefix("EXAMPLE: ") else { continue }
      var command = String(line.dropFirst("EXAMPLE: ".count))
      while command.hasSuffix("\\"), let next = lines.popFirst() { command += "\n" + next }
      // A line that was broken without a `\` would not run as printed.
      if let next = lines.first { #expect(next.isEmpty || next.hasPrefix("EXAMPLE: "), "broken: \(command) / \(next)") }
      found.append(command)
    }
    return found
  }

  /// What fetches from elsewhere has no place in a test without a network; HubModelTests runs its example offline.
  private static let needNetwork: Set<String> = ["download"]

  /// Every page of help there is: a verb that is missing from a list would otherwise be missing here without a word.
  private static let pages: Set<String> = [
    "swift-peft", "train", "eval", "predict", "generate", "chat", "compare-params", "tokenize", "merge", "export",
    "quantize",
    "download",
    "sweep", "runs", "runs list", "runs show", "runs compare", "runs report", "runs export", "runs import",
    "runs delete", "init", "data", "schema", "score", "doctor",
  ]

  @Test func everyExampleRunsAsPrinted() throws {
    let sandbox = try Self.sandbox()
    let root = try sandbox.run("--help").out
    var pages = [("swift-peft", root)]
    for verb in Self.verbs(root) where verb != "help" {
      let help = try sandbox.run(verb, "--help").out
      pages.append((verb, help))
      for inner in Self.verbs(help) { pages.append(("\(verb) \(inner)", try sandbox.run(verb, inner, "--help").out)) }
    }
    #expect(Set(pages.map(\.0)) == Self.pages)
    for (verb, help) in pages where !Self.needNetwork.contains(verb) {
      let examples = Self.examples(help)
      #expect(!examples.isEmpty, "\(verb) has no example")
      for example in examples {
        let outcome = try sandbox.shell("PATH=\"$(dirname \"$TOOL\"):$PATH\"\n" + example)
        #expect(outcome.status == 0, "\(verb): \(example)\n\(outcome.err)")
      }
    }
  }

  /// Completions come from the parser; every verb and every flag is in them.
  @Test(arguments: ["bash", "zsh", "fish"]) func completionsNameVerbsAndFlags(shell: String) throws {
    let outcome = try Sandbox().run("--generate-completion-script", shell)
    #expect(outcome.status == 0)
    for word in ["sweep", "compare-params", "--output-dir", "report"] where shell != "fish" || !word.hasPrefix("--") {
      #expect(outcome.out.contains(word), "\(word)")
    }
  }

  @Test func bashTakesItsCompletions() throws {
    guard try Sandbox().shell("command -v bash").status == 0 else { return }
    let outcome = try Sandbox().shell("\"$TOOL\" --generate-completion-script bash | bash -n")
    #expect(outcome.status == 0, "\(outcome.err)")
  }
}
