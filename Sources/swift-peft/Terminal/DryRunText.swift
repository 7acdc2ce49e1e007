import StrictJSON
import Training

extension DryRun {
  /// The plan as text.
  var text: String {
    let model = plan.model, adapter = plan.config.adapter, parameters = parameters
    var entries: [(String, String)] = [
      ("run", "\(plan.config.name) (dry run: nothing was trained or written)"),
      (
        "model",
        "\(plan.config.model) (\(model.modelType), \(model.layers) layers of \(grouped(model.hiddenSize)))"
      ),
      (
        "task",
        "\(plan.config.task.name.rawValue), \(count(trainExamples)) training examples"
          + (outputs == 0 ? "" : ", \(count(outputs)) outputs")
      ),
      (
        "adapter",
        "\(adapter.strategy), r \(adapter.r), on \(plan.table.sites.count) sites "
          + "(\(adapter.targetModules.names.joined(separator: ", ")))"
      ),
      ("adapter parameters", "\(grouped(parameters.adapter)) in \(plan.table.tensors.count) tensors"),
      ("trainable parameters", count(parameters.trainable) + (outputs == 0 ? "" : ", including the head")),
      ("total parameters", count(parameters.total)),
      ("steps", "\(count(totalSteps)), \(count(stepsPerEpoch)) per epoch, \(count(warmupSteps)) of warm-up"),
    ]
    if plan.method.procedure != nil {
      entries.append(("merges after steps", mergeSteps?.map(String.init).joined(separator: " ") ?? "unknown"))
    }
    entries += [
      (
        "memory",
        "about \(byteSize(memory.total)): weights \(byteSize(memory.weights)), training state "
          + "\(byteSize(memory.trainable)), activations \(byteSize(memory.activations)) with \(threads) threads"
      ),
      ("output", plan.config.outputDir), ("database", plan.config.database),
    ]
    return listing(entries) + missing.map { "missing: \($0)\n" }.joined()
  }

  /// The plan as JSON; null means unknown.
  var json: JSONValue {
    let config = plan.config, parameters = parameters
    return [
      "name": .string(config.name), "model": .string(config.model),
      "model_type": .string(plan.model.modelType), "layers": .integer(plan.model.layers),
      "hidden_size": .integer(plan.model.hiddenSize), "task": .string(config.task.name.rawValue),
      "strategy": .string(config.adapter.strategy), "r": .integer(config.adapter.r),
      "target_modules": .strings(config.adapter.targetModules.names), "sites": .integer(plan.table.sites.count),
      "adapter_parameters": .integer(parameters.adapter), "trainable_parameters": number(parameters.trainable),
      "total_parameters": number(parameters.total), "outputs": number(outputs),
      "train_examples": number(trainExamples), "steps": number(totalSteps),
      "steps_per_epoch": number(stepsPerEpoch), "warmup_steps": number(warmupSteps),
      "merge_steps": mergeSteps.map { .list($0.map { .integer($0) }) } ?? .null, "threads": .integer(threads),
      "memory_bytes": [
        "total": .integer(memory.total), "weights": .integer(memory.weights),
        "training_state": .integer(memory.trainable), "activations": .integer(memory.activations),
      ],
      "output_dir": .string(config.outputDir), "database": .string(config.database), "missing": .strings(missing),
    ]
  }

  private func count(_ number: Int?) -> String { number.map(grouped) ?? "unknown" }
  private func number(_ value: Int?) -> JSONValue { value.map { .integer($0) } ?? .null }
}
