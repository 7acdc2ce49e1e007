import Diagnostics
import StrictJSON

extension BytePairEncoding {
  /// Reads `model` of tokenizer.json.
  init(_ field: JSONField) throws {
    try field.requireOnly([
      "type", "vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
      "byte_fallback", "ignore_merges",
    ])
    if let dropout = try field.optional("dropout"), dropout.node.number != 0 {
      throw dropout.unsupported("dropout of merges", ["null"])
    }
    let vocabulary = try Vocabulary(field.member("vocab"))
    var options = Options()
    if let unknown = try field.optional("unk_token") {
      options.unknownID = vocabulary.id(try unknown.string())
      if options.unknownID == nil {
        throw TokenizerError.unknownToken(unknown.place, token: try unknown.string())
      }
    }
    options.fusesUnknown = try field.optional("fuse_unk")?.bool() ?? false
    if try field.optional("byte_fallback")?.bool() ?? false {
      options.byteIDs = (0...UInt8.max).map { vocabulary.id(byteToken($0)) ?? -1 }
    }
    options.ignoresMerges = try field.optional("ignore_merges")?.bool() ?? false
    options.prefix = try field.optional("continuing_subword_prefix")?.affix() ?? []
    options.suffix = try field.optional("end_of_word_suffix")?.affix() ?? []
    let merges = try Self.merges(field.member("merges"), vocabulary: vocabulary, prefix: options.prefix)
    self.init(vocabulary: vocabulary, merges: merges, options: options)
  }

  /// Reads merges, either `"a b"` or `["a", "b"]`.
  private static func merges(_ field: JSONField, vocabulary: Vocabulary, prefix: [Unicode.Scalar]) throws -> MergeTable
  {
    let elements = try field.value("a list") { $0.array }
    var table = MergeTable(capacity: elements.count)
    for (index, node) in elements.enumerated() {
      let place = { FilePlace(file: field.file, line: node.line, field: "\(field.path)[\(index)]") }
      if let text = node.string {
        try add(text, rank: index, to: &table, vocabulary: vocabulary, prefix: prefix, place: place)
      } else if let pair = node.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
        try add(
          Array(left.unicodeScalars)[...], Array(right.unicodeScalars)[...], rank: index, to: &table,
          vocabulary: vocabulary, prefix: prefix, place: place)
      } else {
        let found = node.array == nil ? node.kind : "another list"
        throw JSONFieldError(
          place: place(), problem: .wrongValue(expected: #""a b" or ["a", "b"]"#, found: found))
      }
    }
    return table
  }

  /// Reads merges.txt: two tokens a line. Lines that begin with `#version` are skipped.
  static func merges(lines: [String], file: String, vocabulary: Vocabulary) throws -> MergeTable {
    var table = MergeTable(capacity: lines.count)
    var rank = 0
    for (index, line) in lines.enumerated() where !line.hasPrefix("#version") {
      let place = { FilePlace(file: file, line: index + 1) }
      try add(line, rank: rank, to: &table, vocabulary: vocabulary, prefix: [], place: place)
      rank += 1
    }
    return table
  }

  private static func add(
    _ text: String, rank: Int, to table: inout MergeTable, vocabulary: Vocabulary, prefix: [Unicode.Scalar],
    place: () -> FilePlace
  ) throws {
    let scalars = Array(text.unicodeScalars)
    guard let space = scalars.firstIndex(of: " "), !scalars[(space + 1)...].contains(" ") else {
      throw TokenizerError.malformed(place(), problem: "a merge must be two tokens with one space between them")
    }
    try add(
      scalars[..<space], scalars[(space + 1)...], rank: rank, to: &table, vocabulary: vocabulary, prefix: prefix,
      place: place)
  }

  private static func add(
    _ left: ArraySlice<Unicode.Scalar>, _ right: ArraySlice<Unicode.Scalar>, rank: Int, to table: inout MergeTable,
    vocabulary: Vocabulary, prefix: [Unicode.Scalar], place: () -> FilePlace
  ) throws {
    guard right.starts(with: prefix) else {
      throw TokenizerError.malformed(
        place(), problem: "\"\(String(scalars: right))\" does not begin with \"\(String(scalars: prefix))\"")
    }
    func id(_ token: ArraySlice<Unicode.Scalar>) throws -> Int32 {
      guard let id = vocabulary.id(token) else {
        throw TokenizerError.unknownToken(place(), token: String(scalars: token))
      }
      return id
    }
    let result = left + right.dropFirst(prefix.count)
    table.add(left: try id(left), right: try id(right), rank: Int32(clamping: rank), result: try id(result))
  }
}

/// SentencePiece's token for a byte, such as `<0x0A>`.
func byteToken(_ byte: UInt8) -> String {
  "<0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))>"
}
