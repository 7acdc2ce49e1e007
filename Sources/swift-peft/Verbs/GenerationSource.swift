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
      let isChosen = template != nil
      if knowingTurns { template = template ?? "model" }
      if !isChosen, let adapter, let learnt = RunDirectory.promptTemplate(of: adapter), learnt != template {
        progress.notice(
          "the run in \(adapter) was trained with a prompt template; your prompts are "
            + (template == nil ? "not put into it" : "put into the model's")
            + " (pass --template, or name the run instead of the model)")
      }
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
}
