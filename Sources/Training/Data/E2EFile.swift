import Kernels
import Tasks

/// A CSV of the E2E NLG challenge: a meaning representation and a text for it in each row (Novikova et al., arXiv
/// 1706.09254). As RFC 4180: a field in quotes may hold commas, line breaks and doubled quotes.
struct E2EFile {
  struct Row: Equatable {
    let meaning: String
    let reference: String
    /// 1-based.
    let line: Int
  }

  let rows: [Row]

  init(path: String) throws {
    let file = try MappedFile(path: path)
    try self.init(bytes: file.copy(0..<file.count), path: path)
  }

  init(bytes: [UInt8], path: String) throws {
    var records = try Self.records(bytes, path)
    guard let header = records.first else { throw TaskError.emptyFile(file: path) }
    guard header.fields == ["mr", "ref"] else {
      throw TaskError.missingColumn(
        file: path, column: .name(header.fields.contains("mr") ? "ref" : "mr"), header: header.fields)
    }
    records.removeFirst()
    rows = try records.map { record in
      guard record.fields.count == 2 else {
        throw RunError.badCSV(file: path, line: record.line, problem: "\(record.fields.count) fields instead of 2")
      }
      return Row(meaning: record.fields[0], reference: record.fields[1], line: record.line)
    }
  }

  private static func records(_ bytes: [UInt8], _ path: String) throws -> [(fields: [String], line: Int)] {
    let quote = UInt8(ascii: "\""), comma = UInt8(ascii: ","), lf = UInt8(ascii: "\n"), cr = UInt8(ascii: "\r")
    var records: [(fields: [String], line: Int)] = [], fields: [String] = [], field: [UInt8] = []
    var line = 1, start = 1, index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    func text() throws -> String {
      guard let text = String(validating: field, as: UTF8.self) else {
        throw TaskError.invalidUTF8(file: path, line: start)
      }
      return text
    }
    func endRecord() throws {
      fields.append(try text())
      if fields != [""] { records.append((fields, start)) }
      (fields, field) = ([], [])
    }
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == quote, field.isEmpty {
        while true {
          guard index < bytes.count else {
            throw RunError.badCSV(file: path, line: start, problem: "a quote that nothing closes")
          }
          let inside = bytes[index]
          index += 1
          if inside == lf { line += 1 }
          if inside != quote {
            field.append(inside)
          } else if index < bytes.count, bytes[index] == quote {
            field.append(quote)
            index += 1
          } else {
            break
          }
        }
      } else if byte == comma {
        fields.append(try text())
        field = []
      } else if byte == lf {
        if field.last == cr { field.removeLast() }
        try endRecord()
        line += 1
        start = line
      } else if byte == cr, index < bytes.count, bytes[index] == lf {
        continue
      } else {
        field.append(byte)
      }
    }
    if !fields.isEmpty || !field.isEmpty { try endRecord() }
    return records
  }
}
