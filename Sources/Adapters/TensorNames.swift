import Kernels

/// What a distinct tensor is called in files, and what its random start depends on.
extension SiteTable {
  /// The tensor's name in files.
  ///
  /// A tensor of one layer (or of a group, which its highest layer names):
  /// `encoder.layer.3.attention.self.query.lora_A.weight`. One of the whole stack:
  /// `shared.attention.self.query.lora_A.weight`.
  public func name(of key: TensorKey) -> String {
    let owner = key.layer.flatMap { site(module: key.module, layer: $0) }
    return "\(owner?.path ?? "shared." + key.module).lora_\(key.side.rawValue).weight"
  }

  /// Which random numbers the tensor starts from: a stable 64-bit hash of its side, its module and the lowest layer
  /// that uses it.
  ///
  /// A shared A thus starts as LoRA's A of layer 0, and every strategy starts alike where there is one layer only.
  public func initialisationKey(_ key: TensorKey) -> UInt64 {
    let layer = users(of: key).map { sites[$0].layer }.min() ?? 0
    return Philox.stream(named: "\(key.side.rawValue) \(key.module) \(layer)")
  }
}
