import Checkpoints
import Configuration
import Diagnostics
import Foundation

/// The folder `checkpoints` of an output directory: one directory a checkpoint, named after its step.
struct CheckpointFolder: Sendable {
  static let name = "checkpoints"

  let path: String
  /// What the configs of its checkpoints can name.
  private let catalog: Catalog

  /// The folder of the output directory at `output`; nothing is touched yet.
  init(output: String, catalog: Catalog = .standard) {
    path = "\(output)/\(Self.name)"
    self.catalog = catalog
  }

  /// `…/checkpoints/step-00000560`
  func path(step: Int) -> String { "\(path)/\(Self.name(step: step))" }

  static func name(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  /// The steps of the checkpoints that are there, ascending; whether they are whole is not looked at.
  var steps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("step-"), let step = Int(name.dropFirst("step-".count)), Self.name(step: step) == name
      else { return nil }
      return step
    }.sorted()
  }

  /// The newest checkpoint that is whole, and what is wrong with those after it; nil where there are none at all.
  /// Throws where there are some and none is whole.
  func newest() throws -> (checkpoint: Checkpoint, notices: [String])? {
    // A run that goes on may replace the checkpoints that are being looked at.
    for _ in 0..<Self.attempts {
      var damages: [String] = [], isReplaced = false
      for step in steps.reversed() {
        do {
          let checkpoint = try Checkpoint(path: path(step: step), catalog: catalog)
          guard checkpoint.step == step else {
            throw CheckpointDamage(path: path(step: step), problem: "holds the state of step \(checkpoint.step)")
          }
          let name = Self.name(step: step)
          return (checkpoint, damages.map { "\($0): this checkpoint is damaged, the one before it, \(name), is used" })
        } catch let error as any UserFacingError {
          if FileManager.default.fileExists(atPath: path(step: step)) {
            damages.append(error.description)
          } else {
            isReplaced = true
          }
        }
      }
      if isReplaced { continue }
      if damages.isEmpty { return nil }
      throw RunError.noWholeCheckpoint(directory: path, damages: damages)
    }
    return nil
  }

  /// How often checkpoints that go while they are read are looked for anew.
  static let attempts = 50

  /// Makes the folder where it is missing, and removes what dead processes left half-written.
  func prepare() throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw OutputError.cannotCreate(path: path, code: Int32((error as NSError).posixCode ?? Int(EIO)))
    }
    // A new directory is on the disk once its name is.
    try AtomicFile.synchronize(directory: "\(path)/..")
    try AtomicFile.synchronize(directory: "\(path)/../..")
    AtomicDirectory.removeLeftovers(in: path)
  }

  /// The steps of the checkpoints that the one of `step` replaces: all but the newest `limit` up to it (nil and 0: none),
  /// and any after it, which were found damaged when the run was resumed.
  func superseded(by step: Int, limit: Int?) -> [Int] {
    let steps = steps, until = steps.filter { $0 <= step }
    let kept = limit.map { $0 > 0 ? until.suffix($0) : until[...] } ?? until[...]
    return steps.filter { !kept.contains($0) }
  }
}

extension NSError {
  /// The system's error number below a Foundation error.
  var posixCode: Int? {
    if domain == NSPOSIXErrorDomain { return code }
    return (userInfo[NSUnderlyingErrorKey] as? NSError)?.posixCode
  }
}
