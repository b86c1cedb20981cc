// swift-tools-version: 6.2
import Foundation
import PackageDescription

// HCS_LIGHT=1 leaves the server stack out, so that model, health, placement, devices and probes
// build and test in seconds without NIO (also the graph for sanitizer runs).
let light = ProcessInfo.processInfo.environment["HCS_LIGHT"] == "1"

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

func module(
    _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil,
    plugins: [Target.PluginUsage]? = nil
) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: resources, swiftSettings: strict, plugins: plugins)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["HCSTestSupport"], exclude: exclude, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let server: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
    .product(name: "UnixSignals", package: "swift-service-lifecycle"),
    logging,
]

// MARK: Light modules

var dependencies: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams.git", from: "6.0.0"),
]

var targets: [Target] = [
    // C: header-only contracts and system libraries.
    .systemLibrary(name: "CHCSSegment", path: "CSources/segment"),
    .systemLibrary(name: "CHCSSimulation", path: "CSources/simulation"),
    .systemLibrary(name: "CVendorABI", path: "CSources/vendors"),
    .systemLibrary(name: "CHCSSystem", path: "CSources/system"),
    .systemLibrary(
        name: "CNUMA", path: "CSources/numa", providers: [.apt(["libnuma-dev"])]),
    .systemLibrary(name: "CVendorHooks", path: "CSources/hooks"),
    .systemLibrary(
        name: "CLibELF", path: "CSources/libelf", pkgConfig: "libelf", providers: [.apt(["libelf-dev"])]),
    .systemLibrary(
        name: "CLibBPF", path: "CSources/libbpf", pkgConfig: "libbpf",
        providers: [.apt(["libbpf-dev", "libelf-dev", "zlib1g-dev"])]),
    .target(name: "CHCSGuard", path: "CSources/guard"),
    // A measurement of an unoptimised kernel would say nothing of the processor.
    .target(name: "CHCSMeasure", path: "CSources/measure", cSettings: [.unsafeFlags(["-O3"])]),
    .target(name: "CHCSProbe", dependencies: ["CLibBPF"], path: "CSources/probe"),

    // The preload library, the simulated vendor libraries, the shim and the demo clients are built by make.
    .plugin(name: "BuildNative", capability: .buildTool()),
    .plugin(name: "BuildBPF", capability: .buildTool()),
    module("NativeArtifacts", plugins: ["BuildNative"]),

    module("HCSModel"),
    module(
        "HCSHealth", ["HCSModel", "HCSYAML"],
        resources: [.embedInCode("Data/health.yaml"), .embedInCode("Data/fault-catalogue.csv")]),
    module("HCSYAML", ["HCSModel", .product(name: "Yams", package: "Yams")]),
    module("HCSPlacement", ["HCSModel"]),
    module("HCSSystem", ["HCSModel", "CHCSGuard", "CHCSSegment", "CHCSSystem", "CLibELF", "CNUMA"]),
    module("HCSCatalog", ["HCSModel", "HCSSystem"], resources: [.embedInCode("Data/catalog.csv")]),
    module("HCSSimulation", ["HCSModel", "HCSSystem", "CHCSSimulation"]),
    module(
        "HCSDevice", ["HCSModel", "HCSSystem", "HCSCatalog", "CVendorABI", "CHCSMeasure", logging]),
    module("HCSProbe", ["HCSModel", "HCSSystem", "CHCSProbe", logging], plugins: ["BuildBPF"]),
    program("hcs-vendor-worker", ["HCSDevice"]),
    .target(name: "CBenchCounter", path: "Benchmarks/placement/counter"),
    .executableTarget(
        name: "bench-placement", dependencies: ["HCSPlacement", "HCSModel", "CBenchCounter"],
        path: "Benchmarks/placement", exclude: ["README.md", "counter"], swiftSettings: strict),
    program("hcs-eval-titan", ["HCSHealth", "HCSSystem"]),

    module("HCSTestSupport"),
    tests("HCSModelTests", ["HCSModel"]),
    tests(
        "HCSHealthTests", ["HCSHealth", "HCSModel", .product(name: "Yams", package: "Yams")], exclude: ["Scenarios"]),
    tests("HCSPlacementTests", ["HCSPlacement", "HCSModel", "HCSCatalog", "HCSYAML"]),
    tests("HCSYAMLTests", ["HCSYAML", "HCSModel"]),
    tests("HCSSystemTests", ["HCSSystem", "HCSModel", "CHCSSegment", "CHCSSystem"]),
    tests(
        "HCSDeviceTests",
        [
            "HCSDevice", "HCSModel", "HCSSystem", "HCSCatalog", "HCSSimulation", "CHCSSimulation", "CHCSMeasure",
            "CVendorABI",
            "NativeArtifacts", "hcs-vendor-worker",
        ]
    ),
    tests("HCSProbeTests", ["HCSProbe", "HCSModel", "HCSSystem", "CHCSProbe"]),
    tests("InterceptorTests", ["NativeArtifacts"], exclude: ["gpu", "homes", "model", "native", "stress"]),
    tests("TidyTests", []),
]

