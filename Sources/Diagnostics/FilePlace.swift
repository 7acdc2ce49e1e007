/// A place in a text file: file, line and, if the file has fields, the path of a field.
public struct FilePlace: Sendable, Equatable, CustomStringConvertible {
  /// The file's path, or another name of the text.
  public let file: String
  /// 1-based.
  public let line: Int
  /// The field's path inside the file, such as `model.vocab`; empty for the file as a whole.
  public let field: String

  /// A place.
  public init(file: String, line: Int, field: String = "") {
    self.file = file
    self.line = line
    self.field = field
  }

  /// `file:line: field`.
  public var description: String { field.isEmpty ? "\(file):\(line)" : "\(file):\(line): \(field)" }
}
