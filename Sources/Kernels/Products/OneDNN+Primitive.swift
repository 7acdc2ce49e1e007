#if ONEDNN
  import COneDNN

  extension OneDNN {
    /// A compiled product with its arguments.
    final class Primitive {
      private let primitive: dnnl_primitive_t?
      private let arguments: [dnnl_exec_arg_t]
      private let hasBias: Bool
      private let operationsOfOne: Double
      let scratchBytes: Int
      /// oneDNN's name of the code: `brg:avx512_core_bf16`.
      let implementation: String
      /// Floating-point operations so far.
      private(set) var operations = 0.0

      /// Compiles what `description` describes, `operations` at each execution, for matrices that lie as the others say; nil
      /// if oneDNN cannot.
      init?(
        _ description: dnnl_primitive_desc_t?, _ engine: dnnl_engine_t?, operations: Double, a: dnnl_memory_desc_t,
        b: dnnl_memory_desc_t, c: dnnl_memory_desc_t, bias: dnnl_memory_desc_t? = nil
      ) {
        var primitive: dnnl_primitive_t?
        guard dnnl_primitive_create(&primitive, description) == dnnl_success else { return nil }
        self.primitive = primitive
        operationsOfOne = operations
        var name: UnsafePointer<CChar>?
        dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name)
        implementation = name.map { String(cString: $0) } ?? "unknown"
        hasBias = bias != nil
        var arguments: [dnnl_exec_arg_t] = []
        func add(_ argument: Int32, _ descriptor: UnsafePointer<dnnl_memory_desc_t>?) {
          var memory: dnnl_memory_t?
          // DNNL_MEMORY_NONE: the handle is set before each execution.
          dnnl_memory_create(&memory, descriptor, engine, nil)
          arguments.append(dnnl_exec_arg_t(arg: argument, memory: memory))
        }
        let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)
        scratchBytes = scratch.map { dnnl_memory_desc_get_size($0) } ?? 0
        for (argument, descriptor) in [(DNNL_ARG_SRC_0, a), (DNNL_ARG_WEIGHTS_0, b), (DNNL_ARG_DST_0, c)] {
          withUnsafePointer(to: descriptor) { add(argument, $0) }
        }
        add(DNNL_ARG_SCRATCHPAD, scratch)
        if let bias { withUnsafePointer(to: bias) { add(DNNL_ARG_BIAS, $0) } }
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
        operations += operationsOfOne
      }
    }
  }

  extension OneDNN.Primitive {
    /// Nil if oneDNN does not support the shape on this machine.
    static func make(_ shape: OneDNN.Shape, _ engine: dnnl_engine_t?) -> OneDNN.Primitive? {
      var a = shape.a.descriptor(shape.heads, shape.m, shape.k)
      guard var b = shape.packing == nil ? shape.b.descriptor(shape.heads, shape.k, shape.n) : shape.packed(engine)
      else {
        return nil
      }
      var c = shape.c.descriptor(shape.heads, shape.m, shape.n)
      var bias = dnnl_memory_desc_t()
      dnnl_memory_desc_init_by_strides(&bias, 2, dimensions(1, shape.n), dnnl_f32, dimensions(shape.n, 1))
      var operation = dnnl_matmul_desc_t()
      let status =
        shape.hasBias
        ? dnnl_matmul_desc_init(&operation, &a, &b, &bias, &c)
        : dnnl_matmul_desc_init(&operation, &a, &b, nil, &c)
      guard status == dnnl_success else { return nil }
      return operation.withDescription(engine, accumulate: shape.accumulate) {
        OneDNN.Primitive(
          $0, engine, operations: shape.operations, a: a, b: b, c: c, bias: shape.hasBias ? bias : nil)
      }
    }
  }

  extension dnnl_matmul_desc_t {
    /// Calls `body` with oneDNN's description of this product, which is added to C if it is to `accumulate`; nil if it does
    /// not support it on this machine.
    mutating func withDescription<Result>(
      _ engine: dnnl_engine_t?, accumulate: Bool = false, _ body: (dnnl_primitive_desc_t?) -> Result?
    ) -> Result? {
      var attributes: dnnl_primitive_attr_t?, description: dnnl_primitive_desc_t?
      dnnl_primitive_attr_create(&attributes)
      defer { dnnl_primitive_attr_destroy(attributes) }
      dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user)
      if accumulate {
        var operations: dnnl_post_ops_t?
        dnnl_post_ops_create(&operations)
        dnnl_post_ops_append_sum(operations, 1)
        dnnl_primitive_attr_set_post_ops(attributes, operations)
        dnnl_post_ops_destroy(operations)
      }
      guard dnnl_primitive_desc_create(&description, &self, attributes, engine, nil) == dnnl_success else { return nil }
      defer { dnnl_primitive_desc_destroy(description) }
      return body(description)
    }
  }
#endif
