internal import Crypto
import Kernels

/// SHA-256 of what it is fed, as lower-case hexadecimal text.
public struct Digest {
  private var hash = SHA256()

  /// Nothing fed yet.
  public init() {}

  /// Feeds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

  /// Feeds the bytes of numbers.
  public mutating func update<Number: BitwiseCopyable>(_ numbers: [Number]) {
    numbers.withUnsafeBytes { update($0) }
  }

  /// Feeds text with its length, so that neighbouring texts cannot run together.
  public mutating func update(_ text: String) {
    let bytes = Array(text.utf8)
    update([bytes.count])
    update(bytes)
  }

  /// The digest of everything fed so far.
  public var text: String {
    let digits = Array("0123456789abcdef")
    return hash.finalize().reduce(into: "") { text, byte in
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
  }

  /// The digest of a whole file. Throws `FileError`.
  public static func ofFile(_ path: String) throws -> String {
    of(try MappedFile(path: path))
  }

  /// The digest of a whole file.
  public static func of(_ file: MappedFile) -> String {
    var digest = Digest()
    digest.update(file.bytes)
    return digest.text
  }
}
