import Cluster
import Configuration
import Diagnostics
import Kernels

/// What the ranks of a run must have in common.
struct RankIdentity {
  private let config: RunConfig
  private let inputs: InputFingerprint?
  /// What decides how this machine rounds.
  var (libraries, processor) = (MachineIdentity.libraries, MachineIdentity.processor)

  /// The identity of a rank that has read `data`.
  init(_ data: TrainingData) { (config, inputs) = (data.run.config, data.fingerprint) }

  /// Throws if a rank has another program, config, model or data than rank 0, and if its numbers would round otherwise:
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

  private var parts: [Part] {
    let splits = (inputs?.splits ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let targets = (inputs?.targets ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return [
      Part(name: "swift-peft", text: ProductVersion.current),
      Part(name: "model files", text: inputs?.model ?? "", isShown: false),
      Part(name: "examples", text: (splits + targets).joined(separator: "\n"), isShown: false),
      Part(name: "the library", text: libraries, isMachine: true),
      Part(name: "the processor", text: processor, isMachine: true),
    ]
  }
}

/// Ranks that would not train the same run.
struct UnequalRanks: CommonError, Equatable {
  let differences: [String]
  var description: String { differences.joined(separator: "\n") }
  var exitStatus: ExitStatus { .badInput }
}