// MARK: Daemons and command line

if !light {
    dependencies += [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
    ]
    let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
    let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
    targets += [
        module(
            "HCSAPI",
            [
                "HCSModel", asyncHTTPClient, nio, .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        module("HCSHTTP", ["HCSAPI", .product(name: "Hummingbird", package: "hummingbird"), httpTypes, nio, logging]),
        module("HCSStore", ["HCSModel", .product(name: "GRDB", package: "GRDB.swift")]),
        .target(
            name: "HCSAgent",
            dependencies: [
                "HCSModel", "HCSHealth", "HCSSystem", "HCSCatalog", "HCSDevice", "HCSProbe", "HCSAPI", "HCSHTTP", nio,
                httpTypes,
            ] + server, swiftSettings: strict),
        module(
            "HCSScheduler",
            [
                "HCSModel", "HCSPlacement", "HCSStore", "HCSAPI", "HCSHTTP", "HCSSystem", "HCSCatalog", "HCSYAML", nio,
                httpTypes,
            ] + server),
        program("hcs-agent", ["HCSAgent", "HCSModel", "HCSSimulation", "HCSSystem", logging, argumentParser]),
        program("hcs-scheduler", ["HCSScheduler", "HCSModel", "HCSSystem", logging, argumentParser]),
        program(
            "hcs",
            [
                "HCSAPI", "HCSModel", "HCSPlacement", "HCSHealth", "HCSSystem", "HCSCatalog", "HCSYAML", "CVendorHooks",
                argumentParser,
            ]),
        program("hcs-demo", ["HCSAPI", "HCSModel", "HCSSystem", "NativeArtifacts"]),
        tests("HCSAPITests", ["HCSAPI", "HCSModel"]),
        tests("HCSStoreTests", ["HCSStore", "HCSModel", .product(name: "GRDB", package: "GRDB.swift")]),
        tests(
            "HCSAgentTests",
            [
                "HCSAgent", "HCSModel", "HCSAPI", "HCSCatalog", "HCSDevice", "HCSHealth", "HCSProbe", "HCSSystem",
                "NativeArtifacts",
            ]),
        tests("HCSSchedulerTests", ["HCSScheduler", "HCSAPI", "HCSModel", "HCSPlacement", "HCSStore", logging]),
        tests(
            "IntegrationTests",
            [
                "HCSAPI", "HCSModel", "HCSSystem", "HCSSimulation", "NativeArtifacts", "hcs", "hcs-agent",
                "hcs-scheduler", "hcs-vendor-worker",
            ]),
    ]
}

let package = Package(
    name: "hcs",
    dependencies: dependencies,
    targets: targets,
    swiftLanguageModes: [.v6]
)
