import Diagnostics
import Testing

@testable import Checkpoints

@Suite struct SafetensorsHeaderTests {
  /// Header, bytes of data, what is wrong.
  static let wrong: [(String, Int, String)] = [
    ("{", 0, "the header is not JSON: line 1, column 2: expected a key in double quotes, or }"),
    ("", 0, "the header is not JSON: line 1, column 1: unexpected end of the text, a value is missing"),
    ("[]", 0, "the header is not a JSON object"),
    (" {}", 0, "the header is not a JSON object"),
    ("7", 0, "the header is not a JSON object"),
    (#"{"a":1,"a":2}"#, 0, #"the header is not JSON: line 1, column 8: the key "a" occurs twice"#),
    (#"{"__metadata__":3}"#, 0, "__metadata__ is not an object of strings"),
    (#"{"__metadata__":{"epoch":3}}"#, 0, "__metadata__ is not an object of strings"),
    (#"{"a":[]}"#, 0, #"tensor "a": its entry in the header is not an object"#),
    (#"{"a\nb":[]}"#, 0, #"tensor "a\nb": its entry in the header is not an object"#),
    (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4, #"tensor "a": its dtype is missing or unknown"#),
    (#"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4, #"tensor "a": its dtype is missing or unknown"#),
    (#"{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}"#, 4, #"tensor "a": its dtype is missing or unknown"#),
    (
      #"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4,
      #"tensor "a": its shape must be a list of whole numbers, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4,
      #"tensor "a": its shape must be a list of whole numbers, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, 4,
      #"tensor "a": its shape must be a list of whole numbers, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, 4,
      #"tensor "a": its shape must be a list of whole numbers, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
      #"tensor "a": its shape overflows 64 bits"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}"#, 0,
      #"tensor "a": its shape overflows 64 bits"#
    ),
    (
      #"{"a":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,0]}}"#, 0,
      #"tensor "a": its shape overflows 64 bits"#
    ),
    (
      #"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#, 1,
      #"tensor "a": its numbers do not fill whole bytes"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1]}}"#, 4,
      #"tensor "a": its data_offsets must be two whole numbers in ascending order, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4,
      #"tensor "a": its data_offsets must be two whole numbers in ascending order, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#, 4,
      #"tensor "a": its data_offsets must be two whole numbers in ascending order, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4,
      #"tensor "a": its data_offsets must be two whole numbers in ascending order, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4,
      #"tensor "a": its data_offsets must be two whole numbers in ascending order, none negative"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}}"#, 4,
      #"tensor "a": its data ends at byte 5, but the file has 4 bytes of data"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}"#, 4,
      #"tensor "a": its data ends at byte 9223372036854775807, but the file has 4 bytes of data"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
      #"tensor "a": its data_offsets span 4 bytes, its shape and dtype need 8"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}"#,
      4, #"tensor "b": its data overlaps tensor "a""#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      4, #"tensor "b": its data overlaps tensor "a""#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8,
      #"tensor "a": 4 bytes before its data belong to no tensor"#
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 7,
      "3 bytes after the last tensor belong to no tensor"
    ),
    ("{}", 1, "1 bytes after the last tensor belong to no tensor"),
  ]

  @Test(arguments: wrong) func aWrongHeaderIsRefused(_ header: String, _ dataCount: Int, _ problem: String) throws {
    let scratch = try Scratch()
    let file = try scratch.file("m.safetensors", safetensors(header, dataCount: dataCount))
    expectError("m.safetensors: " + problem, dropping: scratch.path) { _ = try SafetensorsFile(path: file) }
  }

  /// The whole file.
  static let notSafetensors: [([UInt8], String)] = [
    ([], "not a safetensors file: 0 bytes, fewer than 8"),
    ([1, 2, 3, 4, 5, 6, 7], "not a safetensors file: 7 bytes, fewer than 8"),
    ([3, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], "the file is cut off: a header of 3 bytes, but only 2 bytes follow"),
    (
      [0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0],
      "not a safetensors file: a header of 100000001 bytes, more than 100000000"
    ),
    (
      [UInt8](repeating: 255, count: 9),
      "not a safetensors file: a header of 18446744073709551615 bytes, more than 100000000"
    ),
    ([2, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0x28], "the header is not JSON: line 1, column 1: expected a value"),
    (
      Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 90868376\n".utf8),
      "a Git LFS pointer instead of the weights; run `git lfs pull` in its repository"
    ),
  ]

  @Test(arguments: notSafetensors) func whatIsNoSafetensorsIsRefused(_ bytes: [UInt8], _ problem: String) throws {
    let scratch = try Scratch()
    let file = try scratch.file("m.safetensors", bytes)
    expectError("m.safetensors: " + problem, dropping: scratch.path) { _ = try SafetensorsFile(path: file) }
  }

  @Test func aMissingFileIsStatus66() {
    expectError("/nowhere/m.safetensors: No such file or directory", status: .missingInput) {
      _ = try SafetensorsFile(path: "/nowhere/m.safetensors")
    }
  }

  @Test func unknownFieldsAndSpacesAreNoMistake() throws {
    let scratch = try Scratch()
    let header = #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"note":1}}      "#
    let file = try SafetensorsFile(path: scratch.file("m", safetensors(header, dataCount: 4)))
    #expect(file.info("a") == .init(shape: [], dtype: .float32, byteCount: 4))
    #expect(try SafetensorsFile(path: scratch.file("none", safetensors("{}"))).names == [])
  }

  @Test func aDeepHeaderDoesNotExhaustTheStack() throws {
    let scratch = try Scratch()
    let file = try scratch.file("m", safetensors(String(repeating: #"{"a":"#, count: 200_000)))
    #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: file) }
  }
}
