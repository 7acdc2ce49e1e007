import Foundation
import RunStore
import StrictJSON

/// A page about runs: one HTML file that needs no network and no other files.
///
///     let store = try RunStore.openExisting(path: "runs/swift-peft.sqlite")
///     let runs = try store.runs().map { try RecordedRun($0, in: store) }
///     let page = Report(runs, title: "SST-2", version: "0.1.0").html()
public struct Report: Sendable {
  private let data: String
  private let title: String

  /// A report on `runs`, in their order.
  public init(_ runs: [RecordedRun], title: String, version: String, generatedAt: String? = nil) {
    self.title = title
    let data = ReportData(
      title: title, runs: runs, version: version, generatedAt: generatedAt ?? Date().formatted(.iso8601))
    self.data = JSONWriter.text(data.json, pretty: false)
  }

  /// The page.
  public func html() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta http-equiv="Content-Security-Policy" \
    content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
    <link rel="icon" href="data:,">
    <title>\(Self.escaped(title))</title>
    <style>
    \(Self.text(PackageResources.report_css))</style>
    </head>
    <body>
    \(Self.body)
    <script type="application/json" id="data">\(Self.embedded(data))</script>
    <script>
    "use strict";
    (() => {
    \(Self.text(PackageResources.report_js))})();
    </script>
    </body>
    </html>

    """
  }

  /// The files in `Page` are embedded in the program. The style's group colours are Okabe and Ito's, which colour-blind
  /// people can distinguish. The script creates nodes and sets their text; nothing from a run is parsed as HTML.
  private static func text(_ file: [UInt8]) -> String { String(decoding: file, as: UTF8.self) }

  private static let body = """
    <header><h1 id="title"></h1><p id="subtitle"></p></header>
    <nav id="legend" aria-label="Groups of runs"></nav>
    <main>
    <noscript><p>This page draws its charts with JavaScript, which is switched off.</p></noscript>
    <section id="results"><h2>Results</h2><div class="pair">
    <figure class="card" id="scatter"></figure><div class="card scroll" id="summary"></div></div></section>
    <section id="curves"><h2>Curves</h2><div class="grid" id="charts"></div></section>
    <section id="sharing"><h2>Sharing map</h2><div id="maps"></div></section>
    <section id="configs"><h2>Configs</h2>
    <label class="switch"><input type="checkbox" id="differences" checked> only differences</label>
    <div class="card scroll" id="config-table"></div></section>
    <section id="runs"><h2>Runs</h2><div class="card scroll" id="run-table"></div></section>
    </main>
    <footer id="footer"></footer>
    <div id="tip" role="status" hidden></div>
    """

  /// JSON in which no HTML parser finds a tag: `</script>` and `<!--` begin with `<`, which is escaped.
  static func embedded(_ json: String) -> String { json.replacing("<", with: "\\u003c") }

  /// Text for the inside of an element.
  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
