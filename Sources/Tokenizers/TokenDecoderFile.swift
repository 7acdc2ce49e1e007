import StrictJSON

extension TokenDecoder {
  /// Supported types of tokenizer.json.
  static let types = [
    "ByteLevel", "WordPiece", "Metaspace", "BPEDecoder", "Sequence", "Replace", "ByteFallback", "Fuse", "Strip",
  ]

  /// Reads `decoder` of tokenizer.json.
  init(_ field: JSONField) throws {
    let type = try field.member("type")
    var known = ["type"]
    switch try type.string() {
    case "ByteLevel":
      known += ["add_prefix_space", "trim_offsets", "use_regex"]
      self = .byteLevel
    case "WordPiece":
      known += ["prefix", "cleanup"]
      self = .wordPiece(prefix: try field.member("prefix").string(), cleansUp: try field.member("cleanup").bool())
    case "Metaspace":
      known += Metaspace.members
      self = .metaspace(try Metaspace(field))
    case "BPEDecoder":
      known.append("suffix")
      self = .bytePairs(suffix: try field.member("suffix").string())
    case "Sequence":
      known.append("decoders")
      self = .sequence(try field.member("decoders").elements().map { try Step($0) })
    default:
      self = .sequence([try Step(field)])
      return
    }
    try field.requireOnly(known)
  }
}

extension TokenDecoder.Step {
  fileprivate init(_ field: JSONField) throws {
    let type = try field.member("type")
    var known = ["type"]
    switch try type.string() {
    case "Replace":
      known += ["pattern", "content"]
      self = .replace(
        String(scalars: try replacedText(field.member("pattern"))), with: try field.member("content").string())
    case "ByteFallback": self = .byteFallback
    case "Fuse": self = .fuse
    case "Strip":
      known += ["content", "start", "stop"]
      self = .strip(
        try field.member("content").scalar(), left: try field.member("start").integer(atLeast: 0),
        right: try field.member("stop").integer(atLeast: 0))
    case let other where TokenDecoder.types.contains(other):
      self = .decoder(try TokenDecoder(field))
      return
    case let other: throw type.unsupported(other, TokenDecoder.types)
    }
    try field.requireOnly(known)
  }
}
