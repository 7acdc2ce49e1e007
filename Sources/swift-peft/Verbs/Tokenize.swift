import ArgumentParser
import Diagnostics
import Hub
import Kernels
import Models
import StrictJSON
import Tasks
import Tokenizers
import Training

/// `swift-peft tokenize MODEL_DIR`.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Convert lines of stdin to token ids, or back.",
    discussion: """
      EXAMPLE: echo 'a great film' | swift-peft tokenize --tokens \\
        models/all-MiniLM-L6-v2

      Reads one text per line, or a pair separated by a TAB, and prints one JSON array of ids per line, special tokens \
      included. Lines end with LF or CR LF; all other characters belong to the text, except a byte order mark at the \
      start. With --json-input, each line is a \
      JSON string, or an array of two for a pair, so that texts may contain line ends and TABs.

      With --decode, reads one JSON array of ids per line and prints one JSON string per line.
      """)

  @Argument(help: ArgumentHelp("A model directory or Hub name.", valueName: "model-dir"))
  var model: String

  @Flag(help: "Print tokens instead of ids.")
  var tokens = false

  @Option(help: ArgumentHelp("Truncate texts to n tokens.", valueName: "n"))
  var maxLength: Int?

  @Flag(help: "Read a JSON string, or an array of two strings, per line.")
  var jsonInput = false

  @Flag(help: "Read a JSON array of ids per line and print the text as a JSON string.")
  var decode = false

  @Flag(help: "With --decode: keep special tokens in the text.")
  var keepSpecialTokens = false

  func validate() throws {
    if decode, tokens || jsonInput || maxLength != nil {
      throw ValidationError("--decode cannot be combined with --tokens, --json-input or --max-length")
    }
    if keepSpecialTokens, !decode { throw ValidationError("--keep-special-tokens needs --decode") }
    try check("--max-length", maxLength, atLeast: 1)
  }

  func run() throws {
    try ModelDownload(isQuiet: true).fetch(model, .tokenizer)
    let directory = try Hub().directory(of: model, files: .tokenizer)
    // A directory of tokenizer files alone has no config.json.
    let family = (try? ModelConfig(directory: directory))?.architecture
    let tokenizer = try Tokenizer(modelDirectory: directory, family: family)
    for note in tokenizer.notes { Progress(isQuiet: false).notice(note) }
    let pool = WorkerPool(threads: ProcessorCount.available)
    var lines = LineStream()
    while let piece = try Console.read(atMost: 1 << 20) {
      try answer(lines.add(piece), tokenizer, pool)
    }
    try answer(lines.finish(), tokenizer, pool)
    for note in tokenizer.textNotes { Progress(isQuiet: false).notice(note) }
  }

  /// Writes the answers to `batch`, up to the first wrong line.
  private func answer(_ batch: LineStream.Batch, _ tokenizer: Tokenizer, _ pool: WorkerPool) throws {
    let chunk = 512, lines = batch.lines
    let encoder = LineEncoder(
      tokenizer: tokenizer, tokens: tokens, maxLength: maxLength, readsJSON: jsonInput, decodes: decode,
      keepsSpecialTokens: keepSpecialTokens)
    let answers = pool.map((lines.count + chunk - 1) / chunk) { number, _ in
      let range = (number * chunk)..<min((number + 1) * chunk, lines.count)
      return encoder.answer(lines[range], from: batch.firstNumber + range.lowerBound)
    }
    for answer in answers {
      try Console.write(answer.text)
      if let error = answer.error { throw error }
    }
  }
}

/// A line of stdin that is not the expected JSON.
private struct WrongLine: UserFacingError {
  let line: Int
  let problem: String

  var description: String { "stdin:\(line): \(problem)" }
  var exitStatus: Diagnostics.ExitStatus { .badInput }
}

/// Answers lines with JSON.
private struct LineEncoder {
  let tokenizer: Tokenizer
  let tokens: Bool
  let maxLength: Int?
  let readsJSON: Bool
  let decodes: Bool
  let keepsSpecialTokens: Bool

  /// Answers to the lines before the first wrong one.
  func answer(_ lines: ArraySlice<ArraySlice<UInt8>>, from first: Int) -> (text: [UInt8], error: (any Error)?) {
    var text: [UInt8] = []
    for (offset, line) in lines.enumerated() {
      do {
        let answer = try decodes ? decoded(line, first + offset) : encoded(line, first + offset)
        text.append(contentsOf: answer.utf8)
        text.append(UInt8(ascii: "\n"))
      } catch {
        return (text, error)
      }
    }
    return (text, nil)
  }

  private func encoded(_ line: ArraySlice<UInt8>, _ number: Int) throws -> String {
    let fields = try readsJSON ? jsonFields(line, number) : plainFields(line, number)
    let encoding = tokenizer.encode(
      fields.first ?? "", pair: fields.count == 2 ? fields[1] : nil, maxLength: maxLength)
    let elements = tokens ? tokenizer.tokens(of: encoding).map(JSONWriter.quoted) : encoding.ids.map(String.init)
    return "[\(elements.joined(separator: ","))]"
  }

  private func plainFields(_ line: ArraySlice<UInt8>, _ number: Int) throws -> [String] {
    guard String(validating: line, as: UTF8.self) != nil else {
      throw TaskError.invalidUTF8(file: "stdin", line: number)
    }
    let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
    guard fields.count <= 2 else { throw TaskError.notAPair(file: "stdin", line: number, fields: fields.count) }
    return fields.map { String(decoding: $0, as: UTF8.self) }
  }

  private func jsonFields(_ line: ArraySlice<UInt8>, _ number: Int) throws -> [String] {
    let node = try json(line, number)
    let fields = node.string.map { [$0] } ?? node.array?.compactMap(\.string) ?? []
    guard (1...2).contains(fields.count), node.array?.count ?? 1 == fields.count else {
      throw WrongLine(line: number, problem: "expected a JSON string, or an array of one or two")
    }
    return fields
  }

  private func decoded(_ line: ArraySlice<UInt8>, _ number: Int) throws -> String {
    let node = try json(line, number)
    let ids = node.array?.compactMap { $0.integer.flatMap { Int32(exactly: $0) } } ?? []
    guard let count = node.array?.count, count == ids.count else {
      throw WrongLine(line: number, problem: "expected a JSON array of token ids")
    }
    if let id = ids.first(where: { tokenizer.token($0) == nil }) {
      throw WrongLine(line: number, problem: "no token has the id \(id)")
    }
    return JSONWriter.quoted(tokenizer.decode(ids, skipsSpecialTokens: !keepsSpecialTokens))
  }

  private func json(_ line: ArraySlice<UInt8>, _ number: Int) throws -> JSONNode {
    do {
      return try JSONParser.parse(Array(line), file: "stdin")
    } catch let error as JSONSyntaxError {
      throw WrongLine(line: number, problem: "not JSON: \(error.problem)")
    }
  }
}
