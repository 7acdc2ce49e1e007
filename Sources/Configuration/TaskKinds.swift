import Metrics
import StrictJSON
import Tasks

extension FieldKind where Value == ClassWeights {
  /// "balanced", a list of numbers, or an object of numbers by label.
  static var classWeights: Self {
    let what = "\"balanced\", a list of numbers above 0, or an object of them by label"
    let weight = FieldKind<Double>.number(above: 0)
    return Self(
      read: { node in
        if node.string == "balanced" { return .success(.balanced) }
        func weights(_ nodes: [JSONNode]) -> [Double]? {
          let values = nodes.compactMap { try? weight.read($0).get() }.filter(\.isFinite)
          return nodes.isEmpty || values.count < nodes.count ? nil : values
        }
        if let list = node.array.flatMap(weights) { return .success(.list(list)) }
        if let object = node.object, let values = weights(object.keys.compactMap { object[$0] }) {
          return .success(.byLabel(zip(object.keys, values).map { LabelWeight($0, $1) }))
        }
        return .expected(what)
      },
      write: { weights in
        switch weights {
        case .balanced: "balanced"
        case .list(let values): .list(values.map(weight.write))
        case .byLabel(let values): .members(values.map { ($0.label, weight.write($0.weight)) })
        }
      },
      schema: [
        "anyOf": [
          ["enum": ["balanced"]], ["type": "array", "items": weight.schema, "minItems": 1],
          ["type": "object", "additionalProperties": weight.schema, "minProperties": 1],
        ]
      ])
  }
}

extension FieldKind where Value == [String] {
  /// Names of metrics that say something of labels, and the loss.
  static func metrics(_ metrics: [Metric]) -> Self {
    let known = metrics.filter { $0 == .loss || !$0.needs.subtracting(.choices).isEmpty }
    var names: [String] = []
    for metric in known where !names.contains(metric.name) { names.append(metric.name) }
    return .list("a list of metrics: \(names.joined(separator: ", "))", of: .name(of: names))
  }
}
