import Foundation

/// What limits a rendering, and what it may know of the world.
public struct JinjaOptions: Sendable {
  /// The time that `strftime_now` sees, as UTC. The default is always the same day, the 26th of July 2024, so that a run
  /// repeats: with today's date the same data would give other tokens tomorrow.
  public var now: Date
  /// How many expressions and statements may be evaluated. Long texts count, too: a step per 32 bytes handled.
  public var stepLimit: Int
  /// The most bytes of UTF-8 that the output, or any text on the way, may have.
  public var outputLimit: Int

  /// The day that `now` is by default.
  public static let fixedDay = Date(timeIntervalSince1970: 1_721_952_000)

  /// Options with limits far above what a chat template needs.
  public init(now: Date = fixedDay, stepLimit: Int = 50_000_000, outputLimit: Int = 64 << 20) {
    self.now = now
    self.stepLimit = stepLimit
    self.outputLimit = outputLimit
  }
}

/// Limits that no option changes: they keep hostile templates from exhausting the stack.
enum Limit {
  /// How deep expressions and blocks may be nested in a template.
  static let nesting = 160
  /// How deep the parser may call itself.
  static let parsing = 100
  /// How deep values may be nested in one another.
  static let valueDepth = 200
  /// How many macros may be running inside one another.
  static let calls = 100
  /// How deep the blocks and expressions of all running macros may be nested, added up.
  static let running = 1600
  /// The most elements of a list that a template makes in one go, as jinja2's sandbox limits `range`.
  static let elements = 1_000_000
  /// The most elements of a `range`.
  static let range = 100_000
}
