import Diagnostics
import StrictJSON

/// A part of the config that is a JSON object: its table of fields reads it and writes it.
protocol ConfigSection: Sendable {
  /// The value before anything is read. A required field has a stand-in there that never gets out.
  static func initial(_ catalog: Catalog) -> Self
  /// One line a key, in the order in which they are written.
  static func fields(_ catalog: Catalog) -> [Field<Self>]
}

/// One key of a section: where its value is kept, what is accepted, how it is written.
struct Field<Section: Sendable>: Sendable {
  let key: String
  let isRequired: Bool
  /// The keys below this one, where the value is a section itself.
  let below: [SchemaKey]
  /// What is accepted.
  let schema: JSONSchema
  let read: @Sendable (JSONNode, String, inout Section, inout ConfigProblems) -> Void
  let write: @Sendable (Section) -> JSONValue

  init<Value>(
    _ key: String, _ member: any WritableKeyPath<Section, Value> & Sendable, _ kind: FieldKind<Value>,
    required: Bool = false
  ) {
    self.key = key
    isRequired = required
    below = []
    schema = kind.schema
    read = { node, path, section, problems in
      switch kind.read(node) {
      case .value(let value): section[keyPath: member] = value
      case .expected(let what): problems.add(path, line: node.line, "must be \(what), not \(node.shown)")
      }
    }
    write = { kind.write($0[keyPath: member]) }
  }

  /// A value that may be null, for "not given".
  init<Value>(
    _ key: String, optional member: any WritableKeyPath<Section, Value?> & Sendable, _ kind: FieldKind<Value>
  ) {
    self.init(key, member, kind.orNull)
  }

  /// A section within the section; null leaves all of its defaults.
  init<Inner: ConfigSection>(
    _ key: String, section member: any WritableKeyPath<Section, Inner> & Sendable, _ catalog: Catalog,
    required: Bool = false
  ) {
    self.key = key
    isRequired = required
    below = Inner.schema
    let values = Inner.objectSchema(catalog)
    schema = required ? values : values.orNull
    read = { node, path, section, problems in
      section[keyPath: member] = Inner.read(node, path: path, catalog, problems: &problems)
    }
    write = { $0[keyPath: member].json }
  }
}

/// A key that a config may have, and those below it.
struct SchemaKey: Sendable {
  let key: String
  let below: [SchemaKey]
  /// What is accepted.
  let values: JSONSchema
}

/// A section whose defaults no catalog changes.
protocol PlainConfigSection: ConfigSection {
  static var initial: Self { get }
}

extension PlainConfigSection {
  static func initial(_ catalog: Catalog) -> Self { initial }
}

extension ConfigSection {
  /// The section at `path`, with every default that `node` does not replace. What does not fit goes to `problems`.
  static func read(_ node: JSONNode, path: String, _ catalog: Catalog, problems: inout ConfigProblems) -> Self {
    var section = initial(catalog)
    guard let object = node.isNull ? JSONObject() : node.object else {
      problems.add(path, line: node.line, "must be an object, not \(node.shown)")
      return section
    }
    let fields = fields(catalog)
    for key in object.keys where !fields.contains(where: { $0.key == key }) {
      let line = object[key]?.line ?? node.line
      // Editors take the schema's place from the file.
      if path.isEmpty, key == "$schema", object[key]?.string != nil { continue }
      if path.isEmpty, key == SweepConfig.key {
        problems.add(key, line: line, "makes many runs of one config: this is for \"swift-peft sweep\"")
        continue
      }
      problems.add(joined(path, key), line: line, "unknown key" + suggestion(for: key, in: schema, at: path))
    }
    for field in fields {
      let path = joined(path, field.key)
      if let member = object[field.key], !(member.isNull && field.isRequired) {
        field.read(member, path, &section, &problems)
      } else if field.isRequired {
        problems.add(path, line: node.line, "is missing")
      }
    }
    return section
  }

  /// The section with all of its fields.
  var json: JSONValue {
    var object = JSONObject()
    for field in Self.fields(.standard) { object[field.key] = JSONNode(field.write(self)) }
    return .object(object)
  }

  static var schema: [SchemaKey] {
    fields(.standard).map { SchemaKey(key: $0.key, below: $0.below, values: $0.schema) }
  }
}

/// The path of `key` in the object at `path`.
func joined(_ path: String, _ key: String) -> String {
  path.isEmpty ? key : "\(path).\(key)"
}

/// ", did you mean …?" with the nearest sibling, or the whole path where the key belongs to another section.
func suggestion(for key: String, in siblings: [SchemaKey], at path: String) -> String {
  let elsewhere = allPaths(of: RunConfig.schema).filter { $0 == key || $0.hasSuffix("." + key) }
  if let moved = elsewhere.first { return ", did you mean \(moved)?" }
  let near = familiarNames[key] ?? nearestName(to: key, among: siblings.map(\.key))
  return near.map { ", did you mean \($0)?" } ?? ", known are \(siblings.map(\.key).joined(separator: ", "))"
}

/// What other tools call the fields.
private let familiarNames = [
  "per_device_train_batch_size": "train_batch_size", "batch_size": "train_batch_size",
  "per_device_eval_batch_size": "eval_batch_size", "lr": "learning_rate", "epochs": "num_train_epochs",
  "num_epochs": "num_train_epochs", "warmup": "warmup_ratio", "alpha": "lora_alpha", "rank": "r",
  "dropout": "lora_dropout", "modules": "target_modules", "max_length": "max_seq_length",
  "evaluation_strategy": "eval_strategy",
  "patience": "early_stopping_patience", "grad_clip": "max_grad_norm", "scheduler": "lr_scheduler_type",
]

private func allPaths(of schema: [SchemaKey], under path: String = "") -> [String] {
  schema.flatMap { [joined(path, $0.key)] + allPaths(of: $0.below, under: joined(path, $0.key)) }
}

extension JSONNode {
  /// The value in a message: a short scalar as it is written, else its kind.
  var shown: String {
    switch value {
    case .array(let elements) where elements.isEmpty: "an empty list"
    case .array, .object: kind
    default: JSONWriter.text(value, pretty: false)
    }
  }
}
