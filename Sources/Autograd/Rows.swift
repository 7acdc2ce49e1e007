import CKernels
import Kernels

@inline(__always)
func addFloats(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int) { ck_add(y, x, count) }

@inline(__always)
func multiplyFloats(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int) {
  ck_multiply(y, x, count)
}

@inline(__always)
func addBias(_ y: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>, rows: Int, columns: Int) {
  ck_add_bias(y, bias, rows, columns)
}
