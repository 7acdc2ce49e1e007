import Adapters
import StrictJSON

extension Field<AdapterConfig> {
  /// The section with the options of `method`, called like it. Configs are written with it if it is the run's method.
  init(optionsOf method: AdapterMethod) {
    let options = method.declaredOptions, name = method.name
    let properties = options.map { option in
      let schema = option.fallback == .null ? option.schema.orNull : option.schema
      return (option.key, schema.adding("default", option.fallback))
    }
    let schema: JSONValue = [
      "type": "object", "properties": .members(properties), "additionalProperties": false,
    ]
    self.init(
      name, below: options.map { SchemaKey(key: $0.key, below: []) }, schema: schema.orNull,
      read: { node, path, section, problems in
        if node.isNull { return }
        guard let object = node.object else {
          problems.add(path, line: node.line, "must be an object, not \(node.shown)")
          return
        }
        var values = MethodValues()
        for key in object.keys {
          guard let member = object[key] else { continue }
          guard let option = options.first(where: { $0.key == key }) else {
            let known = options.map { SchemaKey(key: $0.key, below: []) }
            problems.add(
              joined(path, key), line: member.line, "unknown key" + suggestion(for: key, in: known, at: path))
            continue
          }
          if let value = option.value(member) {
            values[key] = value
          } else {
            problems.add(joined(path, key), line: member.line, "must be \(option.expected), not \(member.shown)")
          }
        }
        section.options[name] = values
      },
      write: { section in
        section.strategy == name ? method.with(section.options[name] ?? MethodValues()).options.json : .null
      })
  }
}

extension ConfigRule {
  /// Options of a method that is not the run's.
  static let methods = Catalog.standard.methods.map(\.name).map { name in
    ConfigRule(path: "adapter.\(name)", others: ["adapter.strategy"]) { config in
      guard config.adapter.options[name] != nil, config.adapter.strategy != name else { return nil }
      return "only applies to strategy \(name); this run's is \(config.adapter.strategy)"
    }
  }
}
