/// Formats that people have data in and that are not read here, told by a file's first bytes.
enum ForeignFormat {
  private static let signatures: [(name: String, bytes: [UInt8], advice: String)] = [
    ("Parquet", Array("PAR1".utf8), table), ("Arrow", Array("ARROW1".utf8), table),
    ("Arrow", [0xFF, 0xFF, 0xFF, 0xFF], table), ("ORC", Array("ORC".utf8), table),
    ("SQLite", Array("SQLite format 3".utf8), table), ("HDF5", [0x89, 0x48, 0x44, 0x46], table),
    ("Avro", Array("Obj\u{1}".utf8), table),
    ("gzip", [0x1F, 0x8B], "unpack it first (gunzip)"), ("bzip2", Array("BZh".utf8), "unpack it first (bunzip2)"),
    ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "unpack it first (unxz)"),
    ("Zstandard", [0x28, 0xB5, 0x2F, 0xFD], "unpack it first (unzstd)"),
    ("7z", [0x37, 0x7A, 0xBC, 0xAF], "unpack it first"),
    ("ZIP (or a document of an office program)", [0x50, 0x4B, 3, 4], "unpack it, or export it as CSV or text"),
    ("PDF", Array("%PDF-".utf8), "extract its text first (pdftotext)"),
    ("RTF", Array("{\\rtf".utf8), "save it as plain text"),
    ("GGUF", Array("GGUF".utf8), "this is a model, not data"),
    ("UTF-32", [0xFF, 0xFE, 0, 0], unicode("UTF-32")), ("UTF-32", [0, 0, 0xFE, 0xFF], unicode("UTF-32")),
    ("UTF-16", [0xFF, 0xFE], unicode("UTF-16")), ("UTF-16", [0xFE, 0xFF], unicode("UTF-16")),
  ]

  private static let table = "convert it to JSONL or CSV"
  private static func unicode(_ name: String) -> String { "convert it to UTF-8 (iconv -f \(name) -t UTF-8)" }

  /// Throws if `bytes` begin as a format that is not read here.
  static func refuse(_ bytes: [UInt8], file: String) throws(TaskError) {
    if let found = signatures.first(where: { bytes.starts(with: $0.bytes) }) {
      throw .foreignFormat(file: file, format: found.name, advice: found.advice)
    }
    if bytes.dropFirst(257).starts(with: "ustar".utf8) {
      throw .foreignFormat(file: file, format: "tar", advice: "unpack it first (tar -xf)")
    }
    // Every other byte of UTF-16 without a mark is 0 in Western texts.
    let start = bytes.prefix(64)
    for parity in 0...1 where start.count >= 8 {
      let zeros = start.indices.filter { start[$0] == 0 }
      if zeros.count >= start.count / 3, zeros.allSatisfy({ $0 % 2 == parity }) {
        throw .foreignFormat(file: file, format: "UTF-16", advice: unicode("UTF-16\(parity == 0 ? "BE" : "LE")"))
      }
    }
  }
}
