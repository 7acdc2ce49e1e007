internal import CCrypto

/// A SHA-256 digest, computed as the bytes arrive. A copy continues on its own.
///
///     var digest = Digest()
///     digest.update(Array("abc".utf8))
///     digest.text  // "ba7816bf8f01cfea…"
public struct Digest {
  private var state = State()

  /// The digest of no bytes.
  public init() {}

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    if !isKnownUniquelyReferenced(&state) { state = State(copying: state) }
    state.update(bytes)
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
  public var text: String { State(copying: state).finish() }
}

/// libcrypto's hash context. Its calls fail only when memory runs out, which ends a Swift program anyway.
private final class State {
  private let context: OpaquePointer

  init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      fatalError("libcrypto has no SHA-256")
    }
    self.context = context
  }

  convenience init(copying other: State) {
    self.init()
    precondition(EVP_MD_CTX_copy_ex(context, other.context) == 1)
  }

  deinit { EVP_MD_CTX_free(context) }

  func update(_ bytes: UnsafeRawBufferPointer) {
    precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1)
  }

  func finish() -> String {
    var bytes = [UInt8](repeating: 0, count: 32)
    precondition(EVP_DigestFinal_ex(context, &bytes, nil) == 1)
    return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
