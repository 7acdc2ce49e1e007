import Diagnostics
import StrictJSON

/// The unigram model of `tokenizers`: cuts a text into the pieces with the highest sum of scores.
struct Unigram: Model {
  let vocabulary: Vocabulary
  private let scores: [Double]
  private let unknownID: Int32
  private let unknownScore: Double
  /// The ids of the tokens `<0x00>` to `<0xFF>` (-1: missing), if unknown text falls back to bytes.
  private let byteIDs: [Int32]?
  private let cache = WordCache()

  /// - Parameter pieces: in the order of their ids.
  init(_ pieces: [UnigramPiece], unknownID: Int32, fallsBackToBytes: Bool, place: FilePlace) throws {
    guard pieces.indices.contains(Int(unknownID)) else {
      throw TokenizerError.malformed(
        place, problem: "the unknown piece \(unknownID) is not among \(pieces.count) pieces")
    }
    var vocabulary = Vocabulary(capacity: pieces.count)
    for (id, piece) in pieces.enumerated() { try vocabulary.add(piece.text, id: Int32(clamping: id), place: place) }
    self.vocabulary = vocabulary
    self.unknownID = unknownID
    scores = pieces.map(\.score)
    unknownScore = (scores.min() ?? 0) - 10
    byteIDs = fallsBackToBytes ? vocabulary.byteIDs : nil
  }

  /// Reads `model` of tokenizer.json.
  init(_ field: JSONField) throws {
    try field.requireOnly(["type", "vocab", "unk_id", "byte_fallback"])
    let unknown = try field.member("unk_id")
    try self.init(
      UnigramPiece.list(field.member("vocab")), unknownID: unknown.id(of: "the unknown token"),
      fallsBackToBytes: field.flag("byte_fallback", or: false), place: unknown.place)
  }

  func encode(_ text: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if cache.append(text, to: &ids) { return }
    let first = ids.count
    encodeNew(text, into: &ids)
    cache.keep(text, ids[first...])
  }

  private func encodeNew(_ text: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    let path = bestPath(text)
    var index = 0
    while index < path.count {
      if path[index].id != unknownID {
        ids.append(path[index].id)
        index += 1
        continue
      }
      // A run of unknown pieces is one token.
      let start = path[index].start
      while index < path.count, path[index].id == unknownID { index += 1 }
      let end = index < path.count ? path[index].start : text.endIndex
      if let bytes = bytes(of: text[start..<end]) { ids += bytes } else { ids.append(unknownID) }
    }
  }

  /// The ids of a text's bytes, if the vocabulary has all of them.
  private func bytes(of text: ArraySlice<Unicode.Scalar>) -> [Int32]? {
    guard let byteIDs else { return nil }
    var ids: [Int32] = []
    for scalar in text {
      for byte in UTF8.encode(scalar) ?? UTF8.EncodedScalar() {
        if byteIDs[Int(byte)] < 0 { return nil }
        ids.append(byteIDs[Int(byte)])
      }
    }
    return ids
  }

  private struct Node {
    var id: Int32 = -1
    var score = 0.0
    var start = -1
  }

  private func bestPath(_ text: ArraySlice<Unicode.Scalar>) -> [(start: Int, id: Int32)] {
    // `nodes[i]` is the best way to position i.
    var nodes = [Node](repeating: Node(), count: text.count + 1)
    let first = text.startIndex
    for start in 0..<text.count {
      var hasSingle = false
      let here = nodes[start].score
      vocabulary.findBeginnings(of: text[(first + start)...]) { id, end in
        offer(Node(id: id, score: scores[Int(id)] + here, start: start), to: &nodes[end - first])
        if end - first == start + 1 { hasSingle = true }
      }
      if !hasSingle { offer(Node(id: unknownID, score: unknownScore + here, start: start), to: &nodes[start + 1]) }
    }
    var path: [(start: Int, id: Int32)] = []
    var end = text.count
    while end > 0 {
      path.append((first + nodes[end].start, nodes[end].id))
      end = nodes[end].start
    }
    return path.reversed()
  }

  private func offer(_ candidate: Node, to node: inout Node) {
    if node.start < 0 || candidate.score > node.score { node = candidate }
  }
}

extension UnigramPiece {
  /// Reads a list of pieces with their scores.
  static func list(_ field: JSONField) throws -> [UnigramPiece] {
    try field.value("a list") { $0.array }.enumerated().map { index, node in
      guard let pair = node.array, pair.count == 2, let text = pair[0].string, let score = pair[1].number,
        score.isFinite
      else {
        throw JSONField(node, file: field.file, path: "\(field.path)[\(index)]").error("must be a piece and its score")
      }
      return UnigramPiece(text: text, score: score)
    }
  }
}
