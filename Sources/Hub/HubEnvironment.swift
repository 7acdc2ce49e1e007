import Foundation

/// The server and the cache of models, from the environment variables of Python's `huggingface_hub`:
/// `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, and some older names.
package struct HubEnvironment: Sendable, Equatable {
  /// The cache; `~/.cache/huggingface/hub` by default.
  package var cache: String
  /// The server, without a slash at the end.
  package var endpoint: String
  package var token: String?
  package var isOffline: Bool

  package init(_ variables: [String: String] = ProcessInfo.processInfo.environment) {
    func value(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
    let userHome = value("HOME") ?? NSHomeDirectory()
    func path(_ text: String) -> String { Self.expand(text, variables, home: userHome) }
    let home = path(value("HF_HOME") ?? (value("XDG_CACHE_HOME") ?? "\(userHome)/.cache") + "/huggingface")
    cache = path(value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") ?? "\(home)/hub")
    var endpoint = value("HF_ENDPOINT") ?? "https://huggingface.co"
    while endpoint.hasSuffix("/") { endpoint.removeLast() }
    self.endpoint = endpoint
    isOffline = [value("HF_HUB_OFFLINE"), value("TRANSFORMERS_OFFLINE")]
      .contains { ["1", "ON", "YES", "TRUE"].contains($0?.uppercased()) }
    let stored = try? String(contentsOfFile: path(value("HF_TOKEN_PATH") ?? "\(home)/token"), encoding: .utf8)
    token = [value("HF_TOKEN"), value("HUGGING_FACE_HUB_TOKEN"), stored]
      .lazy.compactMap { $0?.filter { !$0.isNewline }.trimmingCharacters(in: .whitespaces) }.first { !$0.isEmpty }
  }

  /// Expands `~`, `$NAME` and `${NAME}`. Unset names are left as they are.
  private static func expand(_ text: String, _ variables: [String: String], home: String) -> String {
    var text = text
    if text == "~" || text.hasPrefix("~/") { text = home + text.dropFirst() }
    for (name, value) in variables.sorted(by: { $0.key.count > $1.key.count }) where text.contains("$") {
      text = text.replacingOccurrences(of: "${\(name)}", with: value).replacingOccurrences(of: "$\(name)", with: value)
    }
    return text
  }
}
