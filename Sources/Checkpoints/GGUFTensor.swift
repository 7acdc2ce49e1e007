import Kernels

/// Where a GGUF file has a tensor of transformers.
public struct GGUFTensor: Sendable, Equatable {
  /// transformers' name.
  public let name: String
  /// The name in the file.
  public let stored: String
  /// The rows of a head, where the file has those of each head in another order (see `RowOrder`).
  public let headSize: Int?
  /// What is added to the file's numbers: −1 for the norms of Gemma, which the file has with 1 added.
  public let shift: Float

  /// A tensor of transformers called `name`, which the file calls `stored`.
  public init(name: String, stored: String, headSize: Int? = nil, shift: Float = 0) {
    (self.name, self.stored, self.headSize, self.shift) = (name, stored, headSize, shift)
  }

  /// The tensor as transformers has it; nil if the file lacks it.
  func tensor(in file: GGUFFile) -> FrozenTensor? {
    guard let info = file.info(stored) else { return nil }
    let order = headSize.flatMap { info.shape.first.map { $0 % 2 == 0 } ?? false ? RowOrder(headSize: $0) : nil }
    guard order.map({ (info.shape.first ?? 1) % $0.headSize == 0 }) ?? true else { return file.tensor(stored) }
    let tensor = file.tensor(stored, rowOrder: order)
    guard shift != 0 else { return tensor }
    return tensor.map { FrozenTensor($0.floats().map { $0 + shift }, shape: $0.shape) }
  }
}
