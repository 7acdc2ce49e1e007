#if ONEDNN
  import COneDNN

  extension OneDNN {
    /// Whether this processor multiplies eight-bit numbers without saturating their sums in between (VNNI or AMX).
    static var hasInt8: Bool {
      guard isUsable else { return false }
      let isa = UInt32(dnnl_get_effective_cpu_isa().rawValue)
      return [dnnl_cpu_isa_avx512_core_vnni, dnnl_cpu_isa_avx2_vnni].contains {
        isa & UInt32($0.rawValue) == UInt32($0.rawValue)
      }
    }

    /// A product of rows of unsigned numbers with a rounded weight: C [m, n] = A [m, k] B [k, n] in 32 bits.
    struct Int8Shape: Hashable {
      var m: Int32, n: Int32, k: Int32
      var direction: ProductDirection
      var layout: Int8Layout

      /// The rows that oneDNN's own layout is asked for with. It fits products of any number of rows.
      static let usualRows: Int32 = 64
    }

    /// C ← A B. False if oneDNN does not support the shape on this machine.
    func multiply(
      _ shape: Int8Shape, _ a: UnsafePointer<UInt8>, _ b: UnsafeMutableRawPointer, into c: UnsafeMutablePointer<Int32>
    ) -> Bool {
      Self.setThreads?(1)
      guard let primitive = int8Primitives[shape] ?? add(shape) else { return false }
      execute(primitive, UnsafeMutableRawPointer(mutating: a), b, c, bias: nil)
      return true
    }

    private func add(_ shape: Int8Shape) -> Primitive? {
      if int8Primitives.count >= Self.capacity { forget(&int8Primitives) }
      let primitive = shape.compile(engine)
      int8Primitives[shape] = primitive
      return primitive
    }

    /// The weights [rows, columns] in oneDNN's own layout for one direction; nil if it has none.
    func pack(_ values: ResidentMemory, rows: Int, columns: Int, _ direction: ProductDirection) -> ResidentMemory? {
      let (n, k) = direction == .forward ? (rows, columns) : (columns, rows)
      let shape = Int8Shape(m: Int8Shape.usualRows, n: Int32(n), k: Int32(k), direction: direction, layout: .packed)
      guard var packed = shape.packedDescriptor(engine) else { return nil }
      return reorder(values.base, shape.stored, to: &packed)
    }
  }

  extension OneDNN.Int8Shape {
    /// B [k, n] as we store it: [out, in], row by row.
    var stored: dnnl_memory_desc_t {
      let (rowStride, columnStride) = direction == .forward ? (1, k) : (n, 1)
      return matrix(k, n, dnnl_s8, rowStride, columnStride)
    }

    /// B in the layout that oneDNN likes best; nil if it does not support the shape.
    func packedDescriptor(_ engine: dnnl_engine_t?) -> dnnl_memory_desc_t? {
      var any = dnnl_memory_desc_t()
      dnnl_memory_desc_init_by_tag(&any, 2, dimensions(k, n), dnnl_s8, dnnl_format_tag_any)
      var usual = self
      usual.m = Self.usualRows
      return usual.withDescription(any, engine) { dnnl_primitive_desc_query_md($0, dnnl_query_weights_md, 0)?.pointee }
    }

    /// Compiles the product; nil if oneDNN does not support it on this machine.
    func compile(_ engine: dnnl_engine_t?) -> OneDNN.Primitive? {
      guard let b = layout == .rows ? stored : packedDescriptor(engine) else { return nil }
      return withDescription(b, engine) {
        OneDNN.Primitive($0, engine, operations: 2 * Double(m) * Double(n) * Double(k), a: rows, b: b, c: sums)
      }
    }

    private var rows: dnnl_memory_desc_t { matrix(m, k, dnnl_u8, k, 1) }
    private var sums: dnnl_memory_desc_t { matrix(m, n, dnnl_s32, n, 1) }

    private func withDescription<Result>(
      _ b: dnnl_memory_desc_t, _ engine: dnnl_engine_t?, _ body: (dnnl_primitive_desc_t?) -> Result?
    ) -> Result? {
      var a = rows, b = b, c = sums, operation = dnnl_matmul_desc_t()
      guard dnnl_matmul_desc_init(&operation, &a, &b, nil, &c) == dnnl_success else { return nil }
      return operation.withDescription(engine, body)
    }

    private func matrix(
      _ rows: Int32, _ columns: Int32, _ type: dnnl_data_type_t, _ rowStride: Int32, _ columnStride: Int32
    ) -> dnnl_memory_desc_t {
      var descriptor = dnnl_memory_desc_t()
      dnnl_memory_desc_init_by_strides(
        &descriptor, 2, dimensions(rows, columns), type, dimensions(rowStride, columnStride))
      return descriptor
    }
  }
#endif
