import Diagnostics

/// A file of an adapter's tensors that cannot be used. What is wrong with its config is a `JSONFieldError`.
public struct AdapterFileError: UserFacingError, Equatable {
  /// The file.
  public let file: String
  /// What is wrong with it.
  public let problem: Problem

  /// What can be wrong.
  public enum Problem: Sendable, Equatable {
    case missingTensor(String, user: String)
    case unusedTensor(String)
    case wrongShape(tensor: String, shape: [Int], expected: [Int])
    case notFinite(String)
    /// Numbers of a map that nothing can be made of.
    case unusable(path: String, String)
    /// Tensors that this machine's memory cannot hold.
    case tooLarge(bytes: Int, limit: Int)
    /// Tensors of a map that the config does not choose; PEFT would leave them out.
    case notChosen(String, config: String)
    /// Only Python's pickle of the tensors is there.
    case pickle
    /// The adapter is for a map that the model does not have.
    case unknownModule(String, nearest: String?)
  }

  /// `file: what is wrong`.
  public var description: String { "\(file): \(sentence)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }

  private var sentence: String {
    switch problem {
    case .missingTensor(let tensor, let user): "tensor \"\(tensor)\" is missing; \(user) needs it"
    case .unusedTensor(let tensor): "tensor \"\(tensor)\" matches no adapted module"
    case .wrongShape(let tensor, let shape, let expected):
      "tensor \"\(tensor)\" has the shape \(shape), expected \(expected)"
    case .unusable(let path, let problem): "\(path) cannot be used: \(problem)"
    case .notFinite(let tensor): "tensor \"\(tensor)\" holds NaN or infinite numbers"
    case .tooLarge(let bytes, let limit): "\(bytes) bytes of tensors; this machine can hold \(limit)"
    case .notChosen(let path, let config):
      "has tensors for \(path), which \(config) does not choose (target_modules, exclude_modules, layers_to_transform)"
    case .pickle:
      "pickles are not read; convert it in Python: safetensors.torch.save_file(torch.load('adapter_model.bin', "
        + "weights_only=True), 'adapter_model.safetensors')"
    case .unknownModule(let path, let nearest):
      "the model has no linear map \(path)" + (nearest.map { "; did you mean \($0)?" } ?? "")
    }
  }
}

/// An adapter that another program's format cannot hold.
public enum AdapterFormatError: UserFacingError, Equatable {
  /// A map that is more than a LoRA.
  case notPlainLoRA(format: String, path: String)
  /// A method whose product depends on the base model, without that.
  case needsWeights(strategy: String)
  /// A family that llama.cpp does not know.
  case otherFamily(String, supported: [String])
  /// A classification head, for which llama.cpp has no place.
  case head(String)
  /// Nothing is adapted.
  case empty
  /// A map that llama.cpp has no name for.
  case module(String)

  /// What cannot be written, and why.
  public var description: String {
    switch self {
    case .notPlainLoRA(let format, let path):
      "--format \(format): \(path) changes its weight by more than a low rank (a scale of its rows, sparse numbers), which a plain LoRA cannot "
        + "hold; use merge"
    case .needsWeights(let strategy): "the strategy \(strategy) needs the weights of the base model"
    case .otherFamily(let family, let supported):
      "--format gguf: llama.cpp has no names for a \(family) adapter; supported: \(supported.joined(separator: ", "))"
    case .head(let tensor):
      "--format gguf: the adapter has a classification head (\(tensor)), for which a LoRA file of llama.cpp has no place"
    case .empty: "--format gguf: the adapter changes nothing, there is no LoRA to write"
    case .module(let path): "--format gguf: llama.cpp has no name for \(path)"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
