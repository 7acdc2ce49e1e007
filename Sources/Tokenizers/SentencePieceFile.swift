import Diagnostics
import Foundation

/// The parts of a SentencePiece file that transformers takes over.
struct SentencePieceFile {
  struct Piece {
    enum Kind: Int {
      case normal = 1, unknown, control, userDefined, unused, byte
    }

    var text = ""
    var score: Float = 0
    var kind = Kind.normal
  }

  enum Kind: Int {
    case unigram = 1, bytePairs, word, character
  }

  /// The file's path, for errors.
  let file: String
  private(set) var pieces: [Piece] = []
  // The defaults of the format.
  private(set) var kind = Kind.unigram
  private(set) var fallsBackToBytes = false
  private var ids: (unknown: Int, begin: Int, end: Int) = (0, 1, 2)
  private var names = (unknown: "<unk>", begin: "<s>", end: "</s>")
  private var replacements: [UInt8] = []

  init(_ files: TokenizerFiles, _ name: String) throws {
    try self.init(try files.bytes(name), file: files.path(name))
  }

  init(_ bytes: [UInt8], file: String) throws {
    self.file = file
    do {
      try forEachField(bytes[...]) { number, value in
        switch number {
        case 1: pieces.append(try Self.piece(value.bytes()))
        case 2: try readTrainer(value.bytes())
        case 3: try readNormalizer(value.bytes())
        default: break
        }
      }
    } catch is Malformed {
      throw error("not a SentencePiece model, or cut off")
    }
    if pieces.isEmpty { throw error("a SentencePiece model without pieces") }
    // The limit of SentencePiece's trainer.
    let longest = 512
    for piece in pieces {
      let name = "the piece \"\(piece.text.clipped)\""
      guard piece.score.isFinite else { throw error("the score of \(name) is not a number") }
      guard piece.text.unicodeScalars.count <= longest else {
        throw error("\(name) is longer than \(longest) characters")
      }
    }
  }

  func error(_ problem: String) -> TokenizerError { .badModelFile(file: file, problem: problem) }

  private static func piece(_ bytes: ArraySlice<UInt8>) throws -> Piece {
    var piece = Piece()
    try forEachField(bytes) { number, value in
      switch number {
      case 1: piece.text = try value.string()
      case 2: piece.score = try value.float()
      case 3: piece.kind = try value.choice()
      default: break
      }
    }
    return piece
  }

  private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws {
    try forEachField(bytes) { number, value in
      switch number {
      case 3: kind = try value.choice()
      case 35: fallsBackToBytes = try value.bool()
      case 40: ids.unknown = try value.integer()
      case 41: ids.begin = try value.integer()
      case 42: ids.end = try value.integer()
      case 45: names.unknown = try value.string()
      case 46: names.begin = try value.string()
      case 47: names.end = try value.string()
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) throws {
    try forEachField(bytes) { number, value in
      switch number {
      case 2: replacements = Array(try value.bytes())
      default: break
      }
    }
  }

  /// The unknown token.
  var unknownPiece: String { names.unknown }

  /// The position of the unknown piece that the file names, or nil.
  var unknownID: Int32? { Int32(exactly: ids.unknown).flatMap { $0 >= 0 && Int($0) < pieces.count ? $0 : nil } }

  /// Pieces and scores for a unigram model.
  var unigramPieces: [UnigramPiece] { pieces.map { UnigramPiece(text: $0.text, score: Double($0.score)) } }

  /// The character map in Base64, or nil.
  var charactersMap: String? { replacements.isEmpty ? nil : Data(replacements).base64EncodedString() }

  /// Control and user-defined pieces, which are searched for in texts.
  var addedTokens: [TokenizerConfig.Token] {
    pieces.filter { $0.kind == .control || $0.kind == .userDefined }.map { piece in
      let token = AddedToken(content: piece.text, id: -1, isSpecial: piece.kind == .control)
      return TokenizerConfig.Token(token: token, place: FilePlace(file: file, line: 1))
    }
  }

  /// The special tokens that the file names.
  var roles: [(role: String, piece: String)] {
    [
      ("bos_token", ids.begin, names.begin), ("eos_token", ids.end, names.end),
      ("unk_token", ids.unknown, names.unknown),
    ]
    .filter { $0.1 >= 0 }.map { ($0.0, $0.2) }
  }
}

/// A protocol buffer message that is cut off or malformed.
private struct Malformed: Error {}

private func forEachField(_ message: ArraySlice<UInt8>, _ body: (_ number: UInt64, FieldValue) throws -> Void) throws {
  var rest = message
  func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { throw Malformed() }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Malformed()
  }
  func take(_ count: UInt64) throws -> ArraySlice<UInt8> {
    guard count <= UInt64(rest.count) else { throw Malformed() }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }
  while !rest.isEmpty {
    let key = try varint()
    switch key & 7 {
    case 0: try body(key >> 3, .varint(varint()))
    case 1: try body(key >> 3, .fixed(take(8)))
    case 2: try body(key >> 3, .bytes(take(varint())))
    case 5: try body(key >> 3, .fixed(take(4)))
    default: throw Malformed()
    }
  }
}

private enum FieldValue {
  case varint(UInt64)
  case bytes(ArraySlice<UInt8>)
  /// Four or eight bytes.
  case fixed(ArraySlice<UInt8>)

  func integer() throws -> Int {
    guard case .varint(let value) = self else { throw Malformed() }
    return Int(truncatingIfNeeded: value)
  }

  func bool() throws -> Bool { try integer() != 0 }

  func choice<Value: RawRepresentable<Int>>() throws -> Value {
    guard let value = Value(rawValue: try integer()) else { throw Malformed() }
    return value
  }

  func float() throws -> Float {
    guard case .fixed(let bytes) = self, bytes.count == 4 else { throw Malformed() }
    return Float(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) })
  }

  func bytes() throws -> ArraySlice<UInt8> {
    guard case .bytes(let bytes) = self else { throw Malformed() }
    return bytes
  }

  func string() throws -> String {
    guard let text = String(validating: try bytes(), as: UTF8.self) else { throw Malformed() }
    return text
  }
}

/// The byte of a token such as `<0x0A>`, or nil.
func byteValue(ofToken token: String) -> UInt8? {
  let text = Array(token.utf8)
  guard text.count == 6, token.hasPrefix("<0x"), text[5] == UInt8(ascii: ">") else { return nil }
  return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
}
