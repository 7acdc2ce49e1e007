import StrictJSON

/// A JSON Schema (draft 7): which values are accepted.
struct JSONSchema: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  /// The schema itself.
  private(set) var object: JSONObject

  var json: JSONValue { .object(object) }

  init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(.members(elements)) }

  init(_ value: JSONValue) {
    if case .object(let object) = value { self.object = object } else { object = JSONObject() }
  }

  /// With `key` where `condition` holds.
  func adding(_ key: String, _ value: JSONValue, if condition: Bool = true) -> JSONSchema {
    var copy = self
    if condition { copy.object[key] = JSONNode(value) }
    return copy
  }

  /// The same values, and null.
  var orNull: JSONSchema {
    if let type = object["type"] {
      let types = type.array ?? [type]
      return adding("type", .array(types + [JSONNode(.string("null"))]))
    }
    if let names = object["enum"]?.array { return adding("enum", .array(names + [JSONNode(.null)])) }
    let choices = object["anyOf"]?.array ?? [JSONNode(json)]
    return ["anyOf": .array(choices + [JSONNode(["type": "null"])])]
  }
}

extension ConfigSection {
  /// An object with this section's keys and no others.
  static func objectSchema(_ catalog: Catalog) -> JSONSchema {
    let fields = fields(catalog)
    let required = fields.filter(\.isRequired).map(\.key)
    return JSONSchema([
      "type": "object", "properties": .members(fields.map { ($0.key, $0.schema.json) }), "additionalProperties": false,
    ]).adding("required", .strings(required), if: !required.isEmpty)
  }
}

extension RunConfig {
  /// The JSON Schema of a run config, made from the tables that read it: what an editor completes and checks by.
  ///
  /// Rules on how values go together are the program's own: `swift-peft train --dry-run` asks them.
  public static func schemaText(_ catalog: Catalog = .standard) -> String {
    var schema = objectSchema(catalog).object
    var properties = described(schema["properties"]?.object ?? JSONObject(), defaults: standard, under: "")
    properties["sweep"] = JSONNode(sweep(properties))
    properties["$schema"] = JSONNode(["type": "string", "description": .string("Where this schema is; for editors.")])
    schema["properties"] = JSONNode(.object(properties))
    var text = JSONObject()
    text["$schema"] = JSONNode("http://json-schema.org/draft-07/schema#")
    text["title"] = JSONNode("swift-peft run config")
    text["description"] = JSONNode("One run of swift-peft. Comments and trailing commas are accepted.")
    for key in schema.keys { text[key] = schema[key] }
    text["allowComments"] = JSONNode(true)
    text["allowTrailingCommas"] = JSONNode(true)
    return JSONWriter.text(.object(text), pretty: true)
  }

  /// Every default; what a config must give is not among them.
  private static var standard: JSONNode { JSONNode(RunConfig.initial(.standard).json) }

  /// With a description for every key, and the default of all that are not required.
  private static func described(_ properties: JSONObject, defaults: JSONNode, under path: String) -> JSONObject {
    var result = JSONObject()
    for key in properties.keys {
      guard let node = properties[key], var schema = node.object else { continue }
      let path = joined(path, key)
      schema["description"] = FieldDescriptions.text[path].map { JSONNode(.string($0)) }
      if let inner = schema["properties"]?.object {
        schema["properties"] = JSONNode(
          .object(described(inner, defaults: defaults[key] ?? JSONNode(.null), under: path)))
      } else if let value = defaults[key], !["", "model", "task.name"].contains(path), value.string != "" {
        schema["default"] = value
      }
      result[key] = JSONNode(.object(schema))
    }
    return result
  }

  /// The section of `swift-peft sweep`: paths and lists of their values.
  private static func sweep(_ properties: JSONObject) -> JSONValue {
    var paths = JSONObject()
    func add(_ properties: JSONObject, under path: String) {
      for key in properties.keys {
        let path = joined(path, key)
        guard let schema = properties[key]?.object, !SweepConfig.fixed.contains(path) else { continue }
        if let inner = schema["properties"]?.object { add(inner, under: path) }
        var values = schema
        values["description"] = nil
        values["default"] = nil
        paths[path] = JSONNode(["type": "array", "minItems": 1, "items": .object(values)])
      }
    }
    add(properties, under: "")
    return [
      "type": "object", "minProperties": 1, "additionalProperties": false,
      "description":
        "For \"swift-peft sweep\": paths of this config, each with a list of values; every combination is a run.",
      "properties": .object(paths),
    ]
  }
}
