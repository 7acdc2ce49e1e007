extension Filters {
  /// Filters of lists and objects.
  static let lists: [String: Operation] = [
    "length": { try length($0, $1, $2) },
    "count": { try length($0, $1, $2) },
    "list": { value, arguments, renderer in
      try arguments.requireNone("list")
      let elements = try renderer.array(value)
      try renderer.spend(elements.count)
      return .list(JinjaList(elements))
    },
    "first": { value, arguments, renderer in
      try arguments.requireNone("first")
      return try renderer.cursor(value).next() ?? .undefined("No first item, sequence was empty.")
    },
    "last": { value, arguments, renderer in
      try arguments.requireNone("last")
      return try backwards(value, renderer).next() ?? .undefined("No last item, sequence was empty.")
    },
    "reverse": { value, arguments, renderer in
      try arguments.requireNone("reverse")
      if let text = value.text {
        try renderer.spend(text.utf8.count)
        return renderer.same(as: value, String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
      }
      do {
        return .reference(
          try Generator("\(value.typeName)_reverseiterator", nesting: value.depth, backwards(value, renderer)))
      } catch let failure as JinjaFailure where failure.message.hasSuffix("is not reversible") {
        do {
          return .list(JinjaList(try renderer.array(value).reversed()))
        } catch let failure as JinjaFailure where failure.message.hasSuffix("is not iterable") {
          throw JinjaFailure("argument must be iterable")
        }
      }
    },
    "items": { value, arguments, renderer in
      try arguments.requireNone("items")
      switch value {
      case .undefined: return .reference(try Generator(nesting: 0, ListCursor([])))
      case .object(let object):
        return .reference(try Generator(nesting: object.depth, DictView(object, .items).cursor(renderer)))
      default:
        // jinja2 complains when the first pair is asked for.
        return .reference(
          try Generator(
            nesting: value.depth, FunctionCursor { throw JinjaFailure("Can only get item pairs from a mapping.") }))
      }
    },
    "dictsort": { value, arguments, renderer in
      let bound = try arguments.bound("dictsort", ["case_sensitive", "by", "reverse"])
      let by = bound[1]?.text ?? (bound[1] == nil ? "key" : "")
      guard by == "key" || by == "value" else { throw JinjaFailure("You can only sort by either \"key\" or \"value\"") }
      guard case .object(let object) = value else { throw noAttribute("items", of: value) }
      let key = SortKey(nil, isCaseSensitive: try bound[0].map(renderer.isTrue) ?? false)
      let places = try renderer.sorted(
        Array(object.keys.indices), isReversed: try bound[2].map(renderer.isTrue) ?? false
      ) { try key.value(of: by == "key" ? object.keys[$0] : object.values[$0], renderer) }
      return .elements(places.map { .pair(object.keys[$0], object.values[$0]) })
    },
    "sort": { value, arguments, renderer in
      let bound = try arguments.bound("sort", ["reverse", "case_sensitive", "attribute"])
      let key = SortKey(bound[2], isCaseSensitive: try bound[1].map(renderer.isTrue) ?? false, isList: true)
      let isReversed = try bound[0].map(renderer.isTrue) ?? false
      return .elements(
        try renderer.sorted(renderer.array(value), isReversed: isReversed) { try key.value(of: $0, renderer) })
    },
    "unique": { value, arguments, renderer in
      let bound = try arguments.bound("unique", ["case_sensitive", "attribute"])
      let key = SortKey(bound[1], isCaseSensitive: try bound[0].map(renderer.isTrue) ?? false)
      let cursor = try renderer.cursor(value)
      var seen: Set<HashKey> = []
      return .reference(
        try Generator(
          nesting: value.depth,
          FunctionCursor {
            while let element = try cursor.next() {
              let hash = try renderer.hashKey(key.value(of: element, renderer))
              if seen.insert(hash).inserted { return element }
            }
            return nil
          }))
    },
    "groupby": { value, arguments, renderer in
      let bound = try arguments.bound("groupby", ["attribute", "default", "case_sensitive"], required: 1)
      let standard = bound[1].flatMap { $0.isNone ? nil : $0 }
      let isCaseSensitive = try bound[2].map(renderer.isTrue) ?? false
      let key = SortKey(bound[0], isCaseSensitive: isCaseSensitive)
      let exactKey = SortKey(bound[0], isCaseSensitive: true)
      let elements = try renderer.sorted(renderer.array(value)) { try key.value(of: $0, renderer, or: standard) }
      var groups: [(key: JinjaValue, elements: [JinjaValue])] = []
      for element in elements {
        let elementKey = try key.value(of: element, renderer, or: standard)
        if let last = groups.last, try renderer.areEqual(last.key, elementKey) {
          groups[groups.count - 1].elements.append(element)
        } else {
          groups.append((elementKey, [element]))
        }
      }
      let pairs = try groups.map { group in
        let shown = try exactKey.value(of: group.elements[0], renderer, or: standard)
        return JinjaValue.tuple(JinjaList([shown, .list(JinjaList(group.elements))], isGroup: true))
      }
      let list = JinjaList(pairs)
      try renderer.check(depth: list.depth)
      return .list(list)
    },
    "batch": { value, arguments, renderer in
      let bound = try arguments.bound("batch", ["linecount", "fill_with"], required: 1)
      let count = try StringMethods.integer(bound[0] ?? .none)
      let fill = bound[1].flatMap { $0.isNone ? nil : $0 }
      let cursor = try renderer.cursor(value)
      // The first element is always taken into a row, so that a count of 0 never fills one.
      var waiting: JinjaValue?, isDone = false
      return .reference(
        try Generator(
          nesting: value.depth + 1,
          FunctionCursor {
            if isDone { return nil }
            var row: [JinjaValue] = waiting.map { [$0] } ?? []
            waiting = nil
            while let element = try cursor.next() {
              try renderer.step()
              if row.count == count {
                waiting = element
                return .elements(row)
              }
              row.append(element)
            }
            isDone = true
            if row.isEmpty { return nil }
            if let fill, row.count < count {
              try renderer.check(count: count)
              row += Array(repeating: fill, count: count - row.count)
            }
            return .elements(row)
          }))
    },
    "slice": { value, arguments, renderer in
      let bound = try arguments.bound("slice", ["slices", "fill_with"], required: 1)
      let slices = try StringMethods.integer(bound[0] ?? .none)
      let fill = bound[1].flatMap { $0.isNone ? nil : $0 }
      let elements = try renderer.array(value)
      guard slices != 0 else { throw JinjaFailure("integer division or modulo by zero") }
      let size = slices > 0 ? elements.count / slices : 0, extra = slices > 0 ? elements.count % slices : 0
      var number = 0, start = 0
      return .reference(
        try Generator(
          nesting: value.depth + 1,
          FunctionCursor {
            guard number < slices else { return nil }
            try renderer.step()
            let end = start + size + (number < extra ? 1 : 0)
            var part = Array(elements[start..<end])
            if let fill, number >= extra { part.append(fill) }
            start = end
            number += 1
            return .elements(part)
          }))
    },
  ]

  private static func length(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    try arguments.requireNone("len")
    guard let count = try renderer.count(value) else {
      throw JinjaFailure("object of type '\(value.typeName)' has no len()")
    }
    return .integer(count)
  }

  private static func backwards(_ value: JinjaValue, _ renderer: Renderer) throws -> Cursor {
    switch value {
    case .list(let list), .tuple(let list): return ListCursor(list.elements.reversed())
    case .object(let object): return ListCursor(object.keys.reversed())
    case .string(let text), .markup(let text):
      return ListCursor(text.unicodeScalars.reversed().map { .string(String($0)) })
    case .reference(let reference): if let cursor = reference.reversed() { return cursor }
    case .undefined: return ListCursor([])
    default: break
    }
    throw JinjaFailure("'\(value.typeName)' object is not reversible")
  }

  private static func noAttribute(_ name: String, of value: JinjaValue) -> JinjaFailure {
    if case .undefined(let undefined) = value { return JinjaFailure(undefined) }
    return JinjaFailure("'\(value.typeName)' object has no attribute '\(name)'")
  }
}
