#if ONEDNN
  import COneDNN

  extension OneDNN.Shape {
    /// The rows that oneDNN's own layout is asked for with. It fits products of any number of rows.
    private static let usualRows: Int32 = 128

    /// B [k, n] in the layout that oneDNN likes best; nil if it does not support the product.
    func packed(_ engine: dnnl_engine_t?) -> dnnl_memory_desc_t? {
      let type = b.precision.oneDNNType
      func dense(_ rows: Int32, _ columns: Int32) -> dnnl_memory_desc_t {
        var descriptor = dnnl_memory_desc_t()
        dnnl_memory_desc_init_by_strides(&descriptor, 2, dimensions(rows, columns), type, dimensions(columns, 1))
        return descriptor
      }
      var a = dense(Self.usualRows, k), c = dense(Self.usualRows, n), any = dnnl_memory_desc_t()
      dnnl_memory_desc_init_by_tag(&any, 2, dimensions(k, n), type, dnnl_format_tag_any)
      var operation = dnnl_matmul_desc_t()
      guard dnnl_matmul_desc_init(&operation, &a, &any, nil, &c) == dnnl_success else { return nil }
      return operation.withDescription(engine) { dnnl_primitive_desc_query_md($0, dnnl_query_weights_md, 0)?.pointee }
    }
  }

  extension Precision {
    var oneDNNType: dnnl_data_type_t { self == .float32 ? dnnl_f32 : dnnl_bf16 }
  }

  extension OneDNN {
    /// W [rows, columns] in oneDNN's own layout for one direction; nil if it has none.
    func pack(_ matrix: Operand, rows: Int, columns: Int, _ direction: ProductDirection) -> ResidentMemory? {
      let (n, k) = direction == .forward ? (rows, columns) : (columns, rows)
      let b = direction == .forward ? matrix.transposed : matrix
      let shape = Shape(
        heads: 1, m: 1, n: Int32(n), k: Int32(k), a: Layout(b), b: Layout(b), c: Layout(b), accumulate: false,
        hasBias: false, packing: direction)
      guard var packed = shape.packed(engine) else { return nil }
      return reorder(b.base, Layout(b).descriptor(1, Int32(k), Int32(n)), to: &packed)
    }

    /// A copy of numbers in another layout; nil if oneDNN cannot make it.
    func reorder(
      _ numbers: UnsafeMutableRawPointer, _ plain: dnnl_memory_desc_t, to packed: inout dnnl_memory_desc_t
    ) -> ResidentMemory? {
      var plain = plain, description: dnnl_primitive_desc_t?, reorder: dnnl_primitive_t?
      var attributes: dnnl_primitive_attr_t?
      Self.setThreads?(1)
      dnnl_primitive_attr_create(&attributes)
      defer { dnnl_primitive_attr_destroy(attributes) }
      guard
        dnnl_reorder_primitive_desc_create(&description, &plain, engine, &packed, engine, attributes) == dnnl_success
      else { return nil }
      defer { dnnl_primitive_desc_destroy(description) }
      guard dnnl_primitive_create(&reorder, description) == dnnl_success else { return nil }
      let result = ResidentMemory(byteCount: dnnl_memory_desc_get_size(&packed))
      var from: dnnl_memory_t?, to: dnnl_memory_t?
      dnnl_memory_create(&from, &plain, engine, numbers)
      dnnl_memory_create(&to, &packed, engine, result.base)
      defer {
        dnnl_memory_destroy(from)
        dnnl_memory_destroy(to)
        dnnl_primitive_destroy(reorder)
      }
      let arguments = [
        dnnl_exec_arg_t(arg: DNNL_ARG_FROM, memory: from), dnnl_exec_arg_t(arg: DNNL_ARG_TO, memory: to),
      ]
      guard dnnl_primitive_execute(reorder, stream, 2, arguments) == dnnl_success else { return nil }
      dnnl_stream_wait(stream)
      return result
    }
  }
#endif
