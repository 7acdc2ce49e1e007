import Diagnostics
import StrictJSON

/// A part of the config that is a JSON object: its table of fields reads it and writes it.
protocol ConfigSection: Sendable {
  /// One line a key, in the order in which they are written.
  static func fields(_ catalog: Catalog) -> [Field<Self>]
}

/// One key of a section: where its value is kept, what is accepted, how it is written.
struct Field<Section: Sendable>: Sendable {
  let key: String
  let isRequired: Bool
  /// Whether a config is written without the key if it was not given.
  private(set) var isOmittedIfNull = false
  let below: [SchemaKey]
  /// What is accepted, as a JSON Schema.
  let schema: JSONValue
  let read: @Sendable (JSONNode, String, inout Section, inout ConfigProblems) -> Void
  let write: @Sendable (Section) -> JSONValue

  init<Value>(
    _ key: String, _ member: any WritableKeyPath<Section, Value> & Sendable, _ kind: FieldKind<Value>,
    required: Bool = false
  ) {
    (self.key, isRequired, below, schema) = (key, required, [], kind.schema)
    read = { node, path, section, problems in
      switch kind.read(node) {
      case .success(let value): section[keyPath: member] = value
      case .failure(let expected): problems.add(path, line: node.line, "must be \(expected.what), not \(node.shown)")
      }
    }
    write = { kind.write($0[keyPath: member]) }
  }

  /// The same field, left out of a config that does not give it: for keys that came after configs had been written.
  var omittedIfNull: Field {
    var field = self
    field.isOmittedIfNull = true
    return field
  }

  /// A value that may be null, for "not given".
  init<Value>(
    _ key: String, optional member: any WritableKeyPath<Section, Value?> & Sendable, _ kind: FieldKind<Value>
  ) {
    self.init(key, member, kind.orNull)
  }

  /// A field that is read and written in its own way.
  init(
    _ key: String, below: [SchemaKey], schema: JSONValue,
    read: @escaping @Sendable (JSONNode, String, inout Section, inout ConfigProblems) -> Void,
    write: @escaping @Sendable (Section) -> JSONValue
  ) {
    (self.key, isRequired, isOmittedIfNull) = (key, false, true)
    (self.below, self.schema, self.read, self.write) = (below, schema, read, write)
  }

  /// A section that is there only if it is given.
  init<Inner: ConfigSection>(
    _ key: String, optionalSection member: any WritableKeyPath<Section, Inner?> & Sendable, from defaults: Inner,
    _ catalog: Catalog
  ) {
    self.init(
      key, below: Inner.schema, schema: Inner.objectSchema(catalog).orNull,
      read: { node, path, section, problems in
        if node.isNull { return }
        var inner = defaults
        inner.read(node, path: path, catalog, problems: &problems)
        section[keyPath: member] = inner
      }, write: { $0[keyPath: member]?.json ?? .null })
  }

  /// A section within the section; null leaves all of its defaults.
  init<Inner: ConfigSection>(
    _ key: String, section member: any WritableKeyPath<Section, Inner> & Sendable, _ catalog: Catalog,
    required: Bool = false
  ) {
    let values = Inner.objectSchema(catalog)
    (self.key, isRequired, below, schema) = (key, required, Inner.schema, required ? values : values.orNull)
    read = { $2[keyPath: member].read($0, path: $1, catalog, problems: &$3) }
    write = { $0[keyPath: member].json }
  }
}

struct SchemaKey: Sendable {
  let key: String
  let below: [SchemaKey]
}

extension ConfigSection {
  /// Replaces the values that `node`, at `path`, gives. What does not fit goes to `problems`.
  mutating func read(_ node: JSONNode, path: String, _ catalog: Catalog, problems: inout ConfigProblems) {
    guard let object = node.isNull ? JSONObject() : node.object else {
      problems.add(path, line: node.line, "must be an object, not \(node.shown)")
      return
    }
    let fields = Self.fields(catalog)
    for key in object.keys where !fields.contains(where: { $0.key == key }) {
      let line = object[key]?.line ?? node.line
      // Editors take the schema's place from the file.
      if path.isEmpty, key == "$schema", object[key]?.string != nil { continue }
      if path.isEmpty, key == SweepConfig.key {
        problems.add(key, line: line, "makes many runs of one config: this is for \"swift-peft sweep\"")
        continue
      }
      problems.add(joined(path, key), line: line, "unknown key" + suggestion(for: key, in: Self.schema, at: path))
    }
    for field in fields {
      let path = joined(path, field.key)
      if let member = object[field.key], !(member.isNull && field.isRequired) {
        field.read(member, path, &self, &problems)
      } else if field.isRequired {
        problems.add(path, line: node.line, "is missing")
      }
    }
  }

  var json: JSONValue {
    .members(
      Self.fields(.standard).compactMap { field in
        let value = field.write(self)
        return field.isOmittedIfNull && value == .null ? nil : (field.key, value)
      })
  }

  static var schema: [SchemaKey] { fields(.standard).map { SchemaKey(key: $0.key, below: $0.below) } }

  /// An object with this section's keys and no others, as a JSON Schema.
  static func objectSchema(_ catalog: Catalog) -> JSONValue {
    let fields = fields(catalog), required = fields.filter(\.isRequired).map(\.key)
    let schema: JSONValue = [
      "type": "object", "properties": .members(fields.map { ($0.key, $0.schema) }), "additionalProperties": false,
    ]
    return required.isEmpty ? schema : schema.adding("required", .strings(required))
  }
}

/// Collects everything that is wrong with one config, and knows where each value came from.
struct ConfigProblems {
  let file: String
  let overrides: [Override]
  private var found: [(line: Int, error: ConfigError)] = []
  private var paths: Set<String> = []

  init(file: String, overrides: [Override]) { (self.file, self.overrides) = (file, overrides) }

  mutating func add(_ path: String, line: Int, _ problem: String) {
    paths.insert(path)
    let flag = overrides.last { path == $0.path || path.hasPrefix($0.path + ".") }?.flag
    found.append((flag == nil ? line : .max, .invalid(place: flag ?? "\(file):\(line)", path: path, problem: problem)))
  }

  /// Whether `path`, or the section it is in, has a problem.
  func concerns(_ path: String) -> Bool {
    paths.contains { $0.isEmpty || $0 == path || path.hasPrefix($0 + ".") }
  }

  /// In the order of the file's lines; those of overrides at the end.
  var errors: [ConfigError] {
    found.enumerated().sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }.map(\.element.error)
  }
}

/// The path of `key` in the object at `path`.
func joined(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

/// ", did you mean …?" with the nearest sibling, or the whole path where the key belongs to another section.
func suggestion(for key: String, in siblings: [SchemaKey], at path: String) -> String {
  let elsewhere = allPaths(of: RunConfig.schema).filter { $0 == key || $0.hasSuffix("." + key) }
  // Of several, the one that is not an option of a method.
  if let moved = elsewhere.min(by: { $0.count { $0 == "." } < $1.count { $0 == "." } }) {
    return ", did you mean \(moved)?"
  }
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
