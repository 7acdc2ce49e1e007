import Foundation
import Tasks
import Tokenizers

/// Whether text on stdout may be coloured: on a terminal that can, unless the variable `NO_COLOR` is set.
func coloursOutput() -> Bool {
  let environment = ProcessInfo.processInfo.environment
  return isatty(STDOUT_FILENO) == 1 && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
}

/// Shows the tokens of an example, with what is to be predicted in green, or in brackets where there are no colours.
///
///     [CLS]│the│film│[SEP]
///     <|im_start|>│user│⏎
///     Hi│<|im_end|>│⏎
///     <|im_start|>│assistant│⏎
///     ⟦Hello│!│<|im_end|>⟧│⏎
struct TokenText {
  let tokenizer: Tokenizer
  let colours: Bool

  private enum Style: String {
    case target = "32", special = "35", specialTarget = "1;32", faint = "2"
  }

  private func styled(_ text: String, _ style: Style?) -> String {
    guard colours, let style, !text.isEmpty else { return text }
    return "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m"
  }

  /// The tokens of `item`; every document of several under a line of its own.
  func text(_ item: EncodedDataset.Item) -> String {
    let targets = Set(item.targetRanges.joined())
    guard item.documents.count > 1 else { return tokens(item.ids, from: 0, targets) }
    var text = "", start = 0
    for (number, document) in item.documents.enumerated() {
      let title = item.choices == nil ? "document \(number + 1)" : "choice \(number + 1)"
      text += styled("(\(title))", .faint) + "\n"
      text += tokens(Array(item.ids[start..<start + document.length]), from: start, targets)
      start += document.length
    }
    return text
  }

  /// `ids`, which stand at `start` in their example.
  private func tokens(_ ids: [Int32], from start: Int, _ targets: Set<Int>) -> String {
    var text = "", isLineStart = true
    for (offset, (id, own)) in zip(ids, tokenizer.texts(of: ids)).enumerated() {
      let place = start + offset, isTarget = targets.contains(place), isSpecial = tokenizer.isSpecial(id)
      let style: Style? = isTarget ? (isSpecial ? .specialTarget : .target) : isSpecial ? .special : nil
      let shown = own.isEmpty ? "…" : Self.visible(own), endsLine = shown.hasSuffix("\n")
      if !isLineStart { text += styled("│", .faint) }
      if isTarget, !colours, offset == 0 || !targets.contains(place - 1) { text += "⟦" }
      text += styled(endsLine ? String(shown.dropLast()) : shown, style)
      if isTarget, !colours, offset == ids.count - 1 || !targets.contains(place + 1) { text += "⟧" }
      if endsLine { text += "\n" }
      isLineStart = endsLine
    }
    return isLineStart ? text : text + "\n"
  }

  private static let unseen: Set<Unicode.GeneralCategory> = [
    .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned,
  ]

  /// `text` with a sign for everything that a terminal would obey or not show; a line break keeps its effect.
  static func visible(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": shown += "⏎\n"
      case "\u{7F}": shown += "␡"
      case _ where scalar.value < 0x20:
        if let picture = Unicode.Scalar(0x2400 + scalar.value) { shown.unicodeScalars.append(picture) }
      // Joins emoji to one.
      case "\u{200D}": shown.unicodeScalars.append(scalar)
      case _ where Self.unseen.contains(scalar.properties.generalCategory):
        shown += "<U+" + String(scalar.value, radix: 16, uppercase: true) + ">"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }
}
