import Diagnostics
import StrictJSON

extension ParameterComparison {
  /// How a comparison can be printed.
  public enum Format: String, Sendable, CaseIterable {
    case table, json, csv, markdown
  }

  /// The comparison as text that ends with a line feed.
  public func text(_ format: Format) -> String {
    switch format {
    case .table: table
    case .json: JSONWriter.text(json, pretty: true)
    case .csv: csv
    case .markdown: markdown
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
      "r": .integer(rank), "target_modules": .strings(targetModules), "strategies": .list(strategies),
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
      + targetModules.joined(separator: ", ")
  }

  private var note: String? {
    guard let before = rows.lazy.compactMap(\.adapterParametersBeforeMerging).first else { return nil }
    return "aslora: after \(numMerges) merges of each module type; \(before.grouped) before"
  }

  private var table: String { page(cells.plain) }
  private var markdown: String { page(cells.markdown) }

  private func page(_ body: String) -> String { "\(summary)\n\n\(body)" + (note.map { "\n\($0)\n" } ?? "") }
}

/// 54.2.
private func oneDecimal(_ number: Double) -> String {
  let tenths = Int((number * 10).rounded())
  return "\(tenths / 10).\(tenths % 10)"
}
