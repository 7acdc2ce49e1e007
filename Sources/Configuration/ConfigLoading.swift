import Diagnostics
import Foundation
import StrictJSON

extension RunConfig {
  /// Reads a config file (JSON; comments and trailing commas are accepted).
  ///
  /// `overrides` are `path.to.key=value`, the last one on a key counts; `outputDir` and `database` stand before them.
  /// Throws everything that is wrong at once, each problem with its place.
  public static func load(
    path: String, overrides: [String] = [], outputDir: String? = nil, database: String? = nil,
    catalog: Catalog = .standard
  ) throws -> RunConfig {
    try load(
      bytes: read(path), file: path, name: fileStem(path), overrides: overrides, outputDir: outputDir,
      database: database, catalog: catalog)
  }

  /// Reads a config from `text`; `file` names it in errors, `name` is the run's name where the text gives none.
  public static func load(
    text: String, file: String = "config", name: String = "config", overrides: [String] = [],
    outputDir: String? = nil, database: String? = nil, catalog: Catalog = .standard
  ) throws -> RunConfig {
    try load(
      bytes: Array(text.utf8), file: file, name: name, overrides: overrides, outputDir: outputDir, database: database,
      catalog: catalog)
  }

  private static func load(
    bytes: [UInt8], file: String, name: String, overrides: [String], outputDir: String?, database: String?,
    catalog: Catalog
  ) throws -> RunConfig {
    try load(
      node: JSONParser.parse(bytes, file: file, dialect: .config), file: file, name: name, overrides: overrides,
      outputDir: outputDir, database: database, catalog: catalog)
  }

  /// Reads a parsed config. `more` stand after `overrides`: they are what a sweep varies.
  static func load(
    node: JSONNode, file: String, name: String, overrides: [String], more: [Override] = [], outputDir: String?,
    database: String?, catalog: Catalog = .standard
  ) throws -> RunConfig {
    var node = node
    var misuses: [ConfigError] = []
    var replaced: [Override] = []
    for text in overrides {
      do { replaced.append(try Override(parsing: text)) } catch { misuses.append(error) }
    }
    if let outputDir { replaced.append(Override(flag: "--output-dir", path: "output_dir", value: .string(outputDir))) }
    if let database { replaced.append(Override(flag: "--database", path: "database", value: .string(database))) }
    replaced += more
    for override in replaced { node = node.replacing(override.path.split(separator: "."), with: override.value) }

    var problems = ConfigProblems(file: file, overrides: replaced)
    var config = RunConfig.read(node, path: "", catalog, problems: &problems)
    let sound = ConfigRule.all.filter { rule in ([rule.path] + rule.others).allSatisfy { !problems.concerns($0) } }
    for rule in sound {
      if let problem = rule.problem(config) {
        problems.add(rule.path, line: node.line(of: rule.path.split(separator: ".")), problem)
      }
    }
    try ErrorList.throwIfAny(misuses + problems.errors)
    if config.name.isEmpty { config.name = name }
    if config.outputDir.isEmpty { config.outputDir = "runs/\(config.name)" }
    return config
  }

  /// All of a file, or of a pipe.
  static func read(_ path: String) throws -> [UInt8] {
    do { return try InputFile.read(path, limit: InputFile.textLimit, allowsPipe: true) } catch {
      throw error == .system(ENOENT)
        ? ConfigError.missing(file: path) : ConfigError.unreadable(file: path, reason: error.description)
    }
  }

  /// The file's name without its last extension.
  static func fileStem(_ path: String) -> String {
    URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
  }
}
