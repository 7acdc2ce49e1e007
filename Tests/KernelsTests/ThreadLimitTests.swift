import COpenBLAS
import Testing

@testable import Kernels

@Suite struct ThreadLimitTests {
  /// Nothing was prepared: the first product limits OpenBLAS, which else starts a thread for each core.
  @Test func aProductMakesOpenBLASSingleThreaded() async {
    await #expect(processExitsWith: .success) {
      openblas_set_num_threads(4)
      var a: [Float] = [2], b: [Float] = [3], c: [Float] = [0]
      multiply(1, 1, 1, MatrixView(&a, stride: 1), MatrixView(&b, stride: 1), MatrixView(&c, stride: 1))
      precondition(c == [6] && openblas_get_num_threads() == 1)
    }
  }

  #if ONEDNN
    @Test func oneDNNIsUsedOnlyWhereItsThreadsCanBeLimited() {
      #expect(OneDNN.canLimitThreads(runtime: 1, hasSetter: false))
      #expect(OneDNN.canLimitThreads(runtime: 2, hasSetter: true))
      #expect(!OneDNN.canLimitThreads(runtime: 2, hasSetter: false))
      #expect(!OneDNN.canLimitThreads(runtime: 4, hasSetter: true))
      #expect(OneDNN.isUsable && Products.libraryName == "oneDNN")
    }
  #endif
}
