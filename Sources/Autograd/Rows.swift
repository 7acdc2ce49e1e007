import CKernels
import Kernels

@inline(__always)
func addFloats(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int) { ck_add(y, x, count) }

@inline(__always)
func multiplyFloats(_ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int) {
  ck_multiply(y, x, count)
}

@inline(__always)
func scaleFloats(_ y: UnsafeMutablePointer<Float>, _ factor: Float, _ count: Int) { ck_scale(y, factor, count) }

@inline(__always)
func narrowFloats(_ y: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, _ factor: Float, _ count: Int) {
  ck_narrow_scaled(y, x, factor, count)
}

@inline(__always)
func addBias(_ y: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>, rows: Int, columns: Int) {
  ck_add_bias(y, bias, rows, columns)
}

/// out [columns, rows] += factor · inᵀ.
@inline(__always)
func addTransposed(
  _ out: UnsafeMutablePointer<Float>, _ input: UnsafePointer<Float>, _ factor: Float, rows: Int, columns: Int
) {
  ck_add_transposed(out, input, factor, rows, columns)
}
