#if ONEDNN
  import COneDNN
  import Foundation

  /// oneDNN's matmul: one compiled primitive for each shape, kept as long as the worker.
  ///
  /// A product must not start threads of its own. With OpenMP each thread has its own limit, which every call sets to
  /// one. Where no limit can be set, `init` gives nil.
  final class OneDNN {
    private var engine: dnnl_engine_t?
    private var stream: dnnl_stream_t?
    private var primitives: [Shape: Primitive] = [:]
    private var scratch = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    private var scratchBytes = 64

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
    private static let setThreads = dlsym(nil, "omp_set_num_threads").map { unsafeBitCast($0, to: SetThreads.self) }

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
      if primitive.scratchBytes > scratchBytes {
        scratch.deallocate()
        scratch = .allocate(byteCount: primitive.scratchBytes, alignment: 64)
        scratchBytes = primitive.scratchBytes
      }
      primitive.execute(stream, a.base, b.base, c.base, bias, scratch)
      return true
    }

    private func add(_ shape: Shape) -> Primitive? {
      if primitives.count >= Self.capacity { primitives.removeAll() }
      let primitive = Primitive(shape, engine)
      primitives[shape] = primitive
      return primitive
    }
  }

  extension OneDNN.Layout {
    fileprivate init(_ operand: Operand) {
      let stride = Int32(operand.stride)
      self.init(
        rowStride: operand.isTransposed ? 1 : stride, columnStride: operand.isTransposed ? stride : 1,
        headStride: Int32(operand.headStride), precision: operand.precision)
    }

    fileprivate func descriptor(_ heads: Int32, _ rows: Int32, _ columns: Int32) -> dnnl_memory_desc_t {
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
  private func dimensions(_ values: Int32...) -> [dnnl_dim_t] {
    values.map(dnnl_dim_t.init) + [dnnl_dim_t](repeating: 0, count: 12 - values.count)
  }

  extension OneDNN {
    /// A compiled product with its arguments.
    final class Primitive {
      private let primitive: dnnl_primitive_t?
      private let arguments: [dnnl_exec_arg_t]
      private let hasBias: Bool
      let scratchBytes: Int

      /// Nil if oneDNN does not support the shape on this machine.
      init?(_ shape: Shape, _ engine: dnnl_engine_t?) {
        var a = shape.a.descriptor(shape.heads, shape.m, shape.k)
        var b = shape.b.descriptor(shape.heads, shape.k, shape.n)
        var c = shape.c.descriptor(shape.heads, shape.m, shape.n)
        var bias = dnnl_memory_desc_t()
        dnnl_memory_desc_init_by_strides(&bias, 2, dimensions(1, shape.n), dnnl_f32, dimensions(shape.n, 1))
        var attributes: dnnl_primitive_attr_t?
        dnnl_primitive_attr_create(&attributes)
        defer { dnnl_primitive_attr_destroy(attributes) }
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user)
        if shape.accumulate {
          var operations: dnnl_post_ops_t?
          dnnl_post_ops_create(&operations)
          dnnl_post_ops_append_sum(operations, 1)
          dnnl_primitive_attr_set_post_ops(attributes, operations)
          dnnl_post_ops_destroy(operations)
        }
        var operation = dnnl_matmul_desc_t()
        var description: dnnl_primitive_desc_t?
        var primitive: dnnl_primitive_t?
        let status =
          shape.hasBias
          ? dnnl_matmul_desc_init(&operation, &a, &b, &bias, &c)
          : dnnl_matmul_desc_init(&operation, &a, &b, nil, &c)
        guard status == dnnl_success,
          dnnl_primitive_desc_create(&description, &operation, attributes, engine, nil) == dnnl_success
        else { return nil }
        defer { dnnl_primitive_desc_destroy(description) }
        guard dnnl_primitive_create(&primitive, description) == dnnl_success else { return nil }
        self.primitive = primitive
        hasBias = shape.hasBias

        var arguments: [dnnl_exec_arg_t] = []
        func add(_ argument: Int32, _ descriptor: UnsafePointer<dnnl_memory_desc_t>?) {
          var memory: dnnl_memory_t?
          // DNNL_MEMORY_NONE: the handle is set before each execution.
          dnnl_memory_create(&memory, descriptor, engine, nil)
          arguments.append(dnnl_exec_arg_t(arg: argument, memory: memory))
        }
        let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)
        scratchBytes = scratch.map { dnnl_memory_desc_get_size($0) } ?? 0
        add(DNNL_ARG_SRC_0, &a)
        add(DNNL_ARG_WEIGHTS_0, &b)
        add(DNNL_ARG_DST_0, &c)
        add(DNNL_ARG_SCRATCHPAD, scratch)
        if shape.hasBias { add(DNNL_ARG_BIAS, &bias) }
        self.arguments = arguments
      }

      deinit {
        for argument in arguments { dnnl_memory_destroy(argument.memory) }
        dnnl_primitive_destroy(primitive)
      }

      func execute(
        _ stream: dnnl_stream_t?, _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer,
        _ c: UnsafeMutableRawPointer, _ bias: UnsafePointer<Float>?, _ scratch: UnsafeMutableRawPointer
      ) {
        dnnl_memory_set_data_handle(arguments[0].memory, a)
        dnnl_memory_set_data_handle(arguments[1].memory, b)
        dnnl_memory_set_data_handle(arguments[2].memory, c)
        dnnl_memory_set_data_handle(arguments[3].memory, scratch)
        if hasBias { dnnl_memory_set_data_handle(arguments[4].memory, UnsafeMutablePointer(mutating: bias)) }
        let status = dnnl_primitive_execute(primitive, stream, Int32(arguments.count), arguments)
        precondition(status == dnnl_success, "oneDNN failed with status \(status.rawValue)")
      }
    }
  }
#endif
