// swift-tools-version: 6.2
import PackageDescription

let swift: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let c: [CSetting] = [.treatAllWarnings(as: .error)]

/// A library target of the package; every one is checked with warnings as errors.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swift)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: swift)
}

let package = Package(
  name: "swift-peft",
  targets: [
    // The base: errors with exit codes, JSON with line numbers.
    library("Diagnostics"),

    // Computing: C kernels, GEMM, memory; differentiable operations.
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .target(name: "CKernels", cSettings: c),
    library("Kernels", ["CKernels", "COpenBLAS", "Diagnostics"]),
    library("Autograd", ["Kernels", "CKernels"]),

    tests("KernelsTests", ["Kernels", "CKernels"]),
    tests("AutogradTests", ["Autograd", "Kernels"]),
  ],
  swiftLanguageModes: [.v6]
)
