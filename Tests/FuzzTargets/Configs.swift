import Adapters
import Checkpoints
import Configuration
import Models

extension FuzzTarget {
  /// A run's config, which must survive being written and read.
  static let runConfig = FuzzTarget(name: "run-config") { input, directory in
    try directory.fill(["run.json": input])
    let config = try RunConfig.load(path: directory.path + "/run.json")
    if try RunConfig.load(text: config.jsonText()) != config {
      throw FuzzFinding(problem: "another config when read back")
    }
  }

  /// A model's config.json, and the geometry that follows from it.
  static let modelConfig = FuzzTarget(name: "model-config") { input, directory in
    try directory.fill(["config.json": input])
    let geometry = ModelGeometry(try ModelConfig(directory: directory.path))
    for labels in [nil, 1, 3] where geometry.totalParameters(labels: labels) < 0 {
      throw FuzzFinding(problem: "a negative number of parameters")
    }
  }
}
