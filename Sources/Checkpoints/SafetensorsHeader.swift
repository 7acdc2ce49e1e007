import StrictJSON

/// The header of a safetensors file, checked against the file's length.
///
/// Source of the rules: https://github.com/huggingface/safetensors#format. Eight bytes hold the header's length
/// (little-endian); the header, a JSON object, and the data follow. The tensors cover the data without gaps.
struct SafetensorsHeader {
  /// A tensor: its place and type.
  struct Entry: Sendable, Equatable {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    /// From the start of the data.
    let bytes: Range<Int>
  }

  /// The limit of the reference implementation.
  static let maximumLength = 100_000_000

  /// In the order of their data.
  let entries: [Entry]
  let metadata: [String: String]
  /// The offset of the data in the file.
  let dataStart: Int

  private typealias Problem = SafetensorsError.Problem

  /// Reads and checks the header of the file `path`, which holds `file`.
  init(_ file: UnsafeRawBufferPointer, path: String) throws {
    func failure(_ problem: Problem) -> SafetensorsError { SafetensorsError(path: path, problem: problem) }
    if file.starts(with: "version https://git-lfs".utf8) { throw failure(.gitLFSPointer) }
    guard file.count >= 8 else { throw failure(.tooShort(bytes: file.count)) }
    let claimed = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard claimed <= UInt64(Self.maximumLength) else { throw failure(.headerTooLong(claimed)) }
    let length = Int(claimed)
    guard length <= file.count - 8 else {
      throw failure(.headerBeyondFile(length: length, available: file.count - 8))
    }
    dataStart = 8 + length
    let root: JSONNode
    do {
      root = try JSONParser.parse(Array(file[8..<dataStart]), file: path)
    } catch let error as JSONSyntaxError {
      throw failure(.headerNotJSON("line \(error.line), column \(error.column): \(error.problem)"))
    }
    guard let object = root.object, file[8] == UInt8(ascii: "{") else { throw failure(.headerNotObject) }

    do {
      metadata = try Self.metadata(object["__metadata__"])
      let available = file.count - dataStart
      var entries: [Entry] = []
      entries.reserveCapacity(object.count)
      for name in object.keys where name != "__metadata__" {
        guard let node = object[name] else { continue }
        entries.append(try Self.entry(name, node, available: available))
      }
      entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
      try Self.checkCover(entries, available: available)
      self.entries = entries
    } catch let problem as Failure {
      throw failure(problem.problem)
    }
  }

  /// A problem, to be completed by the path of the file.
  private struct Failure: Error { let problem: Problem }

  private static func metadata(_ node: JSONNode?) throws -> [String: String] {
    guard let node else { return [:] }
    guard let object = node.object else { throw Failure(problem: .metadataNotStrings) }
    var metadata: [String: String] = [:]
    for key in object.keys {
      guard let text = object[key]?.string else { throw Failure(problem: .metadataNotStrings) }
      metadata[key] = text
    }
    return metadata
  }

  private static func entry(_ name: String, _ node: JSONNode, available: Int) throws -> Entry {
    guard node.object != nil else { throw Failure(problem: .entryNotObject(tensor: name)) }
    guard let type = node["dtype"]?.string.flatMap(SafetensorsType.init(rawValue:)) else {
      throw Failure(problem: .unknownType(tensor: name))
    }
    guard let shape = naturals(node["shape"]) else { throw Failure(problem: .malformedShape(tensor: name)) }
    guard let bits = type.bitCount(shape: shape) else { throw Failure(problem: .shapeTooLarge(tensor: name)) }
    guard bits % 8 == 0 else { throw Failure(problem: .partialByte(tensor: name)) }
    let needed = bits / 8
    guard let offsets = naturals(node["data_offsets"]), offsets.count == 2, offsets[0] <= offsets[1] else {
      throw Failure(problem: .malformedOffsets(tensor: name))
    }
    guard offsets[1] <= available else {
      throw Failure(problem: .offsetsBeyondFile(tensor: name, end: offsets[1], available: available))
    }
    let stored = offsets[1] - offsets[0]
    guard stored == needed else {
      throw Failure(problem: .sizeMismatch(tensor: name, stored: stored, needed: needed))
    }
    return Entry(name: name, type: type, shape: shape, bytes: offsets[0]..<offsets[1])
  }

  /// A list of whole numbers, none negative, none written like 2.0; nil for anything else.
  private static func naturals(_ node: JSONNode?) -> [Int]? {
    guard let elements = node?.array else { return nil }
    var numbers: [Int] = []
    for element in elements {
      guard case .integer(let number) = element.value, number >= 0 else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  /// Checks that each tensor begins where the one before ends, and that the last ends with the file.
  private static func checkCover(_ entries: [Entry], available: Int) throws {
    var end = 0
    var previous = ""
    for entry in entries {
      let start = entry.bytes.lowerBound
      if start < end { throw Failure(problem: .overlap(tensor: entry.name, other: previous)) }
      if start > end { throw Failure(problem: .hole(before: entry.name, bytes: start - end)) }
      end = entry.bytes.upperBound
      previous = entry.name
    }
    if end < available { throw Failure(problem: .trailingBytes(available - end)) }
  }
}
