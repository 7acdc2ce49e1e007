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
          }
          for fault in option.faults(in: member) {
            problems.add(
              joined(path, key) + fault.path, line: fault.node.line,
              "must be \(fault.expected), not \(fault.node.shown)")
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
  /// Methods that go on from an adapter, and those of which nothing would be left of one.
  static let adoption = [
    ConfigRule(path: "adapter.init_from", others: ["adapter.strategy"]) { config in
      guard let method = config.method else { return nil }
      if config.adapter.initFrom == nil {
        return method.design.adoption == nil ? nil : "strategy \(method.name) needs an adapter to go on from"
      }
      return method.procedure?.beginsAnew == true
        ? "strategy \(method.name) begins anew after its warm-up, when nothing would be left of the adapter" : nil
    }
  ]

  /// Options of a method that is not the run's.
  static let methods = Catalog.standard.methods.map(\.name).map { name in
    ConfigRule(path: "adapter.\(name)", others: ["adapter.strategy"]) { config in
      guard config.adapter.options[name] != nil, config.adapter.strategy != name else { return nil }
      return "only applies to strategy \(name); this run's is \(config.adapter.strategy)"
    }
  }
}

extension ConfigRule {
  /// Ranks, or an alpha, that no level of `multi-level` takes. A number that is the default may not have been given.
  static let levels = [
    ConfigRule(path: "adapter.r", others: ["adapter.strategy", "adapter.multi-level"]) { config in
      config.levelsGive(\.rank) && config.adapter.r != AdapterConfig().r
        ? "has no effect: every level of multi-level.levels gives its rank" : nil
    },
    ConfigRule(path: "adapter.rank_pattern", others: ["adapter.strategy", "adapter.multi-level"]) { config in
      config.levelsGive(\.rank) && !(config.adapter.rankPattern ?? []).isEmpty
        ? "has no effect: every level of multi-level.levels gives its rank" : nil
    },
    ConfigRule(path: "adapter.lora_alpha", others: ["adapter.strategy", "adapter.multi-level"]) { config in
      config.levelsGive(\.alpha) && config.adapter.loraAlpha != AdapterConfig().loraAlpha
        ? "has no effect: every level of multi-level.levels gives its alpha" : nil
    },
  ]
}

extension RunConfig {
  /// Whether the run's strategy is `multi-level` and all of its levels have a number of their own.
  fileprivate func levelsGive<Number>(_ number: KeyPath<SharingLevel, Number?>) -> Bool {
    let method = AdapterMethod.multiLevel
    guard adapter.strategy == method.name else { return false }
    let values = method.with(adapter.options[method.name] ?? MethodValues()).options
    return values.levels("levels").allSatisfy { $0[keyPath: number] != nil }
  }
}

extension ConfigRule {
  /// What is put on a method that does not take it.
  static let additions = [
    ConfigRule(path: "adapter.use_dora", others: ["adapter.strategy"]) { config in
      config.adapter.useDoRA == true ? config.takers(\.takesDoRA) : nil
    },
    withAdapters("lora_plus_ratio") { $0.loraPlusRatio != nil }, withAdapters("clora") { $0.clora != nil },
    ConfigRule(path: "adapter.init_lora_weights", others: ["adapter.strategy"]) { config in
      guard let start = config.adapter.initLoRAWeights, start != .standard else { return nil }
      return config.takers(\.takesStarts) ?? config.problem(of: start)
    },
    ConfigRule(path: "adapter.init_from_mean", others: ["adapter.init_lora_weights"]) { config in
      guard config.adapter.initFromMean == true else { return nil }
      let start = config.adapter.initLoRAWeights ?? .standard
      return start.comesFromWeights ? nil : "needs init_lora_weights pissa, pissa_niter_K, olora or mica"
    },
  ]
}

extension ConfigRule {
  /// What changes how adapters train, for a run that has some.
  private static func withAdapters(
    _ key: String, isGiven: @escaping @Sendable (AdapterConfig) -> Bool
  ) -> ConfigRule {
    ConfigRule(path: "adapter.\(key)", others: ["adapter.strategy"]) { config in
      guard let method = config.method, !method.hasAdapters, isGiven(config.adapter) else { return nil }
      return "strategy \(method.name) has no adapters"
    }
  }
}

extension RunConfig {
  /// The run's method, with its options.
  fileprivate var method: AdapterMethod? {
    catalog.methods.first { $0.name == adapter.strategy }.map { $0.with(adapter.options[$0.name] ?? MethodValues()) }
  }

  /// What is wrong if the run's strategy does not take something; names those that do.
  fileprivate func takers(_ takes: (AdapterMethod) -> Bool) -> String? {
    guard let method, !takes(method) else { return nil }
    let takers = catalog.methods.filter(takes).map(\.name)
    if takers.contains(method.name) { return "strategy \(method.name) does not take it with these options" }
    return "strategy \(method.name) does not take it, only \(takers.joined(separator: ", "))"
  }

  /// What is wrong with a start for a run that takes starts.
  fileprivate func problem(of start: AdapterStart) -> String? {
    if start == .mica, method?.procedure != nil {
      return "\(adapter.strategy) changes B while it trains, which \"mica\" freezes"
    }
    if adapter.initFrom != nil, !start.comesFromWeights {
      return "cannot go with init_from, which gives A and B their numbers"
    }
    return nil
  }
}

extension FieldKind where Value == AdapterStart {
  /// true, or PEFT's name of another start.
  static var start: Self {
    let names = AdapterStart.names.map { "\"\($0)\"" }.joined(separator: ", ")
    let fixed = AdapterStart.names.filter { AdapterStart(name: $0) != nil }
    return Self(
      read: { node in
        if node.bool == true { return .success(.standard) }
        return node.string.flatMap(AdapterStart.init).map { .success($0) } ?? .expected("true, \(names)")
      },
      write: { $0 == .standard ? true : .string($0.name) },
      schema: [
        "anyOf": [
          ["const": true], ["enum": .strings(fixed)], ["type": "string", "pattern": "^pissa_niter_[0-9]+$"],
        ]
      ])
  }
}
