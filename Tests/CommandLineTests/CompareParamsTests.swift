import StrictJSON
import Testing

@Suite struct CompareParamsTests {
  private func robertaBase() throws -> Sandbox {
    let sandbox = try Sandbox()
    try sandbox.writeRobertaBase("roberta-base")
    return sandbox
  }

  @Test func robertaBaseAsTheContractHasIt() throws {
    let outcome = try robertaBase().run("compare-params", "roberta-base", "--num-merges", "7", "--format", "json")
    #expect(outcome.status == 0 && outcome.err.isEmpty)
    let json = try outcome.json()
    #expect(
      json.object?.keys == ["model", "model_type", "total_parameters", "r", "target_modules", "strategies"])
    #expect(json["total_parameters"]?.integer == 124_647_170 && json["r"]?.integer == 8)
    let all = try #require(json["strategies"]?.array)
    #expect(all.count > 20)
    // Those of the contract's first version come first, and `none` last.
    let rows = Array(all.prefix(8)) + all.suffix(1)
    #expect(
      rows.map { $0["strategy"]?.string } == [
        "lora", "share-a", "share-b", "share-ab", "share-a-qkv", "share-b-qkv", "share-ab-qkv", "aslora", "none",
      ])
    #expect(
      rows.map { $0["adapter_parameters"]?.integer } == [
        294_912, 159_744, 159_744, 24_576, 159_744, 159_744, 24_576, 73_728, 0,
      ])
    #expect(rows[0]["trainable_parameters"]?.integer == 294_912 + 592_130)
    #expect(rows[0]["adapter_bytes"]?.integer == 4 * 294_912 && rows[0]["percent_of_lora"]?.number == 100)
    #expect(rows[7]["adapter_parameters_before_merging"]?.integer == 159_744)
  }

  @Test func aConfigGivesRankTargetsAndLabels() throws {
    let sandbox = try robertaBase()
    let outcome = try sandbox.run(
      "compare-params", "\(Repository.path)/configs/roberta-base-mnli-share-a.json", "--set", "model=roberta-base",
      "--set", "adapter.r=4", "--strategies", "lora,share-a", "--format", "json")
    let rows = try #require(try outcome.json()["strategies"]?.array)
    #expect(rows.map { $0["adapter_parameters"]?.integer } == [147_456, 79_872])
    #expect(rows[0]["trainable_parameters"]?.integer == 147_456 + 592_899)
  }

  /// A magnitude for each output of every method that takes them; a start is that of the config's own method.
  @Test func magnitudesAreOnEveryMethod() throws {
    let sandbox = try robertaBase()
    func numbers(_ column: String, _ settings: String...) throws -> [Int?] {
      let outcome = try sandbox.start(
        [
          "compare-params", "\(Repository.path)/configs/roberta-base-mnli-share-a.json", "--set", "model=roberta-base",
          "--set", "adapter.strategy=lora", "--strategies", "lora,share-a,vera,rosa", "--format", "json",
        ]
          + settings.flatMap { ["--set", $0] }
      ).finish()
      return try #require(try outcome.json()["strategies"]?.array).map { $0[column]?.integer }
    }
    let plain = try numbers("adapter_parameters").compactMap(\.self)
    #expect(
      try numbers("adapter_parameters", "adapter.use_dora=true")
        == zip(plain, [1, 1, 1, 0]).map { $0 + $1 * 24 * 768 })
    // The pair that PiSSA takes out is as large as the trained one.
    let bytes = try numbers("adapter_bytes").compactMap(\.self)
    #expect(
      try numbers("adapter_bytes", "adapter.init_lora_weights=pissa") == [2 * bytes[0]] + Array(bytes.dropFirst()))
  }

  /// VeRA's ranks are above what LoRA can have; LoRA's numbers at such a rank are still what is compared with.
  @Test func ranksThatLoRACannotHave() throws {
    let sandbox = try robertaBase()
    let named = try sandbox.run(
      "compare-params", "roberta-base", "--r", "1024", "--strategies", "vera", "--format", "csv")
    #expect(named.out.contains("\nvera,43008,635138,0.1139"), "\(named.out)\(named.err)")
    #expect(try sandbox.run("compare-params", "roberta-base", "--r", "1024", "--strategies", "vera,lora").status == 65)
    let config = try sandbox.run(
      "compare-params", "\(Repository.path)/configs/roberta-base-mnli-share-a.json", "--set", "model=roberta-base",
      "--set", "adapter.strategy=vera", "--set", "adapter.r=1024")
    #expect(config.status == 0 && config.out.contains("lora: left out; adapter.r: 1024 is above"), "\(config.err)")
  }

  @Test(arguments: ["table", "csv", "markdown"]) func formats(format: String) throws {
    let outcome = try robertaBase().run("compare-params", "roberta-base/config.json", "--format", format)
    #expect(outcome.status == 0 && outcome.out.contains(format == "csv" ? "lora,294912," : "294,912"))
  }

  @Test func misuse() throws {
    let sandbox = try robertaBase()
    let nearest = try sandbox.run("compare-params", "roberta-base", "--strategies", "lora,shar-a")
    #expect(nearest.status == 64 && nearest.err.contains("did you mean \"share-a\"?"))
    #expect(try sandbox.run("compare-params", "roberta-base", "--r", "0").status == 64)
    let tooLarge = try sandbox.run("compare-params", "roberta-base", "--r", "769")
    #expect(
      tooLarge.status == 65 && tooLarge.err.hasSuffix("and 21 more\n") && tooLarge.err.split(separator: "\n").count == 4
    )
    #expect(try sandbox.run("compare-params", "roberta-base", "--num-merges", "12").status == 65)
    #expect(try sandbox.run("compare-params", "roberta-base", "--target-modules", "qery").status == 65)
    #expect(try sandbox.run("compare-params", "roberta-base", "--set", "adapter.r=4").status == 64)
    #expect(try sandbox.run("compare-params", "nowhere").status == 66)
  }
}
