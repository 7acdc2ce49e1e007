import Diagnostics
import Foundation
import Tasks

extension TaskData {
  /// Texts to label from the file at `path`: see `loadOrPlain(bytes:name:)`.
  public func loadOrPlain(path: String) throws -> Dataset {
    guard FileManager.default.fileExists(atPath: path) else {
      throw TaskError.unreadable(file: path, reason: "no such file")
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TaskError.unreadable(file: path, reason: "cannot be read")
    }
    return try loadOrPlain(bytes: [UInt8](data), name: path)
  }

  /// Texts to label: a table in the layout of the task's files where the first line looks like one, else one text or
  /// pair a line.
  ///
  /// A first line looks like one where it names the text columns; in a layout without a header, where it has the
  /// fields for them and more than the one of a text, or the two of a pair.
  public func loadOrPlain(bytes: [UInt8], name: String) throws -> Dataset {
    isTable(firstLine: bytes.prefix { $0 != UInt8(ascii: "\n") })
      ? try load(bytes: bytes, name: name) : try plainExamples(bytes: bytes, name: name)
  }

  private func isTable(firstLine: ArraySlice<UInt8>) -> Bool {
    var line = firstLine
    if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
    if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
    let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    if definition.name == "cola", fields == ["index", "sentence"] { return true }
    let isWide = fields.count > (definition.isPair ? 2 : 1)
    return definition.texts.allSatisfy { column in
      switch column {
      case .name(let name): fields.contains(name)
      case .index(let index): index < fields.count && isWide
      }
    }
  }
}
