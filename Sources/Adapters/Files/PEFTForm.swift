import Checkpoints
import Models
import StrictJSON

/// How PEFT's files hold a method that PEFT has too: the type, keys of the config, names and shapes of tensors.
///
/// A method with a form is read from PEFT's files and written to them as what it is; others, and adapters of which the form
/// leaves something unsaid, become plain LoRA.
public struct PEFTForm: Sendable {
  /// `peft_type`: `VERA`.
  public let type: String
  /// Keys of `adapter_config.json` beside those that all types have. Others must be null, false or empty.
  public let keys: [String]
  /// The values of those keys; nil for a form that is only read.
  public let config: (@Sendable (_ subject: Subject) -> [(String, JSONValue)])?
  /// r, alpha and the options that a config gives.
  public let read: @Sendable (_ config: JSONField) throws -> Reading
  /// The method's tensors in the file.
  public let tensors: [Tensor]

  /// An adapter that is written.
  public struct Subject: Sendable {
    /// r.
    public let rank: Int
    /// alpha, dropout and the like.
    public let metadata: AdapterMetadata
    /// The method's options.
    public let options: MethodValues
    /// The adapted maps.
    public let maps: AdaptedMaps
  }

  /// What a config says of the method.
  public struct Reading: Sendable {
    /// r.
    public let rank: Int
    /// alpha; 1 for a method without.
    public let alpha: Double
    /// The method's options.
    public let options: MethodValues

    /// A reading.
    public init(rank: Int, alpha: Double = 1, options: MethodValues = MethodValues()) {
      (self.rank, self.alpha, self.options) = (rank, alpha, options)
    }
  }

  /// A tensor of the method. Its numbers have the same order in both files.
  public struct Tensor: Sendable {
    /// Its role here.
    public let role: TensorRole
    /// Its name there: behind the module's path, or behind `base_model.` if it is one for the whole model.
    public let name: String
    /// Whether there is one for the whole model.
    public let isOfModel: Bool
    /// Its shape there; nil if it is the same.
    public let shape: (@Sendable (_ site: Site, _ rank: Int, _ options: MethodValues, _ maps: AdaptedMaps) -> [Int])?
    /// What the file holds for its numbers; nil for themselves.
    public let stored: Stored?

    /// The file's tensors for one of this name, shape and numbers.
    public typealias Stored =
      @Sendable (_ name: String, _ shape: [Int], _ values: [Float], _ options: MethodValues) -> [SafetensorsTensor]

    /// A tensor.
    public init(
      _ role: TensorRole, _ name: String, isOfModel: Bool = false,
      shape: (@Sendable (_ site: Site, _ rank: Int, _ options: MethodValues, _ maps: AdaptedMaps) -> [Int])? = nil,
      stored: Stored? = nil
    ) {
      (self.role, self.name, self.isOfModel, self.stored, self.shape) = (role, name, isOfModel, stored, shape)
    }
  }

  /// A form.
  public init(
    type: String, keys: [String], tensors: [Tensor],
    config: (@Sendable (_ subject: Subject) -> [(String, JSONValue)])?,
    read: @escaping @Sendable (_ config: JSONField) throws -> Reading
  ) {
    (self.type, self.keys, self.tensors, self.config, self.read) = (type, keys, tensors, config, read)
  }

  /// The tensor of this role.
  func tensor(_ role: TensorRole) -> Tensor? { tensors.first { $0.role == role } }
}

extension PEFTForm.Tensor {
  /// The name in the file for a map at `path`, prefix included.
  func fileName(_ path: String) -> String {
    isOfModel ? "base_model.\(name)" : "\(PEFTForm.modulePrefix)\(path).\(name)"
  }
}

extension PEFTForm {
  /// What stands before the path of a module.
  static let modulePrefix = "base_model.model."
}

extension StoredAdapter {
  /// What of the adapter PEFT's form of its method has no place for: `has no rank_pattern`; nil for nothing.
  ///
  /// The forms have one r and one alpha for all maps, and no rsLoRA. PEFT takes a config with those keys all the same, and
  /// computes with other scales.
  var unsaid: String? {
    if table.sites.contains(where: { $0.slice != nil }) { return "cannot adapt a part of a fused map" }
    if metadata.useRSLoRA, table.method.design.scale.dividesAlpha { return "has no use_rslora" }
    if table.ranks.contains(where: { $0 != table.rank }) { return "has no rank_pattern" }
    return table.scales.contains { $0 != nil } ? "has no alpha_pattern" : nil
  }
}
