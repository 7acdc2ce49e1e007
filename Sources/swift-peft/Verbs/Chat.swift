import ArgumentParser
import Cluster
import Diagnostics
import Foundation
import Kernels
import StrictJSON
import Tasks
import Training

/// `swift-peft chat RUN_OR_MODEL`.
struct Chat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talk with a language model.",
    discussion: """
      EXAMPLE: swift-peft chat models/SmolLM2-135M
      EXAMPLE: swift-peft chat models/SmolLM2-135M --greedy < questions.txt

      Puts all turns into the run's template, or the model's own chat template, and prints each answer as it is written. \
      On a terminal, SIGINT (Ctrl-C) ends the answer, and at the prompt the program; Ctrl-D and /exit leave. Elsewhere \
      each line of stdin is a turn. /reset forgets all turns, /system TEXT changes the system's words, /help lists the \
      commands. Where not all turns fit, the oldest leave, with a note.
      """)

  @OptionGroup var source: GenerationSource

  @Option(
    help: ArgumentHelp(
      "Chat template: \(TaskOptions.templates) (default: the run's, or model).",
      valueName: "name"))
  var template: String?

  @Option(help: ArgumentHelp("The system's words, before all turns.", valueName: "text"))
  var system: String?

  @OptionGroup var flags: GenerationFlags
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func run() throws {
    _ = BLASLibrary.prepare()
    let progress = Progress(isQuiet: report.quiet)
    let run = try source.load(template: template, knowingTurns: true, threads, .alone, progress)
    run.notices.forEach(progress.notice)
    let (options, notices) = try run.options(request(run, progress))
    notices.forEach(progress.notice)
    var talk = Talk(
      chat: try ChatSession(run, options, system: system),
      isTerminal: isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1,
      isJSON: report.json, progress: progress)
    try talk.run()
  }

  private func request(_ run: GenerationRun, _ progress: Progress) -> GenerationRequest {
    var request = flags.request
    request.beams = 1
    if let beams = run.defaults.beams, beams > 1 {
      progress.notice("\(run.defaults.file): num_beams \(beams) does not count in a chat, which writes token by token")
    }
    // An answer ends by itself; a limit is for one that does not.
    if request.maxNewTokens == nil, run.defaults.maxNewTokens == nil, run.defaults.maxLength == nil {
      request.maxNewTokens = 1024
    }
    return request
  }
}

/// Reads turns and commands, and prints answers.
private struct Talk {
  var chat: ChatSession
  let isTerminal: Bool
  let isJSON: Bool
  let progress: Progress
  private var input = LineStream()
  private var waiting: [ArraySlice<UInt8>] = []
  private var count = 0

  init(chat: ChatSession, isTerminal: Bool, isJSON: Bool, progress: Progress) {
    (self.chat, self.isTerminal, self.isJSON, self.progress) = (chat, isTerminal, isJSON, progress)
  }

  mutating func run() throws {
    if isTerminal { progress.line("/help lists the commands; Ctrl-D leaves") }
    while let line = try nextLine() {
      do {
        if try !respond(to: line) { return }
      } catch let error as any UserFacingError where isTerminal && !(error is StreamFailure) {
        Console.note("error: \(error)")
      }
    }
    if isTerminal { Console.draw("\n") }
  }

  /// The next line of stdin, or nil at its end.
  private mutating func nextLine() throws -> String? {
    if isTerminal { Console.draw("> ") }
    while waiting.isEmpty {
      guard let bytes = try Console.read() else {
        waiting = input.finish().lines
        if waiting.isEmpty { return nil }
        break
      }
      waiting = input.add(bytes).lines
    }
    count += 1
    guard let line = String(validating: waiting.removeFirst(), as: UTF8.self) else {
      throw TaskError.invalidUTF8(file: "stdin", line: count)
    }
    return line
  }

  /// Does what a line says. Returns false for the command to leave.
  private mutating func respond(to line: String) throws -> Bool {
    guard line.hasPrefix("/") else {
      if line.contains(where: { !$0.isWhitespace }) { try answer(line) }
      return true
    }
    let words = line.split(separator: " ", maxSplits: 1), text = words.count > 1 ? String(words[1]) : ""
    switch words.first ?? "" {
    case "/exit", "/quit": return false
    case "/reset":
      chat.reset()
      progress.notice("all turns are forgotten")
    case "/system":
      try chat.instruct(text.isEmpty ? nil : text)
      progress.notice(
        text.isEmpty ? "the system says nothing" : "the system's words are changed; /reset forgets the turns")
    case "/help":
      Console.note(
        "/reset forgets all turns, /system TEXT changes the system's words (alone: removes them), /exit leaves. Ctrl-C ends an "
          + "answer.")
    default: throw UnknownCommand(line: count, command: String(words.first ?? ""))
    }
    return true
  }

  private mutating func answer(_ text: String) throws {
    var failure: (any Error)?
    let isStreamed = !isJSON
    StopSignals.beginAnswer()
    defer { _ = StopSignals.endAnswer() }
    let answer = try chat.say(text) { piece in
      do { if isStreamed { try Console.write(Array(piece.utf8)) } } catch { failure = error }
      return failure == nil && StopSignals.isAnswerWanted
    }
    if let failure { throw failure }
    if isJSON {
      try Console.print(
        JSONWriter.text(["text": .string(answer.text), "end": .string(answer.end.rawValue)], pretty: false))
    } else {
      try Console.write([UInt8(ascii: "\n")])
    }
    if answer.forgotten > 0 {
      progress.notice("the window is full: the \(counted(answer.forgotten, "oldest turn")) left the conversation")
    }
    switch answer.end {
    case .length:
      progress.notice("the answer was cut at its limit of tokens (--max-new-tokens), or where the window ends")
    case .stopped: progress.notice("stopped")
    case .endOfText, .stopString: break
    }
  }

  private func counted(_ count: Int, _ name: String) -> String { count == 1 ? name : "\(count) \(name)s" }
}

/// A line that begins as a command and is none.
private struct UnknownCommand: UserFacingError {
  let line: Int
  let command: String
  var description: String {
    "stdin:\(line): no command \(command.clipped); the commands are /reset, /system TEXT, /help and /exit, and a turn that "
      + "begins with / has a space in front"
  }
  var exitStatus: ExitStatus { .badInput }
}
