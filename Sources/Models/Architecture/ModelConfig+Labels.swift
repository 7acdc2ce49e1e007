import StrictJSON

extension ModelConfig {
  /// More classes than this are a mistake; they would only take memory.
  private static let maximumLabels = 65_536

  /// Class names from `id2label`, or else from `label2id`; how many classes there are.
  ///
  /// As in transformers `id2label` decides where both are there: many checkpoints have a stale `label2id`.
  mutating func readLabels(_ fields: inout ConfigFields) {
    labelCount = fields.optionalInteger("num_labels", in: 1...Self.maximumLabels)
    let pairs: [(id: Int?, name: String?)]
    let key: String
    if let object = object("id2label", &fields) {
      key = "id2label"
      pairs = object.keys.map { (Int($0), object[$0]?.string) }
    } else if let object = object("label2id", &fields) {
      key = "label2id"
      pairs = object.keys.map { (object[$0]?.integer, $0) }
    } else {
      return
    }
    if pairs.isEmpty { return }
    guard pairs.count <= Self.maximumLabels else {
      fields.report(key, .outOfRange(field: key, value: "\(pairs.count) classes", expected: "1 to 65536"))
      return
    }
    var names = [String?](repeating: nil, count: pairs.count)
    for (id, name) in pairs {
      guard let id, let name, names.indices.contains(id), names[id] == nil else {
        fields.report(key, .inconsistent("\(key) does not give each of the classes 0 to \(pairs.count - 1) one name"))
        return
      }
      names[id] = name
    }
    labels = names.compactMap { $0 }
    labelCount = pairs.count
  }

  private func object(_ key: String, _ fields: inout ConfigFields) -> JSONObject? {
    guard let node = fields.node(key) else { return nil }
    return node.object ?? fields.wrongType(key, "an object")
  }
}
