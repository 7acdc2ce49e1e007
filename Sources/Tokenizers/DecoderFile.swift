extension Decoder {
  /// The types in tokenizer.json that are supported.
  static let types = [
    "ByteLevel", "WordPiece", "Metaspace", "BPEDecoder", "Sequence", "Replace", "ByteFallback", "Fuse", "Strip",
  ]

  /// Reads a `decoder` of tokenizer.json.
  init(_ field: Field) throws {
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
    try field.refuseOtherMembers(than: known)
  }
}

extension Decoder.Step {
  fileprivate init(_ field: Field) throws {
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
      let content = try field.member("content")
      guard let scalar = try content.string().unicodeScalars.first, try content.string().unicodeScalars.count == 1
      else { throw TokenizerError.malformed(content.place, problem: "must be one character") }
      let counts = try ["start", "stop"].map { key in
        let count = try field.member(key)
        guard try count.integer() >= 0 else {
          throw TokenizerError.malformed(count.place, problem: "cannot be negative")
        }
        return try count.integer()
      }
      self = .strip(scalar, left: counts[0], right: counts[1])
    case let other where Decoder.types.contains(other):
      self = .decoder(try Decoder(field))
      return
    case let other: throw TokenizerError.unsupported(type.place, value: other, supported: Decoder.types)
    }
    try field.refuseOtherMembers(than: known)
  }
}
