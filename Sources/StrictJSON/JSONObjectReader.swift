import Diagnostics

/// Reads the members of a JSON object and collects the errors, so that a person sees all of them at once.
///
/// After an error the reader returns the default and goes on; `finish` throws the errors.
///
///     var reader = JSONObjectReader(config)
///     let width = reader.value("hidden_size", or: 768) { try $0.integer(in: 1...65_536) }
///     let pad = reader.optional("pad_token_id") { try $0.integer() }
///     if width % 64 != 0 { reader.report("hidden_size", "must be a multiple of 64") }
///     try reader.finish()
public struct JSONObjectReader {
  /// The object.
  public let field: JSONField
  /// The errors so far, in the order they were found.
  public private(set) var errors: [JSONFieldError] = []

  /// A reader of `field`. If that is not an object, this is the only error.
  public init(_ field: JSONField) {
    self.field = field
    if field.node.object == nil {
      errors.append(field.error(.wrongValue(expected: "an object", found: field.node.kind)))
    }
  }

  /// The member `key`; nil if it is absent or null.
  public subscript(key: String) -> JSONField? { try? field.optional(key) }

  /// Whether the member `key` exists, even if it is null.
  public func has(_ key: String) -> Bool { field.node[key] != nil }

  /// The member `key`, converted by `read`; `standard` if it is absent. Null is passed to `read`.
  public mutating func value<Value>(_ key: String, or standard: Value, _ read: (JSONField) throws -> Value) -> Value {
    guard has(key) else { return standard }
    return attempt(key, read) ?? standard
  }

  /// The member `key`, converted by `read`; nil if it is absent or null.
  public mutating func optional<Value>(_ key: String, _ read: (JSONField) throws -> Value) -> Value? {
    field.node[key]?.isNull == false ? attempt(key, read) : nil
  }

  /// The member `key`, converted by `read`; an error if it is absent.
  public mutating func required<Value>(_ key: String, _ read: (JSONField) throws -> Value) -> Value? {
    attempt(key, read)
  }

  /// The object itself, converted by `read`; nil if that throws.
  public mutating func whole<Value>(_ read: (JSONField) throws -> Value) -> Value? {
    attempt { try read($0) }
  }

  /// Adds an error at the member `key`.
  public mutating func report(_ key: String, _ problem: String) { report(key, .other(problem)) }

  /// Adds an error at the member `key`.
  public mutating func report(_ key: String, _ problem: JSONFieldError.Problem) {
    let place = ((try? field.member(key)) ?? field).place
    let path = field.missing(key).place.field
    errors.append(JSONFieldError(place: FilePlace(file: place.file, line: place.line, field: path), problem: problem))
  }

  /// Adds errors of a reader of a member.
  public mutating func add(_ others: [JSONFieldError]) { errors += others }

  /// Throws the errors in the order of their lines, if there are any.
  public func finish() throws {
    try ErrorList.throwIfAny(errors.sorted { $0.place.line < $1.place.line })
  }

  private mutating func attempt<Value>(_ key: String, _ read: (JSONField) throws -> Value) -> Value? {
    attempt(at: key) { try read(try $0.member(key)) }
  }

  private mutating func attempt<Value>(at key: String = "", _ read: (JSONField) throws -> Value) -> Value? {
    // The error that this is not an object is enough.
    guard field.node.object != nil else { return nil }
    do {
      return try read(field)
    } catch let error as JSONFieldError {
      errors.append(error)
    } catch {
      report(key, "\(error)")
    }
    return nil
  }
}
