import Diagnostics
import Foundation

/// The functions that every template knows.
enum Builtins {
  static let names = [
    "raise_exception", "strftime_now", "range", "dict", "namespace", "cycler", "joiner", "lipsum",
  ]

  static func value(_ name: String) -> JinjaValue? {
    switch name {
    case "raise_exception":
      function(name) { arguments, renderer in
        let message = try arguments.bound(name, ["message"], required: 1)[0] ?? .none
        throw JinjaFailure(try renderer.text(message), kind: .raised)
      }
    case "strftime_now":
      function(name) { arguments, renderer in
        guard let format = try arguments.bound(name, ["format"], required: 1)[0]?.text else {
          throw JinjaFailure("strftime() argument 1 must be str")
        }
        return .string(try TimeText.text(renderer.options.now, format: format))
      }
    case "range": function(name) { arguments, _ in .reference(try range(arguments)) }
    case "dict": .reference(DictFunction())
    case "namespace":
      function(name) { arguments, renderer in
        guard case .object(let attributes) = try object(name, arguments, renderer) else { return .none }
        for key in attributes.keys { if let name = key.text { try Namespace.check(name) } }
        let namespace = Namespace(attributes)
        renderer.keep(namespace)
        return .reference(namespace)
      }
    case "cycler":
      function(name) { arguments, renderer in
        guard arguments.named.isEmpty, !arguments.positional.isEmpty else {
          throw JinjaFailure("at least one item has to be provided")
        }
        let cycler = Cycler(arguments.positional)
        try renderer.check(depth: cycler.depth)
        return .reference(cycler)
      }
    case "joiner":
      function(name) { arguments, renderer in
        let joiner = Joiner(try arguments.bound(name, ["sep"])[0] ?? .string(", "))
        try renderer.check(depth: joiner.depth)
        return .reference(joiner)
      }
    case "lipsum":
      function(name) { _, _ in throw JinjaFailure("lipsum() would give other texts in another run") }
    default: nil
    }
  }

  private static func function(_ name: String, _ body: @escaping Function.Body) -> JinjaValue {
    .reference(Function(name, body))
  }

  /// What `dict(…)` makes of its arguments.
  static func object(_ name: String, _ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    guard arguments.positional.count <= 1 else {
      throw JinjaFailure("\(name) expected at most 1 argument, got \(arguments.positional.count)")
    }
    var builder = JinjaObject.Builder()
    if case .object(let object)? = arguments.positional.first {
      try renderer.spend(object.count)
      for (key, value) in zip(object.keys, object.values) {
        builder.set(try renderer.hashKey(key), key: key, value: value)
      }
    } else if let pairs = arguments.positional.first {
      for (position, pair) in try renderer.array(pairs).enumerated() {
        let parts = try renderer.array(pair)
        guard parts.count == 2 else {
          throw JinjaFailure(
            "dictionary update sequence element #\(position) has length \(parts.count); 2 is required")
        }
        builder.set(try renderer.hashKey(parts[0]), key: parts[0], value: parts[1])
      }
    }
    for (name, value) in arguments.named { builder.set(.text(ExactText(name)), key: .string(name), value: value) }
    let object = builder.object
    try renderer.check(depth: object.depth)
    return .object(object)
  }

  private static func range(_ arguments: Arguments) throws -> RangeReference {
    let places = try arguments.places("range", 1...3).map(StringMethods.integer)
    let start = places.count > 1 ? places[0] : 0, stop = places.count > 1 ? places[1] : places[0]
    let step = places.count > 2 ? places[2] : 1
    guard step != 0 else { throw JinjaFailure("range() arg 3 must not be zero") }
    let isEmpty = step > 0 ? start >= stop : start <= stop
    let (distance, overflow) = stop.subtractingReportingOverflow(start)
    let length = isEmpty ? 0 : (distance.magnitude - 1) / step.magnitude + 1
    guard isEmpty || (!overflow && length <= Limit.range) else {
      throw JinjaFailure("Range too big. The sandbox blocks ranges larger than MAX_RANGE (\(Limit.range)).")
    }
    return RangeReference(start: start, stop: stop, step: step, length: Int(length))
  }
}

/// The function `dict`, which has the method `fromkeys`.
private final class DictFunction: JinjaReference, @unchecked Sendable {
  override var typeName: String { "TemplateDict" }
  override var isCallable: Bool { true }
  override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    try Builtins.object("dict", arguments, renderer)
  }
  override func attribute(_ name: String, _ renderer: Renderer) -> JinjaValue? {
    name == "fromkeys" ? .reference(Function(name) { try ContainerMethods.fromKeys($0, $1) }) : nil
  }
}

/// A time as text.
enum TimeText {
  /// What Python's `strftime` gives for `date`, as UTC.
  static func text(_ date: Date, format: String) throws -> String {
    let seconds = date.timeIntervalSince1970.rounded(.down)
    let micros = Int((date.timeIntervalSince1970 - seconds) * 1_000_000)
    guard var time = time_t(exactly: seconds) else { throw JinjaFailure("the time is out of range") }
    if format.utf8.contains(0) { throw JinjaFailure("embedded null character") }
    guard format.utf8.count <= 1000 else { throw JinjaFailure("a time format of more than 1000 bytes", kind: .limit) }
    // Python itself writes microseconds; a time without a zone has no zone to write.
    var plain = "", isDirective = false
    for scalar in format.unicodeScalars {
      if isDirective {
        isDirective = false
        switch scalar {
        case "f": plain += String(format: "%06d", micros)
        case "z", "Z": break
        default:
          plain += "%"
          plain.unicodeScalars.append(scalar)
        }
      } else if scalar == "%" {
        isDirective = true
      } else {
        plain.unicodeScalars.append(scalar)
      }
    }
    if isDirective { plain += "%" }
    if plain.isEmpty { return "" }
    var parts = tm()
    gmtime_r(&time, &parts)
    var buffer = [CChar](repeating: 0, count: 16_384)
    // A byte in front tells a result that is empty from one that is too long.
    let count = strftime(&buffer, buffer.count, " " + plain, &parts)
    guard count > 0 else { throw JinjaFailure("the text of the time is too long", kind: .limit) }
    return String(bytes: buffer[1..<count].map { UInt8(bitPattern: $0) })
  }
}
