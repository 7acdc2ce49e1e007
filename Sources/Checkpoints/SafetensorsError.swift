import Diagnostics
import StrictJSON

/// A file that is not safetensors, or a tensor that cannot be had from it.
public struct SafetensorsError: UserFacingError, Equatable {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let problem: Problem

  /// What can be wrong.
  public enum Problem: Sendable, Equatable {
    case tooShort(bytes: Int)
    /// The text file that Git LFS leaves in the place of a large file.
    case gitLFSPointer
    case headerTooLong(UInt64)
    case headerBeyondFile(length: Int, available: Int)
    case headerNotJSON(String)
    case headerNotObject
    case metadataNotStrings
    /// An entry of the header that is not an object.
    case entryNotObject(tensor: String)
    case unknownType(tensor: String)
    case malformedShape(tensor: String)
    case shapeTooLarge(tensor: String)
    case malformedOffsets(tensor: String)
    case offsetsBeyondFile(tensor: String, end: Int, available: Int)
    case sizeMismatch(tensor: String, stored: Int, needed: Int)
    case overlap(tensor: String, other: String)
    case hole(before: String, bytes: Int)
    case trailingBytes(Int)
    case missingTensor(String, nearest: String?)
    /// A tensor whose numbers are not F32, F16 or BF16.
    case unusableType(tensor: String, type: SafetensorsType)
    /// Two tensors of one name, given to the writer.
    case duplicateTensor(String)
  }

  /// `path: what is wrong`.
  public var description: String { "\(path): \(problem.sentence)" }

  /// 65, bad input; what the writer was given is our own mistake.
  public var exitStatus: ExitStatus { if case .duplicateTensor = problem { .internalError } else { .badInput } }
}

extension SafetensorsError.Problem {
  fileprivate var sentence: String {
    switch self {
    case .tooShort(let bytes): "not a safetensors file: \(bytes) bytes, at least 8 are needed"
    case .gitLFSPointer: "a Git LFS pointer instead of the weights; run `git lfs pull` where it came from"
    case .headerTooLong(let length):
      "not a safetensors file: a header of \(length) bytes, at most 100000000 are allowed"
    case .headerBeyondFile(let length, let available):
      "cut short: a header of \(length) bytes, but only \(available) bytes follow"
    case .headerNotJSON(let problem): "the header is not JSON: \(problem)"
    case .headerNotObject: "the header is not a JSON object"
    case .metadataNotStrings: "__metadata__ is not an object of strings"
    case .entryNotObject(let tensor): "tensor \(shown(tensor)): its entry in the header is not an object"
    case .unknownType(let tensor): "tensor \(shown(tensor)): its dtype is missing or unknown"
    case .malformedShape(let tensor): "tensor \(shown(tensor)): its shape is not a list of whole numbers from 0 up"
    case .shapeTooLarge(let tensor): "tensor \(shown(tensor)): its shape is no size that memory can have"
    case .malformedOffsets(let tensor):
      "tensor \(shown(tensor)): its data_offsets are not two whole numbers from 0 up, in order"
    case .offsetsBeyondFile(let tensor, let end, let available):
      "tensor \(shown(tensor)): its data ends at byte \(end), but the file has \(available) bytes of data"
    case .sizeMismatch(let tensor, let stored, let needed):
      "tensor \(shown(tensor)): its data_offsets span \(stored) bytes, its shape and dtype need \(needed)"
    case .overlap(let tensor, let other): "tensor \(shown(tensor)): its data overlaps tensor \(shown(other))"
    case .hole(let tensor, let bytes): "tensor \(shown(tensor)): \(bytes) bytes before its data belong to no tensor"
    case .trailingBytes(let bytes): "\(bytes) bytes after the last tensor belong to no tensor"
    case .missingTensor(let tensor, let nearest):
      "no tensor \(shown(tensor))" + (nearest.map { "; did you mean \(shown($0))?" } ?? "")
    case .unusableType(let tensor, let type):
      "tensor \(shown(tensor)): weights of type \(type.rawValue) cannot be used; F32, F16 and BF16 can"
    case .duplicateTensor(let tensor): "two tensors are named \(shown(tensor))"
    }
  }
}

/// `name` in quotes, on one line, and not longer than a message bears.
func shown(_ name: String) -> String {
  JSONWriter.quoted(name.count > 200 ? name.prefix(200) + "…" : name)
}
