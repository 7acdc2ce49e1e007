import ArgumentParser
import Checkpoints
import Diagnostics
import Hub
import Kernels
import StrictJSON
import Training

/// `swift-peft quantize MODEL --type TYPE --output FILE`.
struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model as a GGUF file for llama.cpp, quantised.",
    discussion: """
      EXAMPLE: swift-peft quantize models/SmolLM2-135M --type q8_0 --output q8.gguf

      Reads a decoder's directory and writes one file with weights, tokenizer and chat template. Vectors stay float32; the \
      matrix that gives the logits is q6_k or q8_0 if the type is coarser; rows that are no multiple of a k-type's 256 \
      numbers get q5_0, q5_1 or q8_0. Prints what quantising did to the tensors, the worst first: ‖W' − W‖ / ‖W‖.

      Train on the file with "model": FILE, and give the adapter to llama.cpp with export --format gguf.

      The output is never left incomplete.
      """)

  @Argument(help: ArgumentHelp("A model's directory or its Hub name.", valueName: "model"))
  var model: String

  @OptionGroup var type: GGUFTypeOption

  @Option(help: ArgumentHelp("Write this file.", valueName: "file"), completion: .file(extensions: ["gguf"]))
  var output: String

  @Flag(help: "Replace an existing file.")
  var overwrite = false

  @OptionGroup var report: ReportOptions

  func run() throws {
    try ModelDownload(isQuiet: report.quiet).fetch(model)
    let export = try GGUFExport(directory: try Hub().directory(of: model), type: type.type)
    let written = try export.write(to: output, overwrite: overwrite, report)
    try Console.print(
      report.json
        ? JSONWriter.text(["output": .string(output), "tensors": GGUFReport.json(written)], pretty: false)
        : GGUFReport.text(written, output))
  }
}

/// The type of a GGUF file's matrices.
struct GGUFTypeOption: ParsableArguments {
  @Option(
    name: .customLong("type"),
    help: ArgumentHelp(
      "Type of the matrices: \(ElementType.writable.map { $0.flag }.joined(separator: ", ")).", valueName: "type"),
    transform: { name in
      guard let type = ElementType.writable.first(where: { $0.flag == name.lowercased() }) else {
        throw ValidationError("must be one of \(ElementType.writable.map(\.flag).joined(separator: ", ")), not \(name)")
      }
      return type
    })
  var type: ElementType
}

extension ElementType {
  /// The name on the command line.
  var flag: String { rawValue.lowercased() }
}

extension GGUFExport {
  /// Writes the file, showing how far it is.
  func write(to path: String, overwrite: Bool, _ report: ReportOptions) throws -> [Written] {
    var progress = Progress(isQuiet: report.quiet), done = 0
    StopSignals.deferStops()
    let written = try write(to: path, overwrite: overwrite) {
      if let number = StopSignals.pending { throw ExitCode(128 + number) }
      done += 1
      progress.count(done, of: tensorCount, "tensor")
    }
    progress.clear()
    return written
  }
}

/// What quantising did, in words and in JSON.
enum GGUFReport {
  static func json(_ written: [GGUFExport.Written]) -> JSONValue {
    .list(
      written.map {
        [
          "name": .string($0.name), "type": .string($0.type.rawValue), "numbers": .integer($0.count),
          "relative_error": .number($0.error), "largest_error": .number($0.largest),
        ]
      })
  }

  static func text(_ written: [GGUFExport.Written], _ output: String) -> String {
    var counts: [(type: ElementType, count: Int)] = []
    for type in ElementType.allCases {
      let count = written.count { $0.type == type }
      if count > 0 { counts.append((type, count)) }
    }
    let types = counts.map { "\($0.count) \($0.type.rawValue)" }.joined(separator: ", ")
    let worst = written.filter { $0.error > 0 }.sorted { ($0.error, $1.name) > ($1.error, $0.name) }
    return listing(
      [("wrote", "\(output), \(grouped(written.count)) tensors: \(types)")]
        + worst.prefix(10).map { tensor in
          (
            "error",
            "\(significant(tensor.error, 3)) of \(tensor.name) (\(tensor.type.rawValue)), at most "
              + significant(tensor.largest, 3)
          )
        })
  }
}
