import ArgumentParser
import Cluster
import Training

/// What writes text: a run, or a model with or without an adapter.
struct GenerationSource: ParsableArguments {
  @Argument(help: ArgumentHelp("A run directory or a model.", valueName: "run-or-model-dir"))
  var source: String

  @Option(help: ArgumentHelp("With a model: use this native or HF PEFT adapter directory.", valueName: "dir"))
  var adapter: String?

  /// Loads it on every rank, with prompts put into `template` if one is given.
  func load(template: String?, _ threads: ThreadOptions, _ cluster: Cluster, _ progress: Progress) throws
    -> GenerationRun
  {
    let download = ModelDownload(isQuiet: progress.isQuiet), threads = threads.count(on: cluster)
    guard cluster.broadcast(RunDirectory.isRun(source)) else {
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
    return try cluster.together {
      try GenerationRun(
        run: config, adapterDirectory: directory.adapterPath, template: template, threads: threads, cluster: cluster)
    }
  }
}
