import ArgumentParser
import Cluster
import Tasks
import Training

/// What writes text: a run, or a model with or without an adapter.
struct GenerationSource: ParsableArguments {
  @Argument(help: ArgumentHelp("A run directory or a model.", valueName: "run-or-model-dir"))
  var source: String

  @Option(help: ArgumentHelp("With a model: use this native or HF PEFT adapter directory.", valueName: "dir"))
  var adapter: String?

  /// Loads it on every rank, with prompts put into `template` if one is given. Where it must know turns and neither the
  /// run nor `template` says how, the model's own chat template does.
  func load(
    template: String?, knowingTurns: Bool = false, _ threads: ThreadOptions, _ cluster: Cluster, _ progress: Progress
  ) throws
    -> GenerationRun
  {
    let download = ModelDownload(isQuiet: progress.isQuiet), threads = threads.count(on: cluster)
    var template = template
    guard cluster.broadcast(RunDirectory.isRun(source)) else {
      if knowingTurns { template = template ?? "model" }
      if template == nil { try noteTemplate(cluster, progress) }
      try download.fetch(source, on: cluster)
      return try cluster.together {
        try GenerationRun(
          model: source, adapterDirectory: adapter, template: template, threads: threads, cluster: cluster)
      }
    }
    if adapter != nil { throw ValidationError("--adapter needs a model; \(source) is a run and has its own adapter") }
    let directory = try RunDirectory.shared(source, by: cluster)
    let config = try cluster.together { try directory.config() }
    directory.notices.forEach(progress.notice)
    try download.fetch(config.model, on: cluster)
    if knowingTurns, config.task.name != Task.instruct.name { template = template ?? "model" }
    return try cluster.together {
      try GenerationRun(
        run: config, adapterDirectory: directory.adapterPath, template: template, threads: threads, cluster: cluster)
    }
  }

  /// Says so where the adapter is a run's that put prompts into a template.
  private func noteTemplate(_ cluster: Cluster, _ progress: Progress) throws {
    guard let adapter, cluster.broadcast(RunDirectory.isRun(adapter)) else { return }
    let directory = try RunDirectory.shared(adapter, by: cluster)
    let config = try cluster.together { try directory.config() }
    guard config.task.name == Task.instruct.name else { return }
    progress.notice(
      "the run in \(adapter) learnt from prompts in a template, which these are not put into: name the run itself instead "
        + "of the model, or pass --template")
  }
}
