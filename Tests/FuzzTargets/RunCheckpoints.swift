import Adapters
import Checkpoints
import Models
import Training

extension FuzzTarget {
  /// The files of a run's checkpoint, in the order of `CheckpointPart`, with the checksums that they have: what reads
  /// them is reached. A part that is empty stands for a file that is right.
  static let checkpoint = FuzzTarget(name: "checkpoint") { input, directory in
    try fill(directory, parts(input), manifest: nil)
    try CheckpointRehearsal.seal("\(directory.path)/\(place)", step: 3)
    try resume(directory)
  }

  /// The manifest of a checkpoint whose files are always the same.
  static let checkpointManifest = FuzzTarget(name: "checkpoint-manifest") { input, directory in
    try fill(directory, [], manifest: input)
    try resume(directory)
  }

  private static let place = CheckpointRehearsal.path("", step: 3).dropFirst()

  private static func fill(_ directory: FuzzDirectory, _ parts: [[UInt8]], manifest: [UInt8]?) throws {
    func part(_ part: CheckpointPart) -> [UInt8] {
      parts[optional: part.rawValue].flatMap { $0.isEmpty ? nil : $0 } ?? part.standard
    }
    let config = part(.adapterConfig)
    let adapter = safetensorsBytes([part(.adapterHeader), part(.adapterData)])
    var files = [
      "trainer_state.json": part(.trainer), "history.jsonl": part(.history), "run_config.json": part(.runConfig),
      "optimizer.safetensors": safetensorsBytes([part(.optimizerHeader), part(.optimizerData)]),
      AdapterFile.configName: config, AdapterFile.tensorsName: adapter,
      "best/\(AdapterFile.configName)": config, "best/\(AdapterFile.tensorsName)": adapter,
    ]
    if let manifest { files["manifest.json"] = manifest }
    try directory.fill(Dictionary(uniqueKeysWithValues: files.map { ("\(place)/\($0)", $1) }))
  }

  private static func resume(_ directory: FuzzDirectory) throws {
    let stored = try? AdapterFile.read("\(directory.path)/\(place)", sites: adaptedSites)
    let strategy = try AdapterMethod.named(stored?.table.method.name ?? AdapterMethod.aslora.name)
    let table = try SiteTable(sites: adaptedSites, method: strategy, r: 1)
    guard let (step, total) = try CheckpointRehearsal.resume(directory.path, table: table, head: head.get()) else {
      throw FuzzFinding(problem: "the checkpoint is not seen")
    }
    if !(0...total).contains(step) { throw FuzzFinding(problem: "step \(step) of \(total)") }
  }

  private static let head = Result {
    let directory = try FuzzDirectory()
    let config = #"{"model_type":"gpt2","n_embd":2,"n_head":1,"n_layer":2,"n_positions":8,"vocab_size":8}"#
    try directory.fill(["config.json": Array(config.utf8)])
    return HeadParameter.all(config: try ModelConfig(directory: directory.path), labels: 2)
  }
}

/// The parts of an input for `checkpoint`, and what stands for one that is not given: an ASLoRA run at step 3.
private enum CheckpointPart: Int {
  case trainer, history, optimizerHeader, optimizerData, adapterConfig, adapterHeader, adapterData, runConfig

  var standard: [UInt8] {
    switch self {
    case .trainer: Array(Self.trainerText.utf8)
    case .history: Array((Self.metricLine + "\n" + Self.mergeLine + "\n").utf8)
    case .optimizerHeader: Array(Self.header(Self.optimizerTensors).utf8)
    case .optimizerData: [UInt8](repeating: 0, count: Self.size(Self.optimizerTensors))
    case .adapterConfig: Array(Self.adapterText.utf8)
    case .adapterHeader: Array(Self.header(Self.adapterTensors).utf8)
    case .adapterData: [UInt8](repeating: 0, count: Self.size(Self.adapterTensors))
    case .runConfig: Array(#"{"model":"m","task":{"name":"sst2","data_dir":"d"},"adapter":{"r":1}}"#.utf8)
    }
  }

  private typealias Tensor = (name: String, shape: [Int])

  private static let sites = FuzzTarget.adaptedSites.map { site in
    (site: site, a: "shared.\(site.module).lora_A.weight", b: "\(site.path).lora_B.weight")
  }
  private static let adapterTensors: [Tensor] = {
    var tensors: [Tensor] = sites.prefix(2).map { (name: $0.a, shape: [1, 2]) }
    tensors += sites.map { (name: $0.b, shape: [2, 1]) }
    return tensors + [(name: "head.score.weight", shape: [2, 2])]
  }()
  private static let optimizerTensors: [Tensor] = {
    var tensors: [Tensor] = []
    for (name, shape) in adapterTensors {
      tensors += ["exp_avg", "exp_avg_sq"].map { (name: "\(name).\($0)", shape: shape) }
    }
    return tensors + sites.map { (name: "\($0.b).mean", shape: [2, 1]) }
  }()

  private static func size(_ tensors: [Tensor]) -> Int { tensors.reduce(0) { $0 + 4 * $1.shape.reduce(1, *) } }

  private static func header(_ tensors: [Tensor]) -> String {
    var start = 0
    let entries = tensors.map { tensor in
      let end = start + size([tensor])
      defer { start = end }
      return #""\#(tensor.name)":{"dtype":"F32","shape":\#(tensor.shape),"data_offsets":[\#(start),\#(end)]}"#
    }
    return "{" + entries.joined(separator: ",") + "}"
  }

  private static let adapterText =
    #"{"format":"swift-peft","format_version":1,"strategy":"aslora","r":1,"lora_alpha":2,"lora_dropout":0,"#
    + #""use_rslora":false,"target_modules":["query","value"],"base_model_name_or_path":"m","model_type":"gpt2","#
    + #""task_type":"SEQ_CLS","labels":["a","b"],"step":3,"sites":{"#
    + sites.map { site, a, b in
      #""\#(site.path)":{"layer":\#(site.layer),"module":"\#(site.module)","A":"\#(a)","B":"\#(b)"}"#
    }.joined(separator: ",") + "}}"

  private static let report =
    #"{"split":"validation","step":2,"epoch":0.4,"examples":9,"metrics":{"accuracy":0.5,"loss":"nan"}}"#

  private static let trainerText =
    #"{"format":"swift-peft checkpoint","format_version":1,"step":3,"total_steps":9,"skipped_steps":0,"#
    + #""means_step":3,"aslora":{"start_step":1,"merge_interval":3,"num_merges":1,"candidates":"adjacent","#
    + #""metric":"l2","direction":"lower_uses_upper"},"log_window":{"steps":1,"loss_sum":0.5,"tokens":7,"examples":2,"#
    + #""seconds":0.1,"last_step":3,"last_epoch":0.5,"last_learning_rate":0.1,"last_grad_norm":"inf"},"#
    + #""reports":[\#(report)],"best":{"value":0.5,"step":2,"reports":[\#(report)]},"evaluations_without_gain":0,"#
    + #""stopped_early":false,"evaluation_is_pending":true,"inputs":{"splits":{"train":"00"},"model":"11"}}"#

  private static let metricLine =
    #"{"step":2,"epoch":0.4,"split":"train","metrics":{"loss":0.5,"grad_norm":"-inf"}}"#
  private static let mergeLine =
    #"{"step":3,"merge":{"module":"q","lower_layer":0,"upper_layer":1,"distance":0.1,"groups_left":1}}"#
}
