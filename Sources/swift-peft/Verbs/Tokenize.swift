import ArgumentParser
import Kernels
import StrictJSON
import Tasks
import Tokenizers
import Training

/// `swift-peft tokenize MODEL_DIR`.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Token ids of the lines of stdin.",
    discussion: """
      EXAMPLE: echo 'a great film' | swift-peft tokenize --tokens \\
        models/all-MiniLM-L6-v2

      One text a line (a pair: two fields, one TAB) becomes one JSON array a line, special tokens included. Only LF, \
      or CR and LF, ends a line; everything else is part of the text.
      """)

  @Argument(help: ArgumentHelp("A model's directory.", valueName: "model-dir"))
  var model: String

  @Flag(help: "Print the tokens instead of their ids.")
  var tokens = false

  @Option(help: ArgumentHelp("Cut longer texts to so many tokens.", valueName: "n"))
  var maxLength: Int?

  func validate() throws {
    if let maxLength, maxLength < 1 { throw ValidationError("--max-length must be at least 1, not \(maxLength)") }
  }

  func run() throws {
    let tokenizer = try Tokenizer(modelDirectory: model)
    let pool = WorkerPool(threads: ProcessorCount.available)
    var lines = LineStream()
    while let piece = try Console.read(atMost: 1 << 20) {
      try answer(lines.add(piece), tokenizer, pool)
    }
    try answer(lines.finish(), tokenizer, pool)
  }

  /// Writes the answers to `batch`, up to the first line that has none.
  private func answer(_ batch: LineStream.Batch, _ tokenizer: Tokenizer, _ pool: WorkerPool) throws {
    let chunk = 512, lines = batch.lines, tokens = tokens, maxLength = maxLength
    let answers = pool.map((lines.count + chunk - 1) / chunk) { number, _ in
      let range = (number * chunk)..<min((number + 1) * chunk, lines.count)
      return LineEncoder(tokenizer: tokenizer, tokens: tokens, maxLength: maxLength)
        .answer(lines[range], from: batch.firstNumber + range.lowerBound)
    }
    for answer in answers {
      try Console.write(answer.text)
      if let error = answer.error { throw error }
    }
  }
}

/// Answers lines with JSON.
private struct LineEncoder {
  let tokenizer: Tokenizer
  let tokens: Bool
  let maxLength: Int?

  /// Answers to the lines before the first wrong one.
  func answer(_ lines: ArraySlice<ArraySlice<UInt8>>, from first: Int) -> (text: [UInt8], error: TaskError?) {
    var text: [UInt8] = []
    for (offset, line) in lines.enumerated() {
      guard String(validating: line, as: UTF8.self) != nil else {
        return (text, .invalidUTF8(file: "stdin", line: first + offset))
      }
      let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
      guard fields.count <= 2 else {
        return (text, .notAPair(file: "stdin", line: first + offset, fields: fields.count))
      }
      let encoding = tokenizer.encode(
        fields.first ?? "", pair: fields.count == 2 ? fields[1] : nil, maxLength: maxLength)
      let elements =
        tokens ? tokenizer.tokens(of: encoding).map(JSONWriter.quoted) : encoding.ids.map(String.init)
      text.append(contentsOf: "[\(elements.joined(separator: ","))]\n".utf8)
    }
    return (text, nil)
  }
}
