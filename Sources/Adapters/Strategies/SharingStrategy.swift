/// A sharing method: which A and which B a site uses at the start of training.
///
/// A new method is one small file with one value of this type, listed in `SharingStrategy.all`.
public struct SharingStrategy: Sendable {
  /// The name in configs: `share-a`.
  public let name: String
  /// One sentence for help texts.
  public let summary: String
  /// The key of the tensor that `site` uses as its A or B.
  public let key: @Sendable (_ side: Side, _ site: Site) -> TensorKey
  /// Whether B's are merged while training (ASLoRA).
  public let mergesWhileTraining: Bool
  /// Whether there are adapters at all; false trains the task's head alone.
  public let hasAdapters: Bool

  /// A method.
  public init(
    name: String, summary: String, mergesWhileTraining: Bool = false, hasAdapters: Bool = true,
    key: @escaping @Sendable (_ side: Side, _ site: Site) -> TensorKey
  ) {
    self.name = name
    self.summary = summary
    self.mergesWhileTraining = mergesWhileTraining
    self.hasAdapters = hasAdapters
    self.key = key
  }
}

extension SharingStrategy {
  /// Every method, in the order of tables and help texts.
  public static let all: [SharingStrategy] = [
    .lora, .shareA, .shareB, .shareAB, .shareAQKV, .shareBQKV, .shareABQKV, .aslora, .headOnly,
  ]

  /// The method that configs call `name`.
  public static func named(_ name: String) throws -> SharingStrategy {
    if let strategy = all.first(where: { $0.name == name }) { return strategy }
    throw AdapterError.unknownStrategy(name)
  }
}
