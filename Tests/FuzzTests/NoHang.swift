import Foundation
import Testing

extension Trait where Self == TimeLimitTrait {
  /// Fails what takes far longer than it would on a machine that has much else to do; a sanitizer takes its own time.
  static var noHang: Self {
    .timeLimit(.minutes(ProcessInfo.processInfo.environment["SANITIZER"] == nil ? 10 : 60))
  }
}
