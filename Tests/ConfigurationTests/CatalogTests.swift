import Adapters
import Configuration
import Diagnostics
import Testing

/// What a config can name is what the catalog lists.
@Suite struct CatalogTests {
  private let catalog: Catalog

  init() {
    var catalog = Catalog(methods: [.lora])
    catalog.methods.append(
      AdapterMethod(name: "paired-a", summary: "an A per two layers, a B per layer") { site, rank in
        [.a(site, rank, layer: site.layer / 2), .b(site, rank)]
      })
    self.catalog = catalog
  }

  @Test func aMethodOfOnesOwnIsAccepted() throws {
    let text = config(adapter: "\"strategy\": \"paired-a\"")
    let loaded = try RunConfig.load(text: text, catalog: catalog)
    #expect(loaded.adapter.strategy == "paired-a")
    #expect(try RunConfig.load(text: loaded.jsonText(), catalog: catalog) == loaded)
    #expect(try AdapterMethod.named("paired-a", among: loaded.catalog.methods).name == "paired-a")
    #expect(RunConfig.schemaText(catalog).contains("\"paired-a\""))
    #expect(refusal(text)?.contains("not \"paired-a\"") == true)
  }

  @Test func theErrorListsTheCatalogsMethods() {
    let error = #expect(throws: ConfigError.self) {
      try RunConfig.load(text: config(adapter: "\"strategy\": \"paired\""), file: "run.json", catalog: catalog)
    }
    #expect(
      error?.description == "run.json:4: adapter.strategy: must be one of lora, paired-a (did you mean paired-a?), not "
        + "\"paired\"")
  }

  @Test func sweepsTakeItToo() throws {
    let text = config(top: "\"sweep\": {\"adapter.strategy\": [\"lora\", \"paired-a\"]}")
    #expect(
      try SweepConfig.load(text: text, catalog: catalog).members.map(\.label) == ["strategy-lora", "strategy-paired-a"])
    #expect(throws: ConfigError.self) { try SweepConfig.load(text: text) }
  }
}

@Suite struct ConfigErrorTests {
  @Test(arguments: [
    (ConfigError.missing(file: "run.json"), "run.json: no such file", Diagnostics.ExitStatus.missingInput),
    (.unreadable(file: "d", reason: "is a directory"), "d: cannot be read: is a directory", .missingInput),
    (.malformedOverride("seed"), "--set seed: must be path.to.key=value", .usage),
    (
      .unknownOverride(path: "training.sed", suggestion: ", did you mean seed?"),
      "--set training.sed: unknown key, did you mean seed?", .usage
    ),
    (
      .invalid(place: "run.json:3", path: "adapter.r", problem: "is missing"), "run.json:3: adapter.r: is missing",
      .badInput
    ),
    (.invalid(place: "run.json:1", path: "", problem: "is missing"), "run.json:1: is missing", .badInput),
    (
      .invalid(place: "--set adapter.r", path: "adapter.r", problem: "is missing"), "--set adapter.r: is missing",
      .badInput
    ),
  ])
  func saysOneSentence(error: ConfigError, sentence: String, status: Diagnostics.ExitStatus) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == status)
  }
}
