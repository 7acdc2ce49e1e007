import Diagnostics
import Foundation
import StrictJSON
import Tasks

/// Which columns of a table, or keys of records, are texts and which is the label, judged by the first rows.
struct TableLook {
  /// Whether the first line names the columns; JSON's keys always do.
  let hasHeader: Bool
  /// The names of the columns.
  let header: [String]?
  /// The texts, at most two, in the order of the file.
  let texts: [Column]
  /// Nil where nothing looks like one.
  let label: Column?
  /// Whether there is no doubt that the label is one.
  private(set) var isSure = true
  /// What the labels are, where their reader would take them for classes.
  private(set) var problem: ProblemType?
  /// What stands between several labels of a row.
  private(set) var separator: String?
  /// What ends the fields of CSV, if not a comma.
  private(set) var delimiter: Character?

  private static let labelNames: Set<String> = [
    "label", "labels", "class", "category", "target", "score", "gold_label", "sentiment", "intent",
  ]
  /// Columns that identify a row are no texts.
  private static let idNames: Set<String> = [
    "id", "idx", "index", "guid", "uuid", "url", "link", "path", "file", "date", "time", "timestamp",
  ]

  /// A cell, as far as it tells what its column is for.
  private enum Cell {
    case text(String)
    /// A number, a truth value or a list: no text, but perhaps a label.
    case value(String)
    case none

    var string: String {
      switch self {
      case .text(let text), .value(let text): text
      case .none: ""
      }
    }
    var isText: Bool { if case .text = self { true } else { false } }
  }

  /// Throws where the file cannot be read, or is no table.
  init(_ file: FileLook) throws {
    let isJSON = file.format?.isJSON == true
    let table: Table
    if let (cut, other) = Self.cut(file) {
      (table, delimiter) = (cut, other)
    } else {
      table = try file.table(hasHeader: false)
    }
    let rows = table.rows.prefix(500)
    if isJSON {
      var keys: [String] = []
      for key in rows.flatMap({ $0.object?.object?.keys ?? [] }) where keys.place(of: key) == nil { keys.append(key) }
      let cells = rows.map { row in keys.map { Self.cell(row.object?[$0]) } }
      (texts, label) = Self.columns(keys, cells)
      (hasHeader, header) = (true, keys)
      // What else is said of a text need not be its label.
      isSure = texts != [.name("text")] || label.map(Self.isNamed) ?? false
      problem = label.map { label in cells.map { $0[keys.firstIndex { .name($0) == label } ?? 0] } }.flatMap(
        Self.problem)
      return
    }
    let lines = rows.map(\.fields).filter { !$0.isEmpty }
    guard let first = lines.first, lines.count > 2 else { throw InitError.noTable(file: file.file) }
    let cells = lines.dropFirst().filter { $0.count == first.count }.map { $0.map(Cell.text) }
    let named = Self.columns(first, cells), unnamed = Self.columns([], cells, count: first.count)
    // Labels repeat: those of a first line that is a row occur below, too.
    let isRepeated = unnamed.label.map { column in
      let place = Self.index(column)
      return cells.contains { ExactText($0[place].string) == ExactText(first[place]) }
    }
    hasHeader = named.label.map(Self.isNamed) ?? false || isRepeated != true
    header = hasHeader ? first : nil
    (texts, label) = hasHeader ? named : unnamed
    guard let place = label.flatMap({ header?.place(of: Self.name($0) ?? "") ?? Self.index($0) }) else { return }
    let labels = cells.map { $0[place] }
    separator = Self.isNamed(.name(first[place])) ? Self.separator(labels) : nil
    problem = separator == nil ? Self.problem(labels) : .multiLabel
  }

  /// The rows of CSV and what ends their fields, if not a comma: the first that cuts every row into as many fields as the
  /// first one, and more than one. Nil where none does.
  private static func cut(_ file: FileLook) -> (table: Table, delimiter: Character?)? {
    guard file.format == .csv else { return nil }
    for delimiter in [nil, Character(";"), "\t", "|"] {
      guard let table = try? file.table(delimiter: delimiter, hasHeader: false),
        let first = table.rows.first?.fieldCount
      else { continue }
      if first > 1, table.rows.allSatisfy({ $0.fieldCount == first }) { return (table, delimiter) }
    }
    return nil
  }

