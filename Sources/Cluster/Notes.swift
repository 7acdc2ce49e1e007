extension Cluster {
  /// What the ranks have to say to the user, on rank 0; nothing on the others. Every rank must call it, also one that has
  /// no note.
  ///
  /// Each note is there once. It names who has it, unless that is rank 0 alone or everyone. Of notes that differ only in
  /// numbers, such as measured ones, there is that of the first rank.
  public func collect(note: String?) -> [String] {
    if isAlone { return note.map { [$0] } ?? [] }
    let all = zip(members, gather(Array((note ?? "").utf8))).filter { !$1.isEmpty }.map { member, bytes in
      (member: member, text: String(decoding: bytes, as: UTF8.self))
    }
    guard leads else { return [] }
    let kinds = Dictionary(grouping: all) { Self.withoutNumbers($0.text) }
    var seen: Set<String> = []
    return all.compactMap { note in
      let kind = Self.withoutNumbers(note.text)
      guard seen.insert(kind).inserted else { return nil }
      return merged(kinds[kind] ?? [])
    }
  }

  /// One text for notes of the same kind.
  private func merged(_ notes: [(member: Member, text: String)]) -> String? {
    guard let first = notes.first else { return nil }
    let who = notes.map(\.member)
    if who.count == size || who == [members[0]] { return first.text }
    if notes.allSatisfy({ $0.text == first.text }) { return "\(who.named): \(first.text)" }
    let others = who.count == 2 ? "1 other rank" : "\(who.count - 1) other ranks"
    return "\(first.member.name), and alike \(others): \(first.text)"
  }

  private static func withoutNumbers(_ text: String) -> String {
    String(text.map { $0.isNumber ? "0" : $0 }).split(separator: "0").joined(separator: "0")
  }
}
