import Adapters
import Metrics
import Models
import Tasks

/// What a config can name: model families, adapter methods, tasks, metrics.
///
/// A library user adds his own to a copy of `standard` and gives it to the config; nothing else changes.
public struct Catalog: Sendable {
  /// The families that a model's `model_type` can name.
  public var architectures: [Architecture]
  /// The methods that `adapter.strategy` can name.
  public var methods: [AdapterMethod]
  /// The tasks that `task.name` can name.
  public var tasks: [Task]
  /// The metrics that tasks are scored by.
  public var metrics: [Metric]

  /// A catalog; what is not given is that of the command line.
  public init(
    architectures: [Architecture] = Architecture.all,
    methods: [AdapterMethod] = AdapterMethod.all, tasks: [Task] = Task.all, metrics: [Metric] = Metric.all
  ) {
    self.architectures = architectures
    (self.methods, self.tasks, self.metrics) = (methods, tasks, metrics)
  }

  /// That of the command line.
  public static let standard = Catalog()

  /// The tasks that take `option`, for messages: `tsv`, or `a and b`.
  func takers(of option: TaskOption) -> String {
    let names = tasks.filter { $0.options.contains(option) }.map(\.name)
    return (names.count == 1 ? "task " : "tasks ") + names.joined(separator: " and ")
  }
}
