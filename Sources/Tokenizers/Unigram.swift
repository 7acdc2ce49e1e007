/// SentencePiece's unigram model: cuts a text into the pieces with the highest sum of scores.
///
/// Sums are rounded as in SentencePiece (`EncodeOptimized`), so that ties are decided alike.
struct Unigram: Model {
  let vocabulary: Vocabulary
  private let pieces: ScalarTable
  /// Id, score and kind of every string in `pieces`.
  private let entries: [Entry]
  private let unknownID: Int32
  private let unknownScore: Float
  private let highestScore: Float
  private let byteIDs: [Int32]?

  private struct Entry: Sendable {
    var id: Int32
    var score: Float
    var isUserDefined: Bool
  }

  init(_ file: SentencePieceFile, vocabulary: Vocabulary) throws {
    self.vocabulary = vocabulary
    unknownID = try file.unknownID()
    byteIDs = file.byteIDs()
    var table = ScalarTable(capacity: file.pieces.count)
    var entries: [Entry] = []
    var scores: (lowest: Float, highest: Float) = (.greatestFiniteMagnitude, -.greatestFiniteMagnitude)
    for (id, piece) in file.pieces.enumerated() where piece.kind == .normal || piece.kind == .userDefined {
      let scalars = Array(piece.text.unicodeScalars)
      if table.insert(scalars[...]).isNew {
        entries.append(Entry(id: Int32(id), score: piece.score, isUserDefined: piece.kind == .userDefined))
      }
      if piece.kind == .normal {
        scores = (min(scores.lowest, piece.score), max(scores.highest, piece.score))
      }
    }
    (pieces, self.entries) = (table, entries)
    (unknownScore, highestScore) = (scores.lowest - 10, scores.highest)
  }

  func encode(_ text: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    var isAfterUnknown = false
    for (start, end, id) in bestPath(text) {
      if id != unknownID {
        ids.append(id)
      } else if let byteIDs {
        for scalar in text[start..<end] {
          for byte in UTF8.encode(scalar) ?? UTF8.EncodedScalar() {
            ids.append(byteIDs[Int(byte)] < 0 ? unknownID : byteIDs[Int(byte)])
          }
        }
      } else if !isAfterUnknown {
        ids.append(id)
      }
      isAfterUnknown = id == unknownID
    }
  }

  private struct Node {
    var id: Int32 = -1
    var score: Float = 0
    var start = -1
  }

  private func bestPath(_ text: ArraySlice<Unicode.Scalar>) -> [(start: Int, end: Int, id: Int32)] {
    // `nodes[i]` is the best way to position i.
    var nodes = [Node](repeating: Node(), count: text.count + 1)
    let first = text.startIndex
    for start in 0..<text.count {
      var hasSingle = false
      pieces.findBeginnings(of: text[(first + start)...]) { index, end in
        let end = end - first, entry = entries[index]
        // SentencePiece scores a user-defined symbol by its bytes.
        let score =
          entry.isUserDefined
          ? Double(Float(text[(first + start)..<(first + end)].reduce(0) { $0 + UTF8.width($1) }) * highestScore) - 0.1
          : Double(entry.score)
        offer(Node(id: entry.id, start: start), score + Double(nodes[start].score), to: &nodes[end])
        if end == start + 1 { hasSingle = true }
      }
      if !hasSingle {
        let score = unknownScore + nodes[start].score
        offer(Node(id: unknownID, start: start), Double(score), to: &nodes[start + 1])
      }
    }
    var path: [(start: Int, end: Int, id: Int32)] = []
    var end = text.count
    while end > 0 {
      path.append((first + nodes[end].start, first + end, nodes[end].id))
      end = nodes[end].start
    }
    return path.reversed()
  }

  private func offer(_ candidate: Node, _ score: Double, to node: inout Node) {
    guard node.start < 0 || score > Double(node.score) else { return }
    node = candidate
    node.score = Float(score)
  }
}
