/// The methods of lists, tuples and objects that a template may call. The others would change them.
enum ContainerMethods {
  static let changingList: Set<String> = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]
  static let changingObject: Set<String> = ["clear", "pop", "popitem", "setdefault", "update"]

  static let list: [String: Operation] = [
    "count": { list, arguments, renderer in
      let element = try arguments.places("count", 1...1)[0]
      return .integer(try renderer.array(list).count { try renderer.areEqual($0, element) })
    },
    "index": { list, arguments, renderer in
      let places = try arguments.places("index", 1...3)
      let elements = try renderer.array(list)
      func bound(_ position: Int, or standard: Int) throws -> Int {
        guard position < places.count else { return standard }
        guard let bound = places[position].integer else {
          throw JinjaFailure("slice indices must be integers or have an __index__ method")
        }
        return bound < 0 ? max(0, bound < -elements.count ? 0 : bound + elements.count) : min(bound, elements.count)
      }
      let start = try bound(1, or: 0), end = try bound(2, or: elements.count)
      for place in elements.indices where place >= start && place < end {
        if try renderer.areEqual(elements[place], places[0]) { return .integer(place) }
      }
      throw JinjaFailure("\(PythonText.shortRepresentation(places[0])) is not in list")
    },
    "copy": { list, arguments, _ in
      _ = try arguments.places("copy", 0...0)
      return list
    },
  ]

  static let object: [String: Operation] = [
    "get": { object, arguments, renderer in
      let places = try arguments.places("get", 1...2)
      let standard = places.count > 1 ? places[1] : .none
      guard case .object(let object) = object else { return standard }
      if case .string(let key) = places[0] { return object[key] ?? standard }
      return object[try renderer.hashKey(places[0])] ?? standard
    },
    "keys": { object, arguments, _ in try view(object, arguments, .keys) },
    "values": { object, arguments, _ in try view(object, arguments, .values) },
    "items": { object, arguments, _ in try view(object, arguments, .items) },
    "copy": { object, arguments, _ in
      _ = try arguments.places("copy", 0...0)
      return object
    },
    "fromkeys": { _, arguments, renderer in try fromKeys(arguments, renderer) },
  ]

  private static func view(
    _ object: JinjaValue, _ arguments: Arguments, _ kind: DictView.Kind
  ) throws -> JinjaValue {
    _ = try arguments.places(kind.rawValue, 0...0)
    guard case .object(let object) = object else { return .none }
    return .reference(DictView(object, kind))
  }

  /// `dict.fromkeys(keys, value)`
  static func fromKeys(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    let places = try arguments.places("fromkeys", 1...2)
    var builder = JinjaObject.Builder()
    for key in try renderer.array(places[0]) {
      builder.set(try renderer.hashKey(key), key: key, value: places.count > 1 ? places[1] : .none)
    }
    return .object(builder.object)
  }
}
