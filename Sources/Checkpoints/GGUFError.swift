import Diagnostics
import Kernels

/// What is wrong with a GGUF file.
public struct GGUFError: UserFacingError, Equatable {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let problem: Problem

  /// A `problem` of the file `path`.
  public init(path: String, _ problem: Problem) { (self.path, self.problem) = (path, problem) }

  /// What can be wrong.
  public enum Problem: Error, Equatable {
    case notGGUF
    /// The text file that Git LFS leaves in place of a large file.
    case gitLFSPointer
    case unsupportedVersion(UInt32)
    case byteSwapped
    /// The file ends inside `part`, which begins or goes on at byte `offset`.
    case cutOff(part: String, offset: Int)
    case notUTF8(part: String, offset: Int)
    case duplicateKey(String)
    case unknownValueType(key: String, type: UInt32)
    case nestedList(key: String)
    case missingKey(String)
    case wrongValue(key: String, expected: String, found: String)
    case tooManyDimensions(tensor: String, UInt32)
    case shapeTooLarge(tensor: String)
    case unknownType(tensor: String, number: UInt32)
    case partialBlock(tensor: String, length: Int, type: ElementType)
    case misaligned(tensor: String, offset: UInt64, alignment: Int)
    case beyondFile(tensor: String, offset: UInt64, bytes: Int, available: Int)
    case overlap(tensor: String, other: String)
    case duplicateTensor(String)
    /// The file is one of several, and its name does not say which.
    case unnamedPart(parts: Int)
    case missingPart(file: String)
    case otherPart(file: String)
    /// The parts have another number of tensors than the first one says.
    case tensorsOfParts(found: Int, expected: Int)
    /// A directory has several models.
    case several(files: [String])
    /// An adapter, say, instead of a model.
    case notAModel(type: String)
    /// Tensors that a model of the family has no use for.
    case unusedTensors([String], family: String)
    /// Anything else, as the end of the sentence "path: …".
    case other(String)
  }

  /// `path: what is wrong`.
  public var description: String { "\(path): \(problem.sentence)" }

  /// 66 for a missing part, otherwise 65.
  public var exitStatus: ExitStatus { if case .missingPart = problem { .missingInput } else { .badInput } }
}

extension GGUFError.Problem {
  fileprivate var sentence: String {
    switch self {
    case .notGGUF: "is no GGUF file"
    case .gitLFSPointer: "a Git LFS pointer instead of the model; run `git lfs pull` in its repository"
    case .unsupportedVersion(let version): "has version \(version) of GGUF, not 2 or 3"
    case .byteSwapped:
      "is a GGUF file in big-endian byte order, which is not supported; convert it (gguf-convert-endian)"
    case .cutOff(let part, let offset): "the file is cut off in \(part), at byte \(offset)"
    case .notUTF8(let part, let offset): "\(part), at byte \(offset), is not UTF-8"
    case .duplicateKey(let key): "the key \(shown(key)) occurs twice"
    case .unknownValueType(let key, let type): "\(shown(key)): a value of the unknown type \(type)"
    case .nestedList(let key): "\(shown(key)): a list of lists, which is not supported"
    case .missingKey(let key): "the metadata lacks \(shown(key))"
    case .wrongValue(let key, let expected, let found): "\(shown(key)): must be \(expected), not \(found)"
    case .tooManyDimensions(let tensor, let count): "tensor \(shown(tensor)): \(count) dimensions, more than 4"
    case .shapeTooLarge(let tensor): "tensor \(shown(tensor)): its shape overflows 64 bits"
    case .unknownType(let tensor, let number):
      "tensor \(shown(tensor)): the type \(GGUFTypeNames.name(number)) is not supported; supported: "
        + ElementType.allCases.map(\.rawValue).joined(separator: ", ")
    case .partialBlock(let tensor, let length, let type):
      "tensor \(shown(tensor)): rows of \(length) numbers are no multiple of the \(type.blockSize) of a block of "
        + type.rawValue
    case .misaligned(let tensor, let offset, let alignment):
      "tensor \(shown(tensor)): its offset \(offset) is no multiple of the alignment \(alignment)"
    case .beyondFile(let tensor, let offset, let bytes, let available):
      "tensor \(shown(tensor)): \(bytes) bytes at the offset \(offset), but the file has \(available) bytes of data"
    case .overlap(let tensor, let other): "tensor \(shown(tensor)): its data overlaps tensor \(shown(other))"
    case .duplicateTensor(let tensor): "two tensors are named \(shown(tensor))"
    case .unnamedPart(let parts):
      "is one of \(parts) files of a model, whose names must end in -00001-of-\(GGUFSplit.number(parts)).gguf and so on"
    case .missingPart(let file): "is one part of a model, of which \(file) is missing"
    case .otherPart(let file): "is one part of a model, to which \(file) does not belong"
    case .tensorsOfParts(let found, let expected):
      "its parts have \(found) tensors together, not the \(expected) of \"split.tensors.count\""
    case .several(let files): "has \(files.count) GGUF files: \(files.firstThree); name one of them as the model"
    case .notAModel(let type): "is of the type \(shown(type)) (general.type), not a model"
    case .unusedTensors(let tensors, let family):
      "has \(tensors.count == 1 ? "a tensor" : "\(tensors.count) tensors") that a model of the architecture \(family) has "
        + "no use for: \(tensors.map(shown).firstThree)"
    case .other(let problem): problem
    }
  }
}

/// What ggml calls its types, for messages.
enum GGUFTypeNames {
  private static let others: [UInt32: String] = [
    4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
  ]

  static func name(_ number: UInt32) -> String { others[number].map { "\($0) (\(number))" } ?? "\(number)" }
}
