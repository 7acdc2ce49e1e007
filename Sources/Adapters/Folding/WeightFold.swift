import Checkpoints
import Diagnostics
import Kernels

/// W' = g ⊙ (W + s · B A + S) for one stored weight, block by block: computed in float32, rounded once to the weight's own type.
struct WeightFold: Sendable {
  let file: SafetensorsFile
  /// The weight's name in `file`.
  let stored: String
  /// One LoRA on the whole map.
  let entry: ExpandedAdapter.Entry
  /// Whether the weight is [in, out], as GPT-2's Conv1D has it.
  let isTransposed: Bool
  /// Whether the sum stays float32 instead of being rounded to the weight's own type.
  var staysFloat32 = false

  /// Numbers of a block; its float32 and its rounded copy are all that is held.
  private static let blockSize = 1 << 20

  /// The weight as it will be in the file, under `name`. Throws if it has another shape than the map.
  func tensor(named name: String) throws -> SafetensorsTensor {
    let weight = try file.tensor(stored)
    let site = entry.site
    let expected = isTransposed ? [site.inFeatures, site.outFeatures] : [site.outFeatures, site.inFeatures]
    guard weight.shape == expected else {
      throw CheckpointError.wrongShape(file: file.path, tensor: stored, found: weight.shape, expected: expected)
    }
    return SafetensorsTensor(name: name, shape: weight.shape, type: SafetensorsType(type(of: weight))) { write in
      try fold(weight, write)
    }
  }

  private func type(of weight: FrozenTensor) -> ElementType { staysFloat32 ? .float32 : weight.elementType }

  private func fold(_ weight: FrozenTensor, _ write: (UnsafeRawBufferPointer) throws -> Void) throws {
    let columns = weight.columns, rows = weight.rows
    let block = max(1, min(rows, Self.blockSize / max(1, columns)))
    var left = isTransposed ? entry.a : entry.b, right = isTransposed ? entry.b : entry.a
    var sums = [Float](repeating: 0, count: block * columns)
    defer { file.forget(stored) }
    let type = type(of: weight)
    for start in stride(from: 0, to: rows, by: block) {
      let count = min(block, rows - start)
      sums.withUnsafeMutableBufferPointer { sums in
        guard let base = sums.baseAddress else { return }
        weight.widen(range: (start * columns)..<((start + count) * columns), into: base)
        left.withUnsafeMutableBufferPointer { left in
          right.withUnsafeMutableBufferPointer { right in
            add(rows: start, count, left, right, to: MatrixView(base, stride: columns), columns)
          }
        }
        addSparse(from: start, count, base, columns)
        scaleRows(from: start, count, base, columns)
      }
      let numbers = sums[0..<(count * columns)]
      if let bad = numbers.firstIndex(where: { !Self.fits($0, type) }) {
        throw FoldError.overflow(
          tensor: stored, type: type.rawValue, row: start + bad / columns, value: numbers[bad])
      }
      try Self.write(numbers, as: type, write)
    }
  }

  /// block [count, columns] += s · B A, or its transpose, of the rows from `start` on.
  private func add(
    rows start: Int, _ count: Int, _ left: UnsafeMutableBufferPointer<Float>,
    _ right: UnsafeMutableBufferPointer<Float>, to block: MatrixView, _ columns: Int
  ) {
    guard let left = left.baseAddress, let right = right.baseAddress, entry.rank > 0 else { return }
    let rank = entry.rank, scale = Float(entry.scale)
    if isTransposed {
      // Aᵀ [in, r] times Bᵀ [r, out].
      multiply(
        count, columns, rank, alpha: scale, MatrixView(left + start, stride: entry.site.inFeatures).transposed,
        MatrixView(right, stride: rank).transposed, beta: 1, block)
    } else {
      multiply(
        count, columns, rank, alpha: scale, MatrixView(left + start * rank, stride: rank),
        MatrixView(right, stride: entry.site.inFeatures), beta: 1, block)
    }
  }

  /// Adds the numbers of S that lie in the block.
  private func addSparse(from start: Int, _ count: Int, _ block: UnsafeMutablePointer<Float>, _ columns: Int) {
    guard let sparse = entry.sparse else { return }
    for (index, value) in sparse.values.enumerated() {
      let out = Int(sparse.places.rows[index]), input = Int(sparse.places.columns[index])
      let (row, column) = isTransposed ? (input - start, out) : (out - start, input)
      if (0..<count).contains(row) { block[row * columns + column] += value }
    }
  }

  /// Multiplies the outputs of the block by g.
  private func scaleRows(from start: Int, _ count: Int, _ block: UnsafeMutablePointer<Float>, _ columns: Int) {
    guard let rowScale = entry.rowScale else { return }
    for row in 0..<count {
      for column in 0..<columns {
        block[row * columns + column] *= rowScale[isTransposed ? column : start + row]
      }
    }
  }

  private static func fits(_ number: Float, _ type: ElementType) -> Bool {
    type == .float16 ? abs(number) < 65_520 : number.isFinite
  }

  private static func write(
    _ numbers: ArraySlice<Float>, as type: ElementType, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    switch type {
    case .bfloat16, .float16: try HeadTensor.bits16(numbers, as: type).withUnsafeBytes(write)
    default: try numbers.withUnsafeBytes(write)
    }
  }
}

extension HeadTensor {
  /// Bit patterns of `numbers`, each rounded once to the nearest number of `type`, halves to even.
  static func bits16(_ numbers: some Sequence<Float>, as type: ElementType) -> [UInt16] {
    if type == .float16 { return numbers.map { Float16($0).bitPattern } }
    return numbers.map { number in
      let bits = number.bitPattern
      return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }
  }

  /// The tensor as a file of `type` holds it.
  func stored(as name: String, type: ElementType) -> SafetensorsTensor {
    guard type != .float32 else { return SafetensorsTensor(name: name, shape: shape, values) }
    return SafetensorsTensor(
      name: name, shape: shape, type: SafetensorsType(type), bits16: Self.bits16(values, as: type))
  }
}

/// What can be wrong when an adapter is folded into its model.
public enum FoldError: UserFacingError, Equatable {
  /// The sum does not fit the weight's type.
  case overflow(tensor: String, type: String, row: Int, value: Float)
  /// The checkpoint has no weight for an adapted map, or lacks a part of the model.
  case missingWeight(directory: String, tensor: String)
  /// Two stored tensors are the same one of the model.
  case ambiguous(directory: String, tensor: String, names: [String])
  /// transformers has no class for a classifier of the family.
  case noClassifier(modelType: String)
  /// The adapter's head is not the one of the model's family.
  case wrongHead(found: [String], expected: [String])

  /// What is wrong, and where.
  public var description: String {
    switch self {
    case .overflow(let tensor, let type, let row, let value):
      "\(tensor): row \(row) becomes \(value), which \(type) cannot hold"
    case .missingWeight(let directory, let tensor): "\(directory): the checkpoint lacks \(tensor)"
    case .ambiguous(let directory, let tensor, let names):
      "\(directory): \(names.joined(separator: " and ")) are both \(tensor)"
    case .noClassifier(let type):
      "transformers has no sequence classifier of \(type), so a merged one could not be loaded; use the run with eval "
        + "and predict"
    case .wrongHead(let found, let expected):
      "the adapter's head is \(found.joined(separator: ", ")), the model's is \(expected.joined(separator: ", "))"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
