import Autograd
import Checkpoints
import Foundation
import Kernels

/// The column factors of a model's linear maps, with which they are rounded to eight bits.
///
/// They come from the inputs that the maps had for the first training tokens, and are fixed from then on: a run's files keep
/// them, so that whoever goes on with it rounds as it did.
public struct Int8Factors: Sendable {
  /// The file that holds them in a run's directory and in its checkpoints.
  public static let fileName = "int8_factors.safetensors"

  /// The factors of maps that read one x. In files, its name is the maps' paths, which have no commas.
  public struct Group: Sendable {
    /// The paths of the maps.
    public let paths: [String]
    /// f.
    public let factors: ColumnFactors

    /// The factors of the maps at `paths`.
    public init(paths: [String], factors: ColumnFactors) { (self.paths, self.factors) = (paths, factors) }

    /// The factors of the group called `name`.
    public init(name: String, factors: ColumnFactors) {
      self.init(paths: name.split(separator: ",").map(String.init), factors: factors)
    }

    /// What files call it.
    public var name: String { paths.joined(separator: ",") }
  }

  /// The groups.
  public let groups: [Group]
  private let byPath: [String: ColumnFactors]

  /// These groups.
  public init(_ groups: [Group]) {
    self.groups = groups
    byPath = Dictionary(groups.flatMap { group in group.paths.map { ($0, group.factors) } }) { first, _ in first }
  }

  /// The factors of a map; nil if it has none.
  subscript(path: String) -> ColumnFactors? { byPath[path] }
}

extension Int8Factors {
  /// Writes the file into `directory`.
  public func write(to directory: String) throws {
    try SafetensorsWriter.write(
      groups.map { group in
        let values = group.factors.values
        return SafetensorsTensor(
          name: group.name, shape: [values.count], values)
      }, to: "\(directory)/\(Self.fileName)")
  }

  /// Whether `directory` has the file.
  public static func areKept(in directory: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(directory)/\(fileName)")
  }

  /// Reads the file in `directory`, for the maps of `geometry`; nil if there is none.
  ///
  /// Throws a `ModelError` if it is for other maps, or holds what is no factor.
  public static func read(_ directory: String, _ geometry: ModelGeometry) throws -> Int8Factors? {
    let path = "\(directory)/\(fileName)"
    guard areKept(in: directory) else { return nil }
    let file = try SafetensorsFile(path: path)
    let inputs = Dictionary(geometry.sites.map { ($0.path, $0.inFeatures) }) { first, _ in first }
    let groups = try file.names.map { name in
      let values = try file.tensor(name).floats(), group = Group(name: name, factors: ColumnFactors(values))
      for map in group.paths where inputs[map] != values.count {
        throw ModelError.otherFactors(file: path, map: map)
      }
      guard values.allSatisfy({ $0.isNormal && $0 > 0 }) else { throw ModelError.noFactors(file: path, maps: name) }
      return group
    }
    return Int8Factors(groups)
  }
}

extension Int8Factors {
  /// The factors for inputs of linear maps as large as `ranges` says, which has the sites' numbers, and the weights of
  /// `directory`.
  public init(_ ranges: [InputRanges.Group], _ geometry: ModelGeometry, _ directory: WeightFiles) throws {
    let named = geometry.parts.flatMap(\.namedTensors).filter { directory.contains($0.name) }
    let shapes = Dictionary(named) { first, _ in first }
    self.init(
      try ranges.map { range in
        let sites = range.sites.map { geometry.sites[$0] }
        var weights = [Float](repeating: 0, count: range.largest.count)
        for site in sites {
          let name = (site.slice?.path ?? site.path) + ".weight"
          // A part that the checkpoint lacks is small, and is rounded as it is.
          guard let shape = shapes[name], let tensor = try directory.tensors([(name, shape)])[name] else { continue }
          let first = site.slice?.firstRow ?? 0
          tensor.addColumnMagnitudes(
            of: first..<(first + site.outFeatures), isTransposed: geometry.map(of: site)?.isTransposed == true,
            to: &weights)
        }
        return Group(paths: sites.map(\.path), factors: ColumnFactors(inputs: range.largest, weights: weights))
      })
  }
}
