import Diagnostics
import Models
import StrictJSON

/// An adapter directory that cannot be used.
public struct AdapterFileError: UserFacingError, Equatable {
  /// The file, with the line where there is one: `runs/a/adapter_config.json:7`.
  public let place: String
  /// What is wrong there.
  public let problem: Problem

  /// `problem` at `place`.
  public init(place: String, problem: Problem) {
    self.place = place
    self.problem = problem
  }

  /// What can be wrong.
  public enum Problem: Sendable, Equatable {
    case notAnObject
    /// A directory of Hugging Face PEFT where one of our own is needed, or the reverse.
    case otherFormat(expected: String)
    case newerFormat(Int)
    case missingField(String)
    case wrongField(String, expected: String)
    case unknownField(String, nearest: String?)
    /// A PEFT option that changes what the adapter computes.
    case unsupported(field: String, value: String)
    case missingTensor(String, user: String)
    case unusedTensor(String)
    case wrongShape(tensor: String, shape: [Int], expected: [Int])
    case notFinite(String)
    /// Tensors that this machine's memory cannot hold.
    case tooLarge(bytes: Int, limit: Int)
    /// Two entries of `sites` for one module of one layer.
    case duplicateSite(module: String, layer: Int)
    /// The sharing in the file is not that of its strategy.
    case wrongSharing(path: String, role: TensorRole, named: String, expected: String)
    /// The adapter is for a map that the model does not have.
    case unknownModule(String, nearest: String?)
  }

  /// `place: what is wrong`.
  public var description: String { "\(place): \(problem.sentence)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

extension AdapterFileError.Problem {
  var sentence: String {
    switch self {
    case .notAnObject: return "not a JSON object"
    case .otherFormat(let expected): return "not \(expected)"
    case .newerFormat(let version): return "written by a newer program (format_version \(version))"
    case .missingField(let field): return "\(field) is missing"
    case .wrongField(let field, let expected): return "\(field): expected \(expected)"
    case .unknownField(let field, let nearest):
      return "unknown key \"\(field)\"" + (nearest.map { ", did you mean \"\($0)\"?" } ?? "")
    case .unsupported(let field, let value):
      return "\(field) = \(value) is not supported: plain LoRA adapters and a classification head only"
    case .missingTensor(let tensor, let user): return "no tensor \"\(tensor)\", which \(user) uses"
    case .unusedTensor(let tensor): return "tensor \"\(tensor)\" belongs to nothing that is adapted"
    case .wrongShape(let tensor, let shape, let expected):
      return "tensor \"\(tensor)\" has the shape \(shape), expected \(expected)"
    case .duplicateSite(let module, let layer): return "sites: \(module) of layer \(layer) occurs twice"
    case .tooLarge(let bytes, let limit): return "\(bytes) bytes of tensors; this machine can hold \(limit)"
    case .notFinite(let tensor): return "tensor \"\(tensor)\" holds NaN or infinite numbers"
    case .wrongSharing(let path, let role, let named, let expected):
      return "sites.\(path).\(role.name): \"\(named)\", but the strategy makes it \"\(expected)\""
    case .unknownModule(let path, let nearest):
      return "\(path) is no linear map of the model" + (nearest.map { "; near it: \($0)" } ?? "")
    }
  }
}

/// A mapping of an adapter onto sharing that its numbers do not allow.
public enum InitFromError: UserFacingError, Equatable {
  case rankDiffers(path: String, adapter: Int, config: Int)
  /// The method makes its products of other tensors than A and B, and the adapter is of another method.
  case otherMethod(config: String)
  /// The adapter has nothing for these maps.
  case missingSites([String])
  /// The run would ignore these maps of the adapter.
  case unusedSites([String])
  /// Maps of the stack that the strategy makes share a tensor, but whose numbers differ.
  case valuesDiffer(strategy: String, role: TensorRole, module: String, firstLayer: Int, otherLayers: [Int])

  /// What does not fit.
  public var description: String {
    switch self {
    case .rankDiffers(let path, let adapter, let config):
      return "adapter.init_from: \(path) has rank \(adapter), adapter.r is \(config)"
    case .otherMethod(let method):
      return "adapter.init_from: \(method) can only start from an adapter of the same method"
    case .missingSites(let paths):
      return "adapter.init_from: the adapter has nothing for \(Self.list(paths)), which target_modules names"
    case .unusedSites(let paths):
      return "adapter.init_from: the adapter has \(Self.list(paths)), which target_modules leaves out"
    case .valuesDiffer(let strategy, let role, let module, let first, let others):
      let layers = others.map(String.init).joined(separator: ", ")
      return """
        adapter.init_from: lora_\(role.name) of \(module) differs between layer \(first) and \
        layer\(others.count == 1 ? "" : "s") \(layers), but \(strategy) shares it
        """
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }

  private static func list(_ paths: [String]) -> String {
    paths.prefix(3).joined(separator: ", ") + (paths.count > 3 ? " and \(paths.count - 3) more" : "")
  }
}
