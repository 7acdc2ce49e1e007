import Diagnostics
import Foundation
import StrictJSON
import Tasks

/// What a file of data holds, judged by its first rows.
enum DataShape {
  /// Texts or pairs with labels.
  case labelled(TableLook)
  /// Words with tags.
  case tagged
  /// Turns, instructions with answers, or prompts with completions.
  case conversations(ConversationLayout)
  /// Texts alone: under a column, or a plain text.
  case texts(Column?)
  /// Questions with choices.
  case questions
  /// The E2E challenge's meanings with their words.
  case meanings

  /// The task that reads it.
  var task: Task {
    switch self {
    case .labelled: .table
    case .tagged: .tokenClassification
    case .conversations: .instruct
    case .texts: .causalLM
    case .questions: .multipleChoice
    case .meanings: .e2e
    }
  }
}

/// A look at the beginning of a file.
struct FileLook {
  let file: String
  /// As the ending tells, or what stands in the file.
  let format: FileFormat?
  /// What a config must say of the format, since the ending does not.
  private(set) var givenFormat: FileFormat?
  private let bytes: [UInt8]
  private let isWhole: Bool

  /// So much is looked at, where lines can be read one by one.
  private static let size = 1 << 20

  /// Reads the beginning. Throws where that fails.
  init(_ file: String) throws {
    self.file = file
    guard let handle = FileHandle(forReadingAtPath: file) else { throw FileMissing(path: file) }
    defer { try? handle.close() }
    let head = Array(try handle.read(upToCount: Self.size + 1) ?? Data())
    isWhole = head.count <= Self.size
    if head.isEmpty { throw TaskError.emptyFile(file: file) }
    // The last line may be cut off.
    bytes = isWhole ? head : Array(head.prefix(through: head.lastIndex(of: UInt8(ascii: "\n")) ?? head.count - 1))
    let byEnding = FileFormat(ending: file), found = byEnding == nil ? Self.json(in: bytes) : nil
    (format, givenFormat) = (byEnding ?? found, found)
  }

  /// What a beginning with a brace or bracket means.
  private static func json(in bytes: [UInt8]) -> FileFormat? {
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    guard let first = lines.first(where: { !$0.allSatisfy { $0 == 0x20 || $0 == 0x0D || $0 == 0x09 } }) else {
      return nil
    }
    if (try? JSONParser.parse(Array(first), file: ""))?.object != nil { return .jsonl }
    return first.first == UInt8(ascii: "[") && (try? JSONParser.parse(bytes, file: ""))?.array != nil ? .json : nil
  }

  /// The rows at the beginning. Throws what the whole file's reader says.
  func table(delimiter: Character? = nil, hasHeader: Bool) throws -> Table {
    let format = format ?? .tsv, separator = delimiter.flatMap(TableStyle.byte) ?? UInt8(ascii: ",")
    if format != .json || isWhole,
      let table = try? Table(
        bytes: bytes, file: file, format: format, delimiter: separator, hasHeader: hasHeader)
    {
      return table
    }
    // A list is one value, and a field in quotes may have been cut.
    guard let all = FileManager.default.contents(atPath: file) else { throw FileMissing(path: file) }
    return try Table(bytes: Array(all), file: file, format: format, delimiter: separator, hasHeader: hasHeader)
  }

  /// What the file holds. Throws where that cannot be told.
  func shape() throws -> DataShape {
    if Self.columnEndings.contains(URL(fileURLWithPath: file).pathExtension.lowercased()) { return .tagged }
    if format != .csv, Task.looksTagged(file) { return .tagged }
    if format?.isJSON == true { return try records() }
    if format == nil, !isTable { return .texts(nil) }
    let look = try TableLook(self)
    let names = Set((look.header ?? []).map { $0.lowercased() })
    if names.isSuperset(of: ["mr", "ref"]) { return .meanings }
    if names.isSuperset(of: ["instruction", "output"]) { return .conversations(.instructions) }
    if names.isSuperset(of: ["prompt", "completion"]) { return .conversations(.completions) }
    return try look.shape(file)
  }

  private static let columnEndings = ["conll", "conllu", "bio", "iob", "iob2"]

  private func records() throws -> DataShape {
    let table = try table(hasHeader: false)
    guard let row = table.rows.first, let object = row.object else { throw InitError.noTable(file: file) }
    func isList(_ key: String) -> Bool { object[key]?.array != nil }
    if object["question"] != nil, isList("choices") { return .questions }
    if let layout = ConversationLayout(of: row, in: table), layout.partner.map({ object[$0] != nil }) ?? true {
      return .conversations(layout)
    }
    return try TableLook(self).shape(file)
  }

  /// Whether all lines have equally many TABs, and some.
  private var isTable: Bool {
    let counts = Set(lines(200).filter { !$0.isEmpty }.map { $0.utf8.count { $0 == 0x09 } })
    return counts.count == 1 && counts != [0]
  }

  private func lines(_ count: Int) -> [String] {
    bytes.split(separator: UInt8(ascii: "\n"), maxSplits: count, omittingEmptySubsequences: false).prefix(count)
      .dropLast(bytes.last == UInt8(ascii: "\n") ? 1 : 0)
      .map { String(decoding: $0.last == 0x0D ? $0.dropLast() : $0, as: UTF8.self) }
  }
}
