// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// oneDNN is used where its headers are (Debian's libdnnl-dev), unless SWIFT_PEFT_ONEDNN=0 says not to.
let hasOneDNN =
  ProcessInfo.processInfo.environment["SWIFT_PEFT_ONEDNN"] != "0"
  && ["/usr/include", "/usr/local/include"].contains {
    FileManager.default.fileExists(atPath: $0 + "/oneapi/dnnl/dnnl.h")
  }

let swift: [SwiftSetting] =
  [.treatAllWarnings(as: .error)] + (hasOneDNN ? [.define("ONEDNN")] : [])
let c: [CSetting] = [.treatAllWarnings(as: .error)]

/// A library target of the package; every one is checked with warnings as errors.
func library(_ name: String, _ dependencies: [Target.Dependency] = [], embedding files: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies, resources: files.map { .embedInCode($0) }, swiftSettings: swift)
}

/// A test target. Files that its tests read lie in a folder `Golden`, found by `#filePath`.
func tests(_ name: String, _ dependencies: [Target.Dependency], golden: Bool = false) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: golden ? ["Golden"] : [], swiftSettings: swift)
}

let algorithms = Target.Dependency.product(name: "Algorithms", package: "swift-algorithms")

let package = Package(
  name: "swift-peft",
  products: [
    .executable(name: "swift-peft", targets: ["swift-peft"]),
    // The engine for other packages; Tests/ExampleTests shows its use.
    .library(
      name: "SwiftPEFT",
      targets: [
        "Training", "Adapters", "Models", "Checkpoints", "Tokenizers", "Metrics", "Tasks", "Configuration", "RunStore",
        "Reports", "Jinja", "StrictJSON", "Diagnostics",
      ]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-algorithms", from: "1.2.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // The base: errors with exit codes, digests, JSON with line numbers.
    .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
    library("Diagnostics", ["CCrypto"]),
    library("StrictJSON", ["Diagnostics"]),

    // Computing: C kernels, GEMM, memory; differentiable operations.
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .target(name: "CKernels", cSettings: c),
    library("Kernels", ["CKernels", "COpenBLAS", "Diagnostics", algorithms] + (hasOneDNN ? ["COneDNN"] : [])),
    library("Autograd", ["Kernels", "CKernels", algorithms]),

    // The processes of one run: MPI, loaded where a launcher started us.
    library("Cluster", ["Kernels", "CKernels", "Diagnostics"]),

    // Files in, values out.
    library("Checkpoints", ["Kernels", "CKernels", "StrictJSON", "Diagnostics", algorithms]),
    library("Hub", ["StrictJSON", "Diagnostics"]),
    library("Jinja", ["StrictJSON", "Diagnostics"]),
    .systemLibrary(name: "COniguruma", providers: [.apt(["libonig-dev"])]),
    library("Tokenizers", ["COniguruma", "Checkpoints", "StrictJSON", "Diagnostics", algorithms]),
    library("Metrics"),
    .systemLibrary(name: "CStatFS"),
    library("RunStore", ["CStatFS", "Metrics", "Diagnostics", .product(name: "GRDB", package: "GRDB.swift")]),

    library(
      "Reports", ["RunStore", "Metrics", "StrictJSON", "Diagnostics", algorithms],
      embedding: ["Page/report.css", "Page/report.js"]),

    // The product.
    library("Models", ["Autograd", "Kernels", "Checkpoints", "StrictJSON", "Diagnostics"]),
    library("Adapters", ["Models", "Autograd", "Checkpoints", "Kernels", "StrictJSON", "Diagnostics", algorithms]),
    library(
      "Tasks",
      [
        "Metrics", "Tokenizers", "Jinja", "Models", "Checkpoints", "Autograd", "Kernels", "StrictJSON",
        "Diagnostics", algorithms,
      ],
      embedding: ["alpaca", "chatml", "completion", "llama-2", "llama-3"].map { "Conversations/Templates/\($0).jinja" }),
    library("Configuration", ["Tasks", "Metrics", "Models", "Adapters", "Kernels", "StrictJSON", "Diagnostics"]),
    library(
      "Training",
      [
        "Models", "Adapters", "Autograd", "Checkpoints", "Tokenizers", "Tasks", "Metrics", "Configuration",
        "RunStore", "Hub", "Kernels", "Cluster", "StrictJSON", "Diagnostics", algorithms,
      ]),
    .executableTarget(
      name: "swift-peft",
      dependencies: [
        "Training", "Adapters", "Models", "Checkpoints", "Cluster", "Configuration", "Diagnostics", "Hub", "Kernels",
        "Metrics", "Reports", "RunStore", "StrictJSON", "Tasks", "Tokenizers", algorithms,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swift),

    .executableTarget(
      name: "swift-peft-bench",
      dependencies: [
        "Training", "Adapters", "Models", "Tasks", "Tokenizers", "Metrics", "StrictJSON", "Kernels", "CKernels",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swift),

    // Hostile files: what the fuzzer feeds, and its corpus as tests.
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Adapters", "Checkpoints", "Configuration", "Diagnostics", "Jinja", "Metrics", "Models", "StrictJSON", "Tasks",
        "Tokenizers", "Training",
      ],
      path: "Tests/FuzzTargets", swiftSettings: swift),
    .testTarget(
      name: "FuzzTests",
      dependencies: [
        "FuzzTargets", "Adapters", "Checkpoints", "Configuration", "Diagnostics", "Hub", "StrictJSON", "Tasks",
        "Tokenizers", "Training",
      ],
      exclude: ["Corpus"], swiftSettings: swift),

    tests(
      "ExampleTests",
      [
        "Training", "Adapters", "Models", "Checkpoints", "Configuration", "Reports", "RunStore", "StrictJSON",
        "Metrics",
        "Tasks",
      ]),
    tests("DiagnosticsTests", ["Diagnostics", "StrictJSON", algorithms]),
    tests("KernelsTests", ["Kernels", "CKernels", "COpenBLAS", "Diagnostics"], golden: true),
    tests("AutogradTests", ["Autograd", "Kernels", "CKernels"]),
    .target(
      name: "SimulatedCluster", dependencies: ["Cluster"], path: "Tests/SimulatedCluster", swiftSettings: swift),
    tests("ClusterTests", ["Cluster", "SimulatedCluster", "Kernels", "Diagnostics"]),
    tests("CheckpointsTests", ["StrictJSON", "Checkpoints", "Models", "Kernels", "Diagnostics"]),
    tests("ModelsTests", ["Models", "StrictJSON", "Diagnostics"]),
    tests("HubTests", ["Hub", "Diagnostics"], golden: true),
    tests("TokenizersTests", ["Tokenizers", "Checkpoints", "StrictJSON", "Diagnostics"], golden: true),
    tests("JinjaTests", ["Jinja", "StrictJSON", "Diagnostics"], golden: true),
    tests("TasksTests", ["Tasks", "Metrics", "Tokenizers", "Checkpoints", "Kernels", "StrictJSON", "Diagnostics"]),
    tests("TextMetricsTests", ["Metrics"], golden: true),
    tests("ConfigurationTests", ["Configuration", "Tasks", "Metrics", "Adapters", "StrictJSON", "Diagnostics"]),
    tests("RunStoreTests", ["RunStore", "Metrics", "Diagnostics", .product(name: "GRDB", package: "GRDB.swift")]),
    tests("ReportsTests", ["Reports", "RunStore", "Metrics", "StrictJSON", "Diagnostics"]),
    tests(
      "AdaptersTests", ["StrictJSON", "Adapters", "Autograd", "Models", "Checkpoints", "Kernels", "Diagnostics"],
      golden: true),
    tests(
      "TrainingTests",
      [
        "Training", "Models", "Adapters", "Autograd", "Checkpoints", "Tokenizers", "Tasks", "Metrics", "Configuration",
        "RunStore", "Kernels", "Cluster", "SimulatedCluster", "StrictJSON", "Diagnostics",
        .product(name: "GRDB", package: "GRDB.swift"),
      ], golden: true),
    tests(
      "CommandLineTests",
      [
        "swift-peft", "Configuration", "Adapters", "Diagnostics", "Models", "Tasks", "StrictJSON", "RunStore",
        "Metrics",
        "Checkpoints", "Kernels",
      ], golden: true),
  ],
  swiftLanguageModes: [.v6]
)

if hasOneDNN {
  package.targets.append(.systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]))
}

// SWIFT_PEFT_TESTS="AutogradTests,KernelsTests" leaves only these test targets and what they need: a fast build while one
// works on a part.
if let wanted = ProcessInfo.processInfo.environment["SWIFT_PEFT_TESTS"] {
  let targets = Dictionary(uniqueKeysWithValues: package.targets.map { ($0.name, $0) })
  var kept: Set<String> = [], open = wanted.split(separator: ",").map(String.init)
  while let name = open.popLast() {
    guard let target = targets[name], kept.insert(name).inserted else { continue }
    for case .byNameItem(let name, _) in target.dependencies { open.append(name) }
  }
  package.targets.removeAll { !kept.contains($0.name) }
  package.products = []
}

// The fuzzer needs compiler flags that an ordinary build has not: see scripts/fuzz.sh.
if ProcessInfo.processInfo.environment["SWIFT_PEFT_FUZZ"] == "1" {
  package.targets.append(
    .executableTarget(name: "swift-peft-fuzz", dependencies: ["FuzzTargets"], swiftSettings: swift))
}
