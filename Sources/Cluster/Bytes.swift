/// Puts numbers behind each other, for another rank's `ByteReader`.
public struct ByteWriter {
  /// What was written.
  public private(set) var bytes: [UInt8] = []

  /// Nothing yet.
  public init() {}

  /// Writes a number.
  public mutating func write<Number: BitwiseCopyable>(_ number: Number) {
    withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
  }

  /// Writes how many numbers there are, and the numbers.
  public mutating func write<Number: BitwiseCopyable>(_ numbers: [Number]) {
    write(numbers.count)
    numbers.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// Writes a text.
  public mutating func write(_ text: String) { write(Array(text.utf8)) }
}

/// Reads what a `ByteWriter` of the same program wrote, in the same order and with the same types.
public struct ByteReader {
  private let bytes: [UInt8]
  private var place = 0

  /// A reader from the first byte on.
  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Whether everything was read.
  public var isAtEnd: Bool { place == bytes.count }

  /// Reads a number.
  public mutating func read<Number: BitwiseCopyable>(_ type: Number.Type = Number.self) -> Number {
    defer { place += MemoryLayout<Number>.size }
    return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: Number.self) }
  }

  /// Reads numbers that were written together.
  public mutating func readAll<Number: BitwiseCopyable>(_ type: Number.Type = Number.self) -> [Number] {
    (0..<read(Int.self)).map { _ in read() }
  }

  /// Reads a text.
  public mutating func readText() -> String { String(decoding: readAll(UInt8.self), as: UTF8.self) }
}
