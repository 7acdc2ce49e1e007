import Configuration
import StrictJSON

/// What a changed config means for a run that goes on.
struct ConfigComparison {
  /// Values that change what comes out, as `path: old, now new`.
  let differences: [String]

  /// Values that name, place, show or keep things. Where the inputs lie is no matter: what they hold is compared.
  private static let neutral: Set<String> = [
    "name", "output_dir", "database", "model", "task.data_dir", "task.train_file", "task.validation_file",
    "task.test_file", "task.fewshot_file", "adapter.init_from", "training.logging_steps", "training.save_steps",
    "training.save_total_limit", "training.max_nonfinite_steps",
  ]
  /// How long the run is: judged by the number of steps.
  private static let length: Set<String> = ["training.num_train_epochs", "training.max_steps"]

  /// Compares the config that a checkpoint was made with and the present one. A run that is made longer is the same
  /// run; `steps` are those of the whole run, then and now.
  init(old: RunConfig, new: RunConfig, steps: (old: Int, new: Int)) throws {
    let before = Self.leaves(try JSONParser.parse(old.jsonText())),
      after = Self.leaves(
        try JSONParser.parse(new.jsonText()))
    let changed = after.keys.sorted().filter { before[$0] != after[$0] && !Self.neutral.contains($0) }
    func shown(_ path: String) -> String {
      "\(path): \(before[path] ?? "not given"), now \(after[path] ?? "not given")"
    }
    differences = changed.filter { !Self.length.contains($0) || steps.new < steps.old }.map(shown)
    lengthening = steps.new > steps.old ? changed.filter(Self.length.contains).map(shown) : []
  }

  /// Values that make the run longer.
  let lengthening: [String]

  /// Every scalar and list of the config, by its path.
  private static func leaves(_ node: JSONNode, at path: String = "") -> [String: String] {
    guard let object = node.object else { return [path: JSONWriter.text(node.value, pretty: false)] }
    var leaves: [String: String] = [:]
    for key in object.keys {
      guard let member = object[key] else { continue }
      leaves.merge(Self.leaves(member, at: path.isEmpty ? key : "\(path).\(key)")) { $1 }
    }
    return leaves
  }
}
