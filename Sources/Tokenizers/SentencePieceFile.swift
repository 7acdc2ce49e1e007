import Diagnostics

/// The parts of SentencePiece's tokenizer.model that encoding and decoding need.
struct SentencePieceFile {
  /// A token.
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
  private(set) var marksWordEnds = false
  private(set) var unknownSurface = " \u{2047} "
  private(set) var beginPiece = "<s>"
  private(set) var endPiece = "</s>"
  private(set) var replacements: [UInt8] = []
  private(set) var addsPrefix = true
  private(set) var removesExtraSpaces = true
  private(set) var escapesSpaces = true

  /// The limit of SentencePiece's trainer.
  private static let longestPiece = 512

  /// Parses the bytes of `file`.
  init(_ bytes: [UInt8], file: String) throws {
    self.file = file
    do {
      var reader = ProtobufReader(bytes[...])
      while let (number, value) = try reader.next() {
        switch number {
        case 1: pieces.append(try Self.piece(value.bytes()))
        case 2: try readTrainer(value.bytes())
        case 3: try readNormalizer(value.bytes())
        default: break
        }
      }
    } catch is ProtobufReader.Malformed {
      throw TokenizerError.badModelFile(file: file, problem: "not a SentencePiece model, or cut off")
    }
    if pieces.isEmpty { throw TokenizerError.badModelFile(file: file, problem: "a SentencePiece model without pieces") }
    for piece in pieces {
      guard piece.score.isFinite else {
        throw TokenizerError.badModelFile(
          file: file, problem: "the score of the piece \"\(piece.text.clipped)\" is not a number")
      }
      guard piece.text.unicodeScalars.count <= Self.longestPiece else {
        throw TokenizerError.badModelFile(
          file: file, problem: "the piece \"\(piece.text.clipped)\" is longer than \(Self.longestPiece) characters")
      }
    }
  }

  private static func piece(_ bytes: ArraySlice<UInt8>) throws -> Piece {
    var piece = Piece()
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      switch number {
      case 1: piece.text = try value.string()
      case 2: piece.score = try value.float()
      case 3:
        guard let kind = Piece.Kind(rawValue: try value.integer()) else { throw ProtobufReader.Malformed() }
        piece.kind = kind
      default: break
      }
    }
    return piece
  }

  private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      switch number {
      case 3:
        guard let kind = Kind(rawValue: try value.integer()) else { throw ProtobufReader.Malformed() }
        self.kind = kind
      case 24: marksWordEnds = try value.bool()
      case 35: fallsBackToBytes = try value.bool()
      case 44: unknownSurface = try value.string()
      case 46: beginPiece = try value.string()
      case 47: endPiece = try value.string()
      default: break
      }
    }
  }

  private mutating func readNormalizer(_ bytes: ArraySlice<UInt8>) throws {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      switch number {
      case 2: replacements = Array(try value.bytes())
      case 3: addsPrefix = try value.bool()
      case 4: removesExtraSpaces = try value.bool()
      case 5: escapesSpaces = try value.bool()
      default: break
      }
    }
  }

  /// The id of the control token `text`, or nil.
  func controlID(_ text: String) -> Int32? {
    pieces.firstIndex { $0.kind == .control && $0.text == text }.map { Int32($0) }
  }

  /// The id of the unknown token.
  func unknownID() throws -> Int32 {
    guard let index = pieces.firstIndex(where: { $0.kind == .unknown }) else {
      throw TokenizerError.badModelFile(file: file, problem: "a SentencePiece model without an unknown token")
    }
    return Int32(index)
  }

  /// The ids of the byte tokens (-1: missing); nil if the model does not fall back to bytes.
  func byteIDs() -> [Int32]? {
    guard fallsBackToBytes else { return nil }
    var ids = [Int32](repeating: -1, count: 256)
    for (id, piece) in pieces.enumerated() where piece.kind == .byte {
      if let byte = byteValue(ofToken: piece.text) { ids[Int(byte)] = Int32(id) }
    }
    return ids
  }
}

/// The byte of a token such as `<0x0A>`, or nil.
func byteValue(ofToken token: String) -> UInt8? {
  let text = Array(token.utf8)
  guard text.count == 6, token.hasPrefix("<0x"), text[5] == UInt8(ascii: ">") else { return nil }
  return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
}
