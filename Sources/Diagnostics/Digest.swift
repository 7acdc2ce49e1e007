internal import CCrypto

/// A SHA-256 digest, computed as the bytes arrive. A copy continues on its own.
///
///     var digest = Digest()
///     digest.update(Array("abc".utf8))
///     digest.text  // "ba7816bf8f01cfea…"
public struct Digest {
  // libcrypto's own context is a plain value, and its functions cannot fail; those of EVP allocate and can.
  private var context = SHA256_CTX()

  /// The digest of no bytes.
  public init() { SHA256_Init(&context) }

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    SHA256_Update(&context, bytes.baseAddress, bytes.count)
  }

  /// Adds the bytes of numbers.
  public mutating func update<Number: BitwiseCopyable>(_ numbers: [Number]) {
    numbers.withUnsafeBytes { update($0) }
  }

  /// Adds a text after its length, so that "ab", "c" and "a", "bc" have different digests.
  public mutating func update(_ text: String) {
    let bytes = Array(text.utf8)
    update([bytes.count])
    update(bytes)
  }

  /// The digest of all bytes so far, in lower-case hexadecimal digits.
  public var text: String {
    var copy = context, bytes = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    SHA256_Final(&bytes, &copy)
    return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
