import ArgumentParser
import Configuration

/// `swift-peft schema`.
struct Schema: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the JSON Schema of run configs, for editors.",
    discussion: """
      EXAMPLE: swift-peft schema > run-config.schema.json

      With "$schema": "run-config.schema.json" in a config, editors that support JSON Schema complete and check it. The \
      repository has the same file as configs/run-config.schema.json.
      """)

  func run() throws { try Console.print(RunConfig.schemaText()) }
}
