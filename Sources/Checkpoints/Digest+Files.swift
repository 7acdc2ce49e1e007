import Diagnostics
import Kernels

extension Digest {
  /// The digest of the file at `path`. Throws `FileError`.
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
