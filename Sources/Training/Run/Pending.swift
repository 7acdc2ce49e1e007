import Dispatch
import Synchronization

/// A value that another thread is computing.
final class Pending<Value: Sendable>: Sendable {
  private let made = DispatchGroup()
  private let result = Mutex<Result<Value, any Error>?>(nil)

  /// Starts `make`.
  init(_ make: @escaping @Sendable () throws -> Value) {
    DispatchQueue.global(qos: .userInitiated).async(group: made) { [self] in
      let value = Result { try make() }
      result.withLock { $0 = value }
    }
  }

  /// Waits for the value.
  func value() throws -> Value {
    made.wait()
    guard let result = result.withLock({ $0 }) else { preconditionFailure("waited for, and not there") }
    return try result.get()
  }
}
