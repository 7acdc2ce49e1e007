#if ONEDNN
  import COneDNN
  import Foundation

  /// oneDNN's matmul: one compiled primitive for each shape, kept as long as the worker.
  ///
  /// A product must not start threads of its own. With OpenMP each thread has its own limit, which every call sets to
  /// one. Where no limit can be set, `init` gives nil.
  final class OneDNN {
    private(set) var engine: dnnl_engine_t?
    private(set) var stream: dnnl_stream_t?
    private var primitives: [Shape: Primitive] = [:]
    var int8Primitives: [Int8Shape: Primitive] = [:]
    private var scratch = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    private var scratchBytes = 64
    /// The operations of products that are kept no longer, by the name of their code.
    private var forgotten: [String: Double] = [:]

    /// Floating-point operations so far by the name of oneDNN's code for them: `brg:avx512_core_bf16`.
    var implementations: [String: Double] {
      (Array(primitives.values) + Array(int8Primitives.values)).reduce(into: forgotten) {
        $0[$1.implementation, default: 0] += $1.operations
      }
    }

    /// Whether oneDNN uses bfloat16 instructions of this processor.
    static var hasBFloat16: Bool {
      guard isUsable else { return false }
      let isa = UInt32(dnnl_get_effective_cpu_isa().rawValue), wanted = UInt32(dnnl_cpu_isa_avx512_core_bf16.rawValue)
      return isa & wanted == wanted
    }

    /// Its version and the instructions that it uses.
    static var identity: String {
      let version = dnnl_version().map { "\($0.pointee.major).\($0.pointee.minor).\($0.pointee.patch)" } ?? "unknown"
      return "oneDNN \(version) for instructions 0x\(String(dnnl_get_effective_cpu_isa().rawValue, radix: 16))"
    }

    /// The most shapes to keep, at about 100 KB of code each.
    static let capacity = 1024

    typealias SetThreads = @convention(c) (Int32) -> Void
    /// `omp_set_num_threads`, looked up at run time since libgomp's development files may not be installed.
    static let setThreads = dlsym(nil, "omp_set_num_threads").map { unsafeBitCast($0, to: SetThreads.self) }

    /// Whether products can be kept on the calling thread.
    static let isUsable = canLimitThreads(
      runtime: UInt32(dnnl_version()?.pointee.cpu_runtime ?? 0), hasSetter: setThreads != nil)

    /// A sequential library has no threads; one with OpenMP needs `omp_set_num_threads`; others cannot be limited.
    static func canLimitThreads(runtime: UInt32, hasSetter: Bool) -> Bool {
      runtime == UInt32(DNNL_RUNTIME_SEQ) || runtime == UInt32(DNNL_RUNTIME_OMP) && hasSetter
    }

    /// Nil if oneDNN cannot be used.
    init?() {
      guard Self.isUsable, dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success,
        dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)) == dnnl_success
      else { return nil }
    }

    deinit {
      primitives.removeAll()
      int8Primitives.removeAll()
      dnnl_stream_destroy(stream)
      dnnl_engine_destroy(engine)
      scratch.deallocate()
    }

    /// A matrix of a shape: its strides and its precision.
    struct Layout: Hashable {
      var rowStride: Int32
      var columnStride: Int32
      var headStride: Int32
      var precision: Precision
    }

    struct Shape: Hashable {
      var heads: Int32
      var m: Int32, n: Int32, k: Int32
      var a: Layout, b: Layout, c: Layout
      var accumulate: Bool
      var hasBias: Bool
      /// For a weight in oneDNN's own layout, which way the product goes through it; `b` says only its type.
      var packing: ProductDirection?

      var operations: Double { 2 * Double(heads) * Double(m) * Double(n) * Double(k) }
    }

    func multiply(
      heads: Int, _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, into c: Operand, accumulate: Bool,
      bias: UnsafePointer<Float>?
    ) -> Bool {
      let shape = Shape(
        heads: Int32(heads), m: Int32(m), n: Int32(n), k: Int32(k), a: Layout(a), b: Layout(b), c: Layout(c),
        accumulate: accumulate, hasBias: bias != nil)
      Self.setThreads?(1)
      guard let primitive = primitives[shape] ?? add(shape) else { return false }
      execute(primitive, a.base, b.base, c.base, bias: bias)
      return true
    }

    /// Runs a compiled product.
    func execute(
      _ primitive: Primitive, _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer, _ c: UnsafeMutableRawPointer,
      bias: UnsafePointer<Float>?
    ) {
      if primitive.scratchBytes > scratchBytes {
        scratch.deallocate()
        scratch = .allocate(byteCount: primitive.scratchBytes, alignment: 64)
        scratchBytes = primitive.scratchBytes
      }
      primitive.execute(stream, a, b, c, bias, scratch)
    }

    /// The same with a packed weight. False if oneDNN does not support the shape on this machine.
    func multiply(
      _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ weight: UnsafeMutableRawPointer, _ precision: Precision,
      _ direction: ProductDirection, into c: Operand, accumulate: Bool, bias: UnsafePointer<Float>?
    ) -> Bool {
      let b = Layout(rowStride: 0, columnStride: 0, headStride: 0, precision: precision)
      let shape = Shape(
        heads: 1, m: Int32(m), n: Int32(n), k: Int32(k), a: Layout(a), b: b, c: Layout(c), accumulate: accumulate,
        hasBias: bias != nil, packing: direction)
      Self.setThreads?(1)
      guard let primitive = primitives[shape] ?? add(shape) else { return false }
      execute(primitive, a.base, weight, c.base, bias: bias)
      return true
    }

    /// Drops compiled products, but not what they computed.
    func forget<Key>(_ products: inout [Key: Primitive]) {
      for product in products.values { forgotten[product.implementation, default: 0] += product.operations }
      products.removeAll()
    }

    private func add(_ shape: Shape) -> Primitive? {
      if primitives.count >= Self.capacity { forget(&primitives) }
      let primitive = Primitive.make(shape, engine)
      primitives[shape] = primitive
      return primitive
    }
  }

  extension OneDNN.Layout {
    init(_ operand: Operand) {
      let stride = Int32(operand.stride)
      self.init(
        rowStride: operand.isTransposed ? 1 : stride, columnStride: operand.isTransposed ? stride : 1,
        headStride: Int32(operand.headStride), precision: operand.precision)
    }

    func descriptor(_ heads: Int32, _ rows: Int32, _ columns: Int32) -> dnnl_memory_desc_t {
      var descriptor = dnnl_memory_desc_t()
      let type = precision == .float32 ? dnnl_f32 : dnnl_bf16
      if heads == 1 {
        dnnl_memory_desc_init_by_strides(
          &descriptor, 2, dimensions(rows, columns), type, dimensions(rowStride, columnStride))
      } else {
        // oneDNN recognises heads side by side in the columns only in four dimensions.
        let whole = max(heads * headStride, rows * rowStride, columns * columnStride)
        dnnl_memory_desc_init_by_strides(
          &descriptor, 4, dimensions(1, heads, rows, columns), type,
          dimensions(whole, headStride, rowStride, columnStride))
      }
      return descriptor
    }
  }

  /// The C type is an array of DNNL_MAX_NDIMS numbers.
  func dimensions(_ values: Int32...) -> [dnnl_dim_t] {
    values.map(dnnl_dim_t.init) + [dnnl_dim_t](repeating: 0, count: 12 - values.count)
  }
#endif
