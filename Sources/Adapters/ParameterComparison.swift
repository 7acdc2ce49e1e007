import Diagnostics
import Models
import StrictJSON

/// How many numbers every method trains on a model: the table of `compare-params`.
///
/// The counts come from the same `SiteTable` that a run allocates from, so the two cannot disagree.
public struct ParameterComparison: Sendable, Equatable {
  /// One strategy.
  public struct Row: Sendable, Equatable {
    /// The strategy's name.
    public let strategy: String
    /// Numbers in the distinct tensors; for ASLoRA those left after its merges.
    public let adapterParameters: Int
    /// ASLoRA: the number before the first merge. Nil for the others.
    public let adapterParametersBeforeMerging: Int?
    /// Adapter and head.
    public let trainableParameters: Int
    /// Of LoRA's adapter parameters.
    public let percentOfLoRA: Double

    /// Bytes of the adapter's tensors on disk, each once, in float32: those that are not trained too, if files hold them.
    public let adapterBytes: Int
  }

  /// A strategy that the model cannot have.
  public struct Omission: Sendable, Equatable {
    /// The strategy's name.
    public let strategy: String
    /// Why not.
    public let reason: String
  }

  /// Directory or Hub id of the model.
  public let model: String
  /// The family: `bert`.
  public let modelType: String
  /// Numbers in the whole model with its head, without adapters.
  public let totalParameters: Int
  /// r.
  public let rank: Int
  /// `target_modules`.
  public let targetModules: TargetModules
  /// Merges per module type that ASLoRA's row assumes.
  public let numMerges: Int
  /// Whether they are done before the first step.
  public let mergesAtStart: Bool
  /// One row for every strategy asked for.
  public let rows: [Row]
  /// Strategies that were not asked for by name, and whose sizes do not fit the model.
  public let omissions: [Omission]

  /// Compares `methods` on the maps that `placement` chooses, or with nil all of `known` that fit.
  ///
  /// `labels` is the number of outputs of the head, nil for the model's own (none for decoders). `numMerges` and
  /// `merging` are ASLoRA's, nil for the defaults. Throws what the trainer would: targets that match nothing, ranks too
  /// large, more merges than layers − 1. Unless `ranksAreLoRAs`, a rank may be one that LoRA cannot have but another
  /// method can.
  public init(
    model: String, geometry: ModelGeometry, placement: AdapterPlacement, labels: Int? = nil,
    numMerges: Int? = nil, merging: ASLoRAOptions.Merging? = nil, methods: [AdapterMethod]? = nil,
    known: [AdapterMethod] = AdapterMethod.all, ranksAreLoRAs: Bool = true
  ) throws {
    let lora = try placement.table(geometry, method: .lora, ranksAreBounded: ranksAreLoRAs)
    let merges = numMerges ?? ASLoRAPlan.defaultNumMerges(layers: lora.layerCount)
    try ASLoRAPlan.check(numMerges: merges, layers: lora.layerCount)
    let options = MethodOptions(aslora: ASLoRAOptions(numMerges: merges, merging: merging))
    let head = geometry.headParameters(labels: labels)
    var rows: [Row] = [], omissions: [Omission] = []
    for method in methods ?? known {
      let plain: SiteTable
      do { plain = try placement.table(geometry, method: method) } catch {
        if methods != nil { throw error }
        let lines = "\(error)".split(separator: "\n")
        omissions.append(Omission(strategy: method.name, reason: lines.first.map(String.init) ?? ""))
        continue
      }
      let start = try method.procedure?.startTable(options, plain) ?? plain
      let end = try method.procedure?.finalTable(options, start) ?? start, count = end.parameterCount
      rows.append(
        Row(
          strategy: method.name, adapterParameters: count,
          adapterParametersBeforeMerging: method.procedure?.mergesLayers == true ? plain.parameterCount : nil,
          trainableParameters: count + head,
          percentOfLoRA: 100 * Double(count) / Double(lora.parameterCount), adapterBytes: 4 * end.storedCount))
    }
    (self.rows, self.omissions) = (rows, omissions)
    self.model = model
    modelType = geometry.config.modelType
    totalParameters = geometry.totalParameters(labels: labels)
    rank = placement.r
    targetModules = placement.selection.targets
    self.numMerges = merges
    mergesAtStart = options.aslora.isStatic
  }
}

extension ParameterComparison {
  /// How a comparison can be printed.
  public enum Format: String, Sendable, CaseIterable {
    case table, json, csv, markdown
  }

  /// The comparison as text that ends with a line feed.
  public func text(_ format: Format) -> String {
    switch format {
    case .table: page(cells.plain)
    case .json: JSONWriter.text(json, pretty: true)
    case .csv: csv
    case .markdown: page(cells.markdown)
    }
  }

  /// The comparison as the object that `compare-params --format json` promises.
  public var json: JSONValue {
    let strategies = rows.map { row -> JSONValue in
      var members: [(String, JSONValue)] = [
        ("strategy", .string(row.strategy)), ("adapter_parameters", .integer(row.adapterParameters)),
        ("trainable_parameters", .integer(row.trainableParameters)), ("percent_of_lora", .number(row.percentOfLoRA)),
        ("adapter_bytes", .integer(row.adapterBytes)),
      ]
      if let before = row.adapterParametersBeforeMerging {
        members.append(("adapter_parameters_before_merging", .integer(before)))
        members.append(("num_merges", .integer(numMerges)))
      }
      return .members(members)
    }
    return [
      "model": .string(model), "model_type": .string(modelType), "total_parameters": .integer(totalParameters),
      "r": .integer(rank), "target_modules": targetModules.json, "strategies": .list(strategies),
    ]
  }

  /// Numbers as they are, for other programs.
  private var csv: String {
    let header =
      "strategy,adapter_parameters,trainable_parameters,percent_of_lora,adapter_bytes,adapter_parameters_before_merging"
    let lines = rows.map { row in
      let before = row.adapterParametersBeforeMerging.map(String.init) ?? ""
      return "\(row.strategy),\(row.adapterParameters),\(row.trainableParameters),\(row.percentOfLoRA),"
        + "\(row.adapterBytes),\(before)"
    }
    return ([header] + lines).map { $0 + "\n" }.joined()
  }

  /// Cells for people, with thousands separated.
  private var cells: TextTable {
    TextTable(
      [["strategy", "adapter", "trainable", "% of lora", "bytes"]]
        + rows.map { row in
          [
            row.strategy, row.adapterParameters.grouped, row.trainableParameters.grouped,
            oneDecimal(row.percentOfLoRA), row.adapterBytes.grouped,
          ]
        }, .left, .right)
  }

  private var summary: String {
    "\(model) (\(modelType), \(totalParameters.grouped) parameters), r = \(rank), target modules: "
      + targetModules.names.joined(separator: ", ")
  }

  private var notes: [String] {
    let merges = mergesAtStart ? "merges of each module type before the first step" : "merges of each module type"
    let merging = rows.lazy.compactMap(\.adapterParametersBeforeMerging).first.map { before in
      "aslora: after \(numMerges) \(merges); \(before.grouped) before"
    }
    return [merging].compactMap(\.self) + omissions.map { "\($0.strategy): left out; \($0.reason)" }
  }

  private func page(_ body: String) -> String {
    "\(summary)\n\n\(body)" + (notes.isEmpty ? "" : "\n" + notes.map { $0 + "\n" }.joined())
  }
}

/// 54.2.
private func oneDecimal(_ number: Double) -> String {
  let tenths = Int((number * 10).rounded())
  return "\(tenths / 10).\(tenths % 10)"
}
