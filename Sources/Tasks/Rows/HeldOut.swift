import Kernels

/// Which examples of the training files are held back to validate on: `task.validation_split`.
struct HeldOut: Sendable, Equatable {
  /// The share of all examples, above 0 and below 1.
  let share: Double
  /// The run's seed.
  let seed: UInt64

  /// For each example, whether it is held back. `classes` are the examples' classes, of which each gives its share.
  ///
  /// As in scikit-learn's `train_test_split`, the number of examples is rounded up; which they are is this program's own
  /// choice. What a class's share lacks to a whole number goes to those whose shares lack the least. The last example
  /// of a class stays in training. Throws where nothing would be left on either side.
  func marks(_ classes: [Int]) throws -> [Bool] {
    let wanted = Int((share * Double(classes.count)).rounded(.up))
    guard wanted > 0, wanted < classes.count else {
      throw TaskError.badOption(
        key: "validation_split",
        problem: "\(share) of \(counted(classes.count, "example")) leaves none on one side")
    }
    let sizes = Dictionary(classes.map { ($0, 1) }, uniquingKeysWith: +)
    let exact = sizes.mapValues { Double(wanted) * Double($0) / Double(classes.count) }
    var quotas = exact.mapValues { Int($0.rounded(.down)) }
    for (name, size) in sizes { quotas[name] = min(quotas[name] ?? 0, size - 1) }
    func lack(_ name: Int) -> Double { (exact[name] ?? 0) - Double(quotas[name] ?? 0) }
    while quotas.values.reduce(0, +) < wanted {
      let open = sizes.keys.sorted().filter { (quotas[$0] ?? 0) < (sizes[$0] ?? 0) - 1 }
      guard let next = open.max(by: { (lack($0), -$0) < (lack($1), -$1) }) else { break }
      quotas[next, default: 0] += 1
    }
    if quotas.values.allSatisfy({ $0 == 0 }) {
      throw TaskError.badOption(
        key: "validation_split",
        problem:
          "none of \(counted(classes.count, "example")) can be held back: each class has one, which stays in training")
    }
    var marks = classes.map { _ in false }
    for place in Philox(seed: seed).permutation(classes.count, purpose: .holdOut, stream: 0) {
      guard let quota = quotas[classes[place]], quota > 0 else { continue }
      marks[place] = true
      quotas[classes[place]] = quota - 1
    }
    return marks
  }
}

extension SplitRequest {
  /// The examples that belong to the split, of all those in its files: with `task.validation_split` one part of the
  /// training files, then the first `max_*_samples`. Also notes for the user. `classOf` numbers the classes, of which
  /// each is split alike.
  func chosen<Value>(_ examples: [Value], classOf: (Value) -> Int) throws -> (examples: [Value], notes: [String]) {
    guard let heldOut else { return (Array(examples.prefix(limit)), []) }
    let marks = try heldOut.marks(examples.map(classOf))
    let isHeldOut = split == .validation
    let chosen = zip(examples, marks).filter { $0.1 == isHeldOut }.map(\.0)
    let count = marks.count { $0 }
    let note = "validation_split: \(count) of \(counted(marks.count, "example")) are held back to validate on"
    return (Array(chosen.prefix(limit)), split == .train ? [note] : [])
  }
}
