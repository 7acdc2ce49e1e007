/// Which names the blocks of a template hide.
///
/// jinja2 makes a function of Python of each block that has variables of its own. A name that such a block sets, without
/// having read it before, is a variable of it from its start on: until it is set, even blocks inside do not see the
/// variable of that name that the program gives. What is set in an `if` hides nothing.
///
///     {% macro m() %}{{ tools }}{% endmacro %}{{ m() }}{% set tools = 1 %}     {# prints nothing #}
struct Frames {
  private struct Frame {
    let parent: Int?
    /// The names that it reads or sets.
    var known: Set<Int> = []
    /// Those that it sets before it reads them, and outside of an `if`.
    var setFirst: [Int] = []
  }

  private var frames = [Frame(parent: nil)]
  /// The block that is parsed.
  var current = 0

  /// A new block inside of the current one, or apart from all others.
  mutating func add(isApart: Bool = false) -> Int {
    frames.append(Frame(parent: isApart ? nil : current))
    return frames.count - 1
  }

  /// Notes that the current block reads a name, or has a parameter of this name.
  mutating func read(_ id: Int) { frames[current].known.insert(id) }

  /// Notes that the current block sets a name.
  mutating func set(_ id: Int) {
    if frames[current].known.insert(id).inserted { frames[current].setFirst.append(id) }
  }

  /// The number of names that the current block has set first; `forget(since:)` takes back what an `if` has added.
  var mark: Int { frames[current].setFirst.count }

  mutating func forget(since mark: Int) {
    frames[current].setFirst.removeLast(frames[current].setFirst.count - mark)
  }

  /// The names that each block hides when it begins.
  var hidden: [[Int]] {
    frames.map { frame in
      frame.setFirst.filter { id in
        var outer = frame.parent
        while let place = outer {
          // A block outside has the name: it is that one.
          if frames[place].known.contains(id) { return false }
          outer = frames[place].parent
        }
        return true
      }
    }
  }
}