  /// Lists are several labels; whole numbers that are too many for classes are a regression.
  private static func problem(_ labels: [Cell]) -> ProblemType? {
    if labels.contains(where: { !$0.isText && $0.string.hasPrefix("[") }) { return .multiLabel }
    let numbers = Set(labels.compactMap { Int($0.string) })
    return numbers.count > 20 && labels.allSatisfy { Double($0.string) != nil } ? .regression : nil
  }

  /// What stands between labels: the parts are fewer than the cells with them, and repeat.
  private static func separator(_ labels: [Cell]) -> String? {
    let texts = labels.map(\.string), distinct = Set(texts.map(ExactText.init)).count
    return ["|", ";", ", ", ","].first { separator in
      let parts = texts.map { $0.components(separatedBy: separator) }, all = parts.joined().filter { !$0.isEmpty }
      let names = Set(all.map(ExactText.init)).count
      return parts.count { $0.count > 1 } * 10 > texts.count && names < distinct && names * 2 <= all.count
    }
  }

  /// What the table is for: texts with labels, or texts alone.
  func shape(_ file: String) throws -> DataShape {
    if texts.isEmpty { throw InitError.noTable(file: file) }
    if label != nil, isSure { return .labelled(self) }
    return .texts(texts[0])
  }

  private static func isNamed(_ label: Column) -> Bool {
    if case .name(let name) = label { labelNames.contains(name.lowercased()) } else { false }
  }
  private static func name(_ column: Column) -> String? { if case .name(let name) = column { name } else { nil } }
  private static func index(_ column: Column) -> Int { if case .index(let index) = column { index } else { 0 } }

  private static func cell(_ node: JSONNode?) -> Cell {
    guard let node, !node.isNull else { return .none }
    return node.string.map(Cell.text) ?? .value(JSONWriter.text(node.value, pretty: false))
  }

  /// The columns called `names`, or numbered if there are none.
  private static func columns(
    _ names: [String], _ rows: [[Cell]], count: Int? = nil
  ) -> (texts: [Column], label: Column?) {
    let columns = 0..<(count ?? names.count)
    let distinct = columns.map { column in Set(rows.map { ExactText($0[column].string) }).count }
    let lengths = columns.map { column in
      Double(rows.map { $0[column].string.count }.reduce(0, +)) / Double(max(1, rows.count))
    }
    func share(_ column: Int, _ test: (Cell) -> Bool) -> Double {
      Double(rows.count { test($0[column]) }) / Double(max(1, rows.count))
    }
    func isFull(_ column: Int) -> Bool { !rows.contains { $0[column].string.isEmpty } }
    let isText = columns.map { column in
      share(column) { $0.isText } > 0.5 && !(column < names.count && idNames.contains(names[column].lowercased()))
    }
    let longest = columns.filter { isText[$0] }.max { lengths[$0] < lengths[$1] }
    let named = names.firstIndex { labelNames.contains($0.lowercased()) }
    // Classes repeat; the last of the columns with the fewest different values.
    let label =
      named
      ?? columns.reversed().filter { $0 != longest && distinct[$0] > 1 && distinct[$0] * 2 <= rows.count && isFull($0) }
      .min { distinct[$0] < distinct[$1] }
    let first = columns.filter { isText[$0] && $0 != label }.max { lengths[$0] < lengths[$1] }
    // A second text is about as long as the first one and of words too, and rows differ in it.
    let texts = first.map { first in
      columns.filter { column in
        column == first
          || (isText[column] && column != label && lengths[column] > max(8, lengths[first] / 4)
            && distinct[column] * 2 > rows.count && share(column, hasSpace) * 2 >= share(first, hasSpace))
      }.prefix(2)
    }
    func column(_ index: Int) -> Column { index < names.count ? .name(names[index]) : .index(index) }
    return (texts?.map(column) ?? [], label.map(column))
  }

  private static func hasSpace(_ cell: Cell) -> Bool { cell.string.utf8.contains(UInt8(ascii: " ")) }
}
