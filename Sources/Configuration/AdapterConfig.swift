import Adapters
import StrictJSON

/// The adapter: how its matrices are shared, their rank, and where they sit.
public struct AdapterConfig: Sendable, Equatable {
  /// The names that `strategy` can have.
  public static let strategies = AdapterMethod.all.map(\.name)

  /// Which sites share which matrices; `none` trains the head alone.
  public var strategy = "lora"
  /// The rank.
  public var r = 8
  /// The update is scaled by `lora_alpha / r`.
  public var loraAlpha = 16.0
  /// The probability with which an input of A is dropped.
  public var loraDropout = 0.0
  /// Scale by `lora_alpha / √r` instead.
  public var useRSLoRA = false
  /// The linear maps that are adapted.
  public var targetModules = TargetModules.suffixes(["query", "value"])
  /// A native or PEFT adapter directory to start from.
  public var initFrom: String?
  /// When and how `aslora` merges; without effect on other strategies.
  public var aslora = ASLoRAOptions()

  /// Every default.
  public init() {}

  /// The options of methods.
  public var methodOptions: MethodOptions { MethodOptions(aslora: aslora) }
}

extension AdapterConfig: ConfigSection {
  static let initial = AdapterConfig()

  static let fields: [Field<AdapterConfig>] = [
    Field("strategy", \.strategy, .name(of: strategies)),
    Field("r", \.r, .integer(1...)),
    Field("lora_alpha", \.loraAlpha, .number(above: 0)),
    Field("lora_dropout", \.loraDropout, .number(0..<1)),
    Field("use_rslora", \.useRSLoRA, .truth),
    Field("target_modules", \.targetModules, .targets),
    Field("init_from", optional: \.initFrom, .text),
    Field("aslora", section: \.aslora),
  ]
}

extension ASLoRAOptions: ConfigSection {
  static let initial = ASLoRAOptions()

  static let fields: [Field<ASLoRAOptions>] = [
    Field("start_step", optional: \.startStep, .integer(0...)),
    Field("merge_interval", optional: \.mergeInterval, .integer(1...)),
    Field("num_merges", optional: \.numMerges, .integer(0...)),
    Field("candidates", \.candidates, .choice),
    Field("metric", \.metric, .choice),
    Field("direction", \.direction, .choice),
  ]
}

/// Which linear maps an adapter sits on.
public enum TargetModules: Sendable, Equatable {
  /// Those whose name is, or ends in `.` and, one of these.
  case suffixes([String])
  /// Every linear map but the head.
  case allLinear
}

extension FieldKind where Value == TargetModules {
  static var targets: Self {
    let names = FieldKind<[String]>.list("a list of module names or \"all-linear\"", of: .text)
    return Self(
      read: { $0.string == "all-linear" ? .value(.allLinear) : names.read($0).map(TargetModules.suffixes) },
      write: { targets in
        switch targets {
        case .suffixes(let suffixes): names.write(suffixes)
        case .allLinear: .string("all-linear")
        }
      },
      schema: ["anyOf": [["const": "all-linear"], names.schema.json]])
  }
}
