import ArgumentParser
import Configuration

/// `swift-peft schema`.
struct Schema: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The JSON Schema of run configs, for editors.",
    discussion: """
      EXAMPLE: swift-peft schema > run-config.schema.json

      A config that says "$schema": "run-config.schema.json" is completed and checked by editors that know JSON \
      Schema. The same file is configs/run-config.schema.json of the repository.
      """)

  func run() throws { try Console.print(RunConfig.schemaText()) }
}
