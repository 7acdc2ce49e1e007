import Foundation
import StrictJSON
import Testing

/// `chat`, and `generate --messages`, of a model with a small chat template of its own.
@Suite struct ChatTests {
  private static let template =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"

  private func sandbox(positions: Int = 256) throws -> Sandbox {
    let sandbox = try Sandbox.language("llama-grouped", task: "causal-lm")
    let config = try sandbox.text("model/config.json")
    try sandbox.write(
      "model/config.json",
      config.replacing("\"max_position_embeddings\": 64", with: "\"max_position_embeddings\": \(positions)"))
    try sandbox.write("model/chat_template.jinja", Self.template)
    return sandbox
  }

  /// The answers of a chat whose stdin is `lines`.
  private func answers(_ sandbox: Sandbox, _ lines: [String], _ more: String...) throws -> [String?] {
    let outcome = try sandbox.start(
      ["chat", "model", "--json", "--max-new-tokens", "8"] + more, input: lines.joined(separator: "\n")
    ).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return try outcome.out.split(separator: "\n").map { try JSONParser.parse(String($0))["text"]?.string }
  }

  /// What `generate` answers to turns of these texts, of which the first is the user's.
  private func generated(_ sandbox: Sandbox, _ texts: [String], _ more: String...) throws -> String? {
    let turns = texts.enumerated().map { number, text in
      JSONValue.members([
        ("role", JSONValue.string(number % 2 == 0 ? "user" : "assistant")), ("content", .string(text)),
      ])
    }
    try sandbox.write("m.json", JSONWriter.text(.list(turns), pretty: false))
    let outcome = try sandbox.start(
      ["generate", "model", "--messages", "m.json", "--json", "--max-new-tokens", "8"] + more
    ).finish()
    #expect(outcome.status == 0, "\(outcome.err)")
    return try outcome.json()["text"]?.string
  }

  @Test func everyAnswerSeesAllTurns() throws {
    let sandbox = try sandbox()
    let found = try answers(sandbox, ["the movie", "", "a film", "/reset", "a film"])
    let first = try #require(try generated(sandbox, ["the movie"]))
    let second = try generated(sandbox, ["the movie", first, "a film"])
    let alone = try generated(sandbox, ["a film"])
    #expect(found == [first, second, alone] && second != alone)
  }

  @Test func theSystemSpeaksFirst() throws {
    let sandbox = try sandbox()
    let found = try answers(sandbox, ["the movie"], "--system", "be brief")
    #expect(try found == [generated(sandbox, ["the movie"], "--system", "be brief")])
    #expect(try found != [generated(sandbox, ["the movie"])])
    #expect(try answers(sandbox, ["/system be brief", "the movie"]) == found)
    #expect(try answers(sandbox, ["/system", "the movie"], "--system", "be brief") != found)
    let prompt = try sandbox.run(
      "generate", "model", "--prompt", "the movie", "--system", "be brief", "--max-new-tokens", "8", "--json")
    #expect(try prompt.json()["text"]?.string == found[0])
    try sandbox.write("model/chat_template.jinja", "{{ raise_exception('no system here') }}")
    let refused = try sandbox.run("chat", "model", "--system", "a", input: "the movie")
    #expect(refused.status == 65 && refused.err.contains("no system here") && refused.out.isEmpty, "\(refused.err)")
  }

