/// What an E2E meaning representation says: attributes with their values.
public struct MeaningRepresentation: Sendable, Equatable {
  /// An attribute, such as `eatType`, and its value.
  public struct Attribute: Sendable, Equatable {
    /// As in the file.
    public let name: String
    /// As in the file.
    public let value: String
  }

  /// In file order.
  public let attributes: [Attribute]

  /// Parses `name[The Vaults], eatType[pub]`; nil where the text is no such list.
  public init?(_ text: String) {
    var attributes: [Attribute] = []
    var rest = text[...]
    while true {
      guard let open = rest.firstIndex(of: "["), let close = rest[open...].firstIndex(of: "]") else { return nil }
      let name = String(rest[..<open]).trimmed
      if name.isEmpty { return nil }
      attributes.append(Attribute(name: name, value: String(rest[rest.index(after: open)..<close])))
      rest = rest[rest.index(after: close)...].drop { $0.isWhitespace }
      if rest.isEmpty { break }
      guard rest.first == "," else { return nil }
      rest = rest.dropFirst()
    }
    self.attributes = attributes
  }

  /// The prompt of the published GPT-2 runs: `name : The Vaults | Type : pub | family friendly : no`.
  public var prompt: String {
    attributes.map { "\(Self.spoken[$0.name] ?? $0.name) : \($0.value)" }.joined(separator: " | ")
  }

  private static let spoken = ["eatType": "Type", "priceRange": "price", "familyFriendly": "family friendly"]
}

extension PromptedDataset {
  /// Reads a file of the E2E NLG challenge with the columns `mr` and `ref`: CSV, or as its ending tells.
  ///
  /// For training every row is an example; for evaluation (`groups`) every meaning representation is one, in the order
  /// of its first row, with all its references. Rows without a reference are left out.
  ///
  /// A prompt ends with the end-of-text token, and an answer begins with a space, as in LoRA's experiments.
  public init(e2e path: String, groups: Bool) throws {
    try self.init(e2e: Table(path: path, otherwise: .csv), groups: groups)
  }

  init(e2e table: Table, groups: Bool) throws {
    file = table.file
    let names = table.header?.map { $0.trimmed.lowercased() }
    if let header = table.header, let names, !names.contains("mr") || !names.contains("ref") {
      throw TaskError.badRecord(
        file: file, line: 1, problem: "the header must have the columns mr and ref, found \(listed(header))")
    }
    func text(_ name: String, _ row: Row) -> Result<String?, TaskError> {
      if let number = names?.firstIndex(of: name), let field = row.field(number) { return .success(field) }
      return table.text(name, of: row)
    }
    var rows: [(mr: String, prompt: String, ref: String, line: Int)] = []
    var problems = FileProblems(file: file), skips = SkipList(file: file)
    for row in table.rows {
      do throws(TaskError) {
        let mr = try text("mr", row).get() ?? "", ref = try text("ref", row).get() ?? ""
        guard let meaning = MeaningRepresentation(mr) else {
          throw TaskError.badRecord(
            file: file, line: row.line, problem: "\"\(mr)\" is no list like name[The Vaults], eatType[pub]")
        }
        if ref.trimmed.isEmpty {
          skips.add("an empty reference", line: row.line)
        } else {
          rows.append((mr, meaning.prompt, ref, row.line))
        }
      } catch {
        problems.add(error)
      }
    }
    try problems.throwIfAny()
    try skips.throwIfNothingLeft(of: table.rows.count)
    skipped = skips.all
    if !groups {
      examples = rows.map { row in
        PromptedText(prompt: row.prompt, endsPrompt: true, answer: " " + row.ref, references: [row.ref], line: row.line)
      }
      return
    }
    var order: [String] = [], grouped: [String: [Int]] = [:]
    for (index, row) in rows.enumerated() {
      if grouped[row.mr] == nil { order.append(row.mr) }
      grouped[row.mr, default: []].append(index)
    }
    examples = order.compactMap { grouped[$0] }.map { indices in
      let first = rows[indices[0]]
      return PromptedText(
        prompt: first.prompt, endsPrompt: true, answer: " " + first.ref, references: indices.map { rows[$0].ref },
        line: first.line)
    }
  }
}
