import Checkpoints
import Diagnostics

/// The tensors of an adapter's safetensors file, each to be taken once; what is left over is an error.
struct AdapterTensors {
  private let file: SafetensorsFile
  private var untaken: Set<String>

  init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    // Every number is copied, widened to float32.
    let bytes = file.names.reduce(0) { $0 + (file.info($1)?.byteCount ?? 0) }
    if bytes > InputFile.dataLimit {
      throw AdapterFileError(file: path, problem: .tooLarge(bytes: bytes, limit: InputFile.dataLimit))
    }
    self.file = file
    untaken = Set(file.names)
  }

  /// Names in the order of the file.
  var names: [String] { file.names }

  /// The shape of a tensor that is there.
  func shape(_ name: String) -> [Int]? { file.info(name)?.shape }

  /// The numbers of the tensor `name`, which `user` uses and which must have the shape `expected`.
  mutating func take(_ name: String, user: String, expected: [Int]) throws -> [Float] {
    guard let shape = shape(name) else { throw failure(.missingTensor(name, user: user)) }
    guard shape == expected else { throw failure(.wrongShape(tensor: name, shape: shape, expected: expected)) }
    return try take(name)
  }

  /// The tensor `name`, of whatever shape, for the head.
  mutating func takeHead(_ name: String) throws -> HeadTensor {
    HeadTensor(shape: shape(name) ?? [], values: try take(name))
  }

  /// Throws if a tensor has not been taken.
  func requireAllTaken() throws {
    if let name = file.names.first(where: untaken.contains) { throw failure(.unusedTensor(name)) }
  }

  /// Throws if nothing could be made of the numbers of a site.
  func requireUsable(_ table: SiteTable, _ numbers: (TensorKey) -> [Float]) throws {
    let design = table.method.design
    guard design.flaw != nil || design.form?.sparse != nil else { return }
    for position in table.sites.indices {
      let tensors = table.tensors(ofSiteAt: position, nil, numbers), path = table.sites[position].path
      if let flaw = design.flaw?(tensors) { throw failure(.unusable(path: path, flaw)) }
      do throws(SparseForm.BadPlaces) {
        _ = try design.form?.sparse?.places(tensors)
      } catch {
        throw failure(.unusable(path: path, "the places of its sparse matrix \(error.problem)"))
      }
    }
  }

  func failure(_ problem: AdapterFileError.Problem) -> AdapterFileError {
    AdapterFileError(file: file.path, problem: problem)
  }

  /// Indices, as Uni-LoRA's files in PEFT have them. Throws for one that a float cannot hold.
  private func wholeNumbers(_ name: String) throws -> [Float] {
    let bytes = try file.bytes(of: name)
    return try stride(from: 0, to: bytes.count, by: 8).map { start in
      let bits = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << (8 * $1) }
      guard let number = Float(exactly: Int64(bitPattern: bits)) else { throw failure(.notFinite(name)) }
      return number
    }
  }

  private mutating func take(_ name: String) throws -> [Float] {
    let values = try file.info(name)?.dtype == .int64 ? wholeNumbers(name) : file.tensor(name).floats()
    guard values.allSatisfy(\.isFinite) else { throw failure(.notFinite(name)) }
    untaken.remove(name)
    return values
  }
}