  @Test func theOldestTurnsLeaveAloud() throws {
    let sandbox = try sandbox(positions: 64)
    let outcome = try sandbox.run(
      "chat", "model", "--max-new-tokens", "8", input: (0..<4).map { "the movie \($0)" }.joined(separator: "\n"))
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      outcome.err.contains("note: the window is full: the 2 oldest turns left the conversation"), "\(outcome.err)")
    let long = try sandbox.run("chat", "model", input: String(repeating: "the movie ", count: 40))
    #expect(long.status == 65 && long.err.contains("leave no room for a continuation: the model's limit is 64"))
  }

  @Test func refusals() throws {
    let sandbox = try sandbox()
    let unknown = try sandbox.run("chat", "model", "--max-new-tokens", "1", input: "hi\n/foo bar\n")
    let expected =
      "swift-peft: error: stdin:2: no command /foo; the commands are /reset, /system TEXT, /help and /exit, and a turn that "
      + "begins with / has a space in front"
    #expect(unknown.status == 65 && unknown.errorLines.last == expected[...], "\(unknown.err)")
    let left = try sandbox.run("chat", "model", "--max-new-tokens", "1", input: "/exit\nhi\n")
    #expect(left.status == 0 && left.out.isEmpty)
    try FileManager.default.removeItem(atPath: sandbox.place("model/chat_template.jinja"))
    let plain = try sandbox.run("chat", "model", input: "hi")
    #expect(plain.status == 65 && plain.err.contains("needs a chat template"), "\(plain.err)")
    #expect(try sandbox.run("chat", "model", "--template", "alpaca", "--max-new-tokens", "1", input: "hi").status == 0)
    #expect(try sandbox.run("train", "config.json").status == 0)
    #expect(try sandbox.run("chat", "run", "--template", "alpaca", "--max-new-tokens", "1", input: "hi").status == 0)
  }

  @Test func aTerminalHasAPromptAndSignalsThatEndAnswers() throws {
    let sandbox = try sandbox(positions: 40_000)
    // Left to itself, the answer soon ends, on a busy machine before the signal comes.
    let terminal = try Terminal(
      sandbox,
      ["chat", "model", "--min-new-tokens", "20000", "--max-new-tokens", "20000", "--repetition-penalty", "1.1"])
    #expect(terminal.wait { $0.hasSuffix("> ") }, "\(terminal.text)")
    terminal.type("the movie\n")
    #expect(terminal.wait { $0.contains("the movie\r\n") && !$0.hasSuffix("the movie\r\n") }, "\(terminal.text)")
    terminal.interrupt()
    #expect(terminal.wait { $0.contains("note: stopped") && $0.hasSuffix("> ") }, "\(terminal.text)")
    terminal.type("/nonsense\n")
    #expect(terminal.wait { $0.contains("no command /nonsense") && $0.hasSuffix("> ") }, "\(terminal.text)")
    terminal.interrupt()
    #expect(terminal.status() == 130)
    let other = try Terminal(sandbox, ["chat", "model"])
    #expect(other.wait { $0.hasSuffix("> ") })
    other.type("\u{4}")
    #expect(other.status() == 0)
  }
}

/// A program on a terminal of its own.
private final class Terminal {
  private let process = Process()
  private let controller: Int32
  private(set) var text = ""

  init(_ sandbox: Sandbox, _ arguments: [String]) throws {
    controller = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    // TIOCSPTLCK and TIOCGPTN: unlock the other end, and its number.
    var isLocked: Int32 = 0, number: Int32 = 0
    guard controller >= 0, ioctl(controller, 0x4004_5431, &isLocked) == 0, ioctl(controller, 0x8004_5430, &number) == 0
    else { throw POSIXError(.ENODEV) }
    let name = "/dev/pts/\(number)"
    let end = FileHandle(fileDescriptor: open(name, O_RDWR | O_NOCTTY), closeOnDealloc: true)
    process.executableURL = URL(fileURLWithPath: try Tool.path())
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: sandbox.path)
    (process.standardInput, process.standardOutput, process.standardError) = (end, end, end)
    try process.run()
  }

  deinit {
    if process.isRunning { process.terminate() }
    close(controller)
  }

  func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(controller, $0.baseAddress, $0.count) } }

  func interrupt() { kill(process.processIdentifier, SIGINT) }

  /// Reads what is shown until `isDone`; false after five minutes, or where the program has ended.
  func wait(_ isDone: (String) -> Bool) -> Bool {
    for _ in 0..<3000 where !isDone(text) {
      var state = pollfd(fd: controller, events: Int16(POLLIN), revents: 0)
      guard poll(&state, 1, 100) > 0 else {
        if !process.isRunning { break }
        continue
      }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(controller, &bytes, bytes.count)
      if count <= 0 { break }
      text += String(decoding: bytes[..<count], as: UTF8.self)
    }
    return isDone(text)
  }

  /// The exit status, or 128 and the signal's number.
  func status() -> Int32 {
    process.waitUntilExit()
    return process.terminationStatus
  }
}
