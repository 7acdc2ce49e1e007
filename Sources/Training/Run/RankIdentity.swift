import Cluster
import Configuration
import Diagnostics
import Kernels

/// What the ranks of a run must have in common, besides the program.
struct RankIdentity {
  private let config: RunConfig
  private let parts: [Part]

  /// The identity of a rank that has read `data` to train on.
  init(_ data: TrainingData) {
    let inputs = data.fingerprint
    let examples = [inputs?.splits ?? [:], inputs?.targets ?? [:]].flatMap { digests in
      digests.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    }.joined(separator: "\n")
    self.init(config: data.run.config, model: inputs?.model ?? "", examples: examples)
  }

  /// That of a rank with a `model` and `examples`, by their digests.
  ///
  /// `libraries` and `processor` decide how its machine rounds.
  init(
    config: RunConfig, model: String, examples: String = "", libraries: String = MachineIdentity.libraries,
    processor: String = MachineIdentity.processor
  ) {
    self.config = config
    parts = [
      Part(name: "model files", text: model, isShown: false), Part(name: "examples", text: examples, isShown: false),
      Part(name: "the library", text: libraries, isMachine: true),
      Part(name: "the processor", text: processor, isMachine: true),
    ]
  }

  /// Throws if a rank has another config, model or data than rank 0, and if its numbers would round otherwise:
  /// another processor or library. Those two are let pass with `allowsMixedMachines`, and returned in words.
  func requireEqual(on cluster: Cluster, allowsMixedMachines: Bool) throws -> [String] {
    if cluster.isAlone { return [] }
    var writer = ByteWriter()
    for part in parts { writer.write(part.text) }
    writer.write(config.jsonText())
    let ranks = cluster.gather(writer.bytes).map { bytes in
      var reader = ByteReader(bytes)
      return (parts: parts.map { _ in reader.readText() }, config: reader.readText())
    }
    var differences: [String] = [], notices: [String] = []
    for (member, rank) in zip(cluster.members, ranks).dropFirst() {
      for (index, part) in parts.enumerated() where rank.parts[index] != ranks[0].parts[index] {
        let text = part.difference(member, cluster.members[0], rank.parts[index], ranks[0].parts[index])
        if part.isMachine, allowsMixedMachines {
          notices.append("\(text): the result depends on which rank runs where")
        } else {
          differences.append(part.isMachine ? "\(text); --mixed-machines trains all the same" : text)
        }
      }
      let changed = try ConfigComparison.changedPaths(from: ranks[0].config, to: rank.config)
      if !changed.isEmpty {
        differences.append("\(member.name) has another config: \(changed.joined(separator: ", "))")
      }
    }
    if !differences.isEmpty { throw UnequalRanks(differences: differences) }
    return notices
  }

  private struct Part {
    let name: String
    let text: String
    /// Whether the text says something to a person.
    var isShown = true
    /// Whether it is a property of the machine rather than of the run.
    var isMachine = false

    func difference(_ member: Member, _ first: Member, _ text: String, _ firstText: String) -> String {
      isShown
        ? "\(member.name) has \(name) \(text), \(first.name) has \(firstText)"
        : "\(member.name) has other \(name) than \(first.name)"
    }
  }
}

/// Ranks that would not do the same.
struct UnequalRanks: CommonError, Equatable {
  let differences: [String]
  var description: String { differences.joined(separator: "\n") }
  var exitStatus: ExitStatus { .badInput }
}
