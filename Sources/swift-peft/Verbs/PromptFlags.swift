import ArgumentParser
import Cluster
import StrictJSON
import Tasks
import Training

/// What is to be continued.
enum Prompt {
  case text(String)
  case conversation(Conversation)

  /// The ids that are continued.
  func ids(_ run: GenerationRun, _ options: GenerationOptions) throws -> [Int32] {
    switch self {
    case .text(let text): return try run.ids(of: text, options)
    case .conversation(let conversation):
      let ids = try run.ids(of: conversation)
      try run.requireRoom(ids, options)
      return ids
    }
  }

  /// The prompt in a JSON result: its key and its value.
  var json: (key: String, value: JSONValue) {
    switch self {
    case .text(let text): ("prompt", .string(text))
    case .conversation(let conversation): ("messages", conversation.json)
    }
  }
}

/// The prompts of `generate`.
struct PromptFlags: ParsableArguments {
  @Option(name: .customLong("prompt"), help: ArgumentHelp("Continue this text; repeatable.", valueName: "text"))
  var prompts: [String] = []

  @Option(
    help: ArgumentHelp(
      "Continue the texts of this file: one a line, or a column of CSV, TSV, JSONL or JSON; - is stdin.",
      valueName: "file"))
  var file: String?

  @Option(
    help: ArgumentHelp(
      "Answer the conversations of this file: a JSON list of turns, or records as task instruct reads them; - is stdin.",
      valueName: "file"))
  var messages: String?

  @Option(help: ArgumentHelp("The system's words, before each prompt or conversation.", valueName: "text"))
  var system: String?

  @Option(
    help: ArgumentHelp(
      "How the file or stdin is written: text, csv, tsv, jsonl or json (default: by its ending).", valueName: "name"))
  var format: FileFormat?

  @Option(help: ArgumentHelp("The column or key of the texts (default: the run's, or text).", valueName: "name"))
  var column: String?

  func validate() throws {
    if !prompts.isEmpty, file != nil || format != nil || column != nil {
      throw ValidationError("--prompt cannot be combined with --file, --format and --column")
    }
    if messages != nil, !prompts.isEmpty || file != nil || column != nil {
      throw ValidationError("--messages cannot be combined with --prompt, --file and --column")
    }
  }

  /// Whether the prompts have turns, for which there must be a template.
  var haveTurns: Bool { messages != nil || system != nil }

  /// The prompts; stdin, which only rank 0 has, if no other is named.
  func read(_ run: GenerationRun, _ cluster: Cluster) throws -> [Prompt] {
    if let messages {
      let input = try input(messages, cluster)
      return try cluster.together {
        try input.conversations(format: format).map { conversation in
          .conversation(try system.map { try conversation.instructed($0, file: input.name) } ?? conversation)
        }
      }
    }
    let style = TableStyle(format: format), column = self.column.map(Column.name) ?? run.textColumn
    let texts =
      try prompts.isEmpty
      ? { input in try cluster.together { try input.texts(style: style, column: column) } }(input(file ?? "-", cluster))
      : prompts
    return texts.map { text in
      system.map { .conversation(Conversation([Message(.system, $0), Message(.user, text)])) } ?? .text(text)
    }
  }

  private func input(_ path: String, _ cluster: Cluster) throws -> PredictionInput {
    if path != "-" { return try cluster.together { try PredictionInput(path: path) } }
    let bytes = cluster.broadcast(try cluster.together { cluster.leads ? try Console.readAll() : [] })
    return PredictionInput(bytes: bytes, name: "stdin")
  }
}
