import Algorithms
import Diagnostics
import Testing

@Suite struct DigestTests {
  private func digest(_ bytes: [UInt8], by step: Int) -> String {
    var digest = Digest()
    for piece in bytes.chunks(ofCount: step) { digest.update(Array(piece)) }
    return digest.text
  }

  /// The examples of FIPS 180-4.
  @Test func isSHA256() {
    #expect(digest([], by: 1) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(digest(Array("abc".utf8), by: 2) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    for step in [1_000_000, 63, 64, 100_001] {
      #expect(digest(million, by: step) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
  }

  @Test func copiesContinueOnTheirOwn() {
    var digest = Digest()
    digest.update(Array("ab".utf8))
    var copy = digest
    copy.update(Array("d".utf8))
    _ = digest.text
    digest.update(Array("c".utf8))
    #expect(digest.text == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(copy.text != digest.text)
  }

  @Test func textsDoNotRunTogether() {
    func digest(_ texts: String...) -> String {
      var digest = Digest()
      for text in texts { digest.update(text) }
      return digest.text
    }
    #expect(digest("ab", "c") != digest("a", "bc"))
  }
}
