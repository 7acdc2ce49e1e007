/// The right answer for one example.
public enum Label: Sendable, Equatable {
  /// The number of a class, from 0.
  case classIndex(Int)
  /// A regression target.
  case score(Float)
}
