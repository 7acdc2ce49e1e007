import Adapters
import Checkpoints
import Diagnostics
import Foundation

/// `swift-peft export`: an adapter in the format of another program.
public struct ExportRun: Sendable {
  /// The formats.
  public enum Format: String, Sendable, CaseIterable {
    /// An adapter directory of Hugging Face PEFT: of the run's method, if PEFT has it, otherwise a LoRA.
    case peft
    /// The same, always a LoRA.
    case peftLoRA = "peft-lora"
    /// A LoRA file of llama.cpp.
    case gguf
  }

  /// What is exported.
  public let model: AdaptedModel
  /// The target format.
  public let format: Format
  /// Notes for the user.
  public let notices: [String]
  private let peft: PEFTExport?
  private let gguf: GGUFAdapter?

  /// Checks that `format` can hold the adapter.
  public init(_ model: AdaptedModel, format: Format) throws {
    self.model = model
    self.format = format
    var notices: [String] = []
    switch format {
    case .gguf:
      peft = nil
      gguf = try GGUFAdapter(model.adapter, geometry: model.geometry)
    case .peft, .peftLoRA:
      guard let native = model.native else { throw ExportError.isPEFT(directory: model.adapterDirectory) }
      // A missing checkpoint only matters where it could lack a part.
      let optional = model.geometry.parts.filter(\.isOptional)
      let pooler = try optional.isEmpty ? [:] : model.drawnParts(for: model.geometry.checkpoint(model.directory))
      if !pooler.isEmpty {
        if optional.contains(where: { native.table.position(ofPath: $0.path) != nil }) {
          throw ExportError.adaptedPooler(directory: model.directory)
        }
        notices.append("\(model.directory) has no pooler; the one that the run drew from its seed is included")
      }
      if native.table.sites.isEmpty { notices.append("nothing is adapted; PEFT gets a LoRA of zeros with the head") }
      peft = try PEFTExport(
        native, geometry: model.geometry, pooler: pooler, revision: model.revision, asLoRA: format == .peftLoRA)
      if let type = peft?.peftType, type != "LORA" {
        notices.append("written as PEFT's own \(type); --format peft-lora writes a LoRA of the same product")
      }
      if let reason = peft?.whyLoRA { notices.append("\(reason); written as a LoRA of the same product") }
      gguf = nil
    }
    self.notices = notices
  }

  /// Makes `path`: a directory, or for GGUF also a file whose name ends in `.gguf`. Returns what was written.
  public func write(to path: String, overwrite: Bool) throws -> [String] {
    if let gguf, path.hasSuffix(".gguf") {
      if !overwrite, FileManager.default.fileExists(atPath: path) { throw ExportError.fileExists(path) }
      try gguf.write(to: path)
      return [path]
    }
    try ResultDirectory.write(
      to: path, overwrite: overwrite, inputs: [model.directory, model.adapterDirectory], isOwn: Self.isOwn
    ) { directory in
      try peft?.write(to: directory)
      try gguf?.write(to: "\(directory)/\(GGUFAdapter.fileName)")
    }
    return gguf == nil
      ? [AdapterFile.configName, AdapterFile.tensorsName].map { "\(path)/\($0)" } : ["\(path)/\(GGUFAdapter.fileName)"]
  }

  /// Whether an export writes files of this name.
  private static func isOwn(_ name: String) -> Bool {
    [AdapterFile.configName, AdapterFile.tensorsName, GGUFAdapter.fileName].contains(name)
  }
}

/// Why an adapter cannot be exported.
public enum ExportError: UserFacingError, Equatable {
  /// It already is in PEFT format.
  case isPEFT(directory: String)
  /// It adapts a pooler that only this run has.
  case adaptedPooler(directory: String)
  case fileExists(String)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .isPEFT(let directory): "\(directory): already in PEFT format"
    case .adaptedPooler(let directory):
      "\(directory): has no pooler, and the adapter adapts the one that the run drew; PEFT cannot hold both; use merge"
    case .fileExists(let path): "\(path): already exists; choose another name, or pass --overwrite to replace it"
    }
  }

  /// 65 for the adapter, 73 for the output.
  public var exitStatus: ExitStatus {
    switch self {
    case .isPEFT, .adaptedPooler: .badInput
    case .fileExists: .cannotCreate
    }
  }
}
