internal import GRDB

// The public types of this module conform to these internal protocols, so that GRDB stays out of its interface.

/// A row that can be read from one of the tables: a property is a column, named in snake case.
protocol ReadableRow: Decodable, FetchableRecord, TableRecord {}

/// A row that can be written too.
protocol TableRow: ReadableRow, Encodable, PersistableRecord {}

/// A value of a fixed set, stored as its raw text.
protocol NamedValue: Codable, DatabaseValueConvertible {}

extension ReadableRow {
  static var databaseColumnDecodingStrategy: DatabaseColumnDecodingStrategy { .convertFromSnakeCase }

  /// The rows that belong to `run`.
  static func of(run: Int64) -> QueryInterfaceRequest<Self> { filter(Column("run_id") == run) }
}

extension QueryInterfaceRequest where RowDecoder: ReadableRow {
  /// The requested rows. Throws if a column holds a value of another type, which other programs may have written:
  /// GRDB's own `fetchAll` would read text as 0.
  func rows(_ database: Database) throws -> [RowDecoder] {
    try Row.fetchAll(database, self).map(RowDecoder.init(row:))
  }
}

extension TableRow {
  static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy { .convertToSnakeCase }
}

/// A row to be written beside the number of the run that it belongs to.
struct RunRow<Content: TableRow>: Encodable, PersistableRecord {
  static var databaseTableName: String { Content.databaseTableName }
  static var databaseColumnEncodingStrategy: DatabaseColumnEncodingStrategy { .convertToSnakeCase }

  var runId: Int64
  /// For the tables with such a column.
  var recordedAt: String?
  var content: Content

  private enum CodingKeys: CodingKey { case runId, recordedAt }

  func encode(to encoder: any Encoder) throws {
    var row = encoder.container(keyedBy: CodingKeys.self)
    try row.encode(runId, forKey: .runId)
    if let recordedAt { try row.encode(recordedAt, forKey: .recordedAt) }
    try content.encode(to: encoder)
  }
}
