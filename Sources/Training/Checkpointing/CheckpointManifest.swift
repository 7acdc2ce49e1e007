import Checkpoints
import Diagnostics
import Foundation
import Kernels
import StrictJSON

/// `manifest.json`: size and SHA-256 of every other file of a checkpoint. It is written last.
enum CheckpointManifest {
  static let fileName = "manifest.json"

  /// Writes the manifest of what is in `directory`.
  static func write(_ directory: String, step: Int) throws {
    let files = try contents(directory).map { name -> (String, JSONValue) in
      let path = "\(directory)/\(name)"
      return (name, ["bytes": .integer(try size(path)), "sha256": .string(try Digest.ofFile(path))])
    }
    let manifest: JSONValue = [
      "format": .string(CheckpointContent.format), "format_version": .integer(CheckpointContent.formatVersion),
      "step": .integer(step), "files": .members(files),
    ]
    try AtomicFile.write(JSONWriter.text(manifest, pretty: true), to: "\(directory)/\(fileName)")
  }

  /// Throws where a file is missing, or is not what was written. Returns the step and the names of the files.
  static func verify(_ directory: String) throws -> (step: Int, files: Set<String>) {
    let manifest = try JSONFile.read("\(directory)/\(fileName)")
    guard manifest.node["format"]?.string == CheckpointContent.format else {
      throw CheckpointDamage(path: manifest.path, problem: "not a checkpoint of swift-peft")
    }
    let version = try manifest.require("format_version", \.integer)
    guard version <= CheckpointContent.formatVersion else {
      throw CheckpointDamage(path: manifest.path, problem: "written by a newer program (format_version \(version))")
    }
    let names = try manifest.require("files", \.object)
    // Sizes first: they cost nothing. Even a file of nothing but a hole would be read to its end for its checksum.
    var files: [(file: MappedFile, digest: String)] = [], total = 0
    for name in names.keys {
      let entry = JSONFile(path: manifest.path, node: names[name] ?? JSONNode(.null))
      let path = "\(directory)/\(name)"
      let bytes = try entry.require("bytes", \.integer), digest = try entry.require("sha256", \.string)
      guard name.isPathInside else {
        throw CheckpointDamage(path: manifest.path, problem: "\(name.clipped) leads out of the checkpoint")
      }
      guard (try? size(path)) != nil else { throw CheckpointDamage(path: path, problem: "is missing") }
      let file = try MappedFile(path: path)
      guard file.count == bytes else {
        throw CheckpointDamage(path: path, problem: "has \(file.count) bytes instead of \(bytes)")
      }
      total += file.count
      guard total <= InputFile.dataLimit else {
        throw CheckpointDamage(path: directory, problem: "holds more than \(InputFile.dataLimit) bytes")
      }
      files.append((file, digest))
    }
    for (file, digest) in files where Digest.of(file) != digest {
      throw CheckpointDamage(path: file.path, problem: "its checksum is not the one it was written with")
    }
    return (try manifest.require("step", \.integer), Set(names.keys))
  }

  /// Paths of all files, sorted.
  private static func contents(_ directory: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: directory).filter { name in
      var isDirectory: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(directory)/\(name)", isDirectory: &isDirectory)
        && !isDirectory.boolValue
    }.sorted()
  }

  private static func size(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return (attributes[.size] as? NSNumber)?.intValue ?? 0
  }
}
