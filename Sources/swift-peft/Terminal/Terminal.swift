import Foundation

/// The size of a terminal.
enum Terminal {
  /// Columns of the terminal on `descriptor`; 80 if it is not one.
  static func columns(_ descriptor: Int32) -> Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }
}
