/// One row of the import table (docs/architecture.md): what a module may import and what may not stand in it.
struct ModuleRule {
    var name: String
    /// Modules of this package.
    var own: Set<String>
    /// Modules of other packages.
    var outside: Set<String>
    /// Modules that come with the toolchain.
    var platform: Set<String>
    /// Words that may not stand in its code (comments are not looked at), with the reason.
    var never: [(word: String, why: String)]

    init(
        _ name: String, own: Set<String> = [], outside: Set<String> = [],
        platform: Set<String> = ["Foundation", "Glibc", "Synchronization", "Dispatch", "FoundationEssentials"],
        never: [(word: String, why: String)] = []
    ) {
        self.name = name
        self.own = own
        self.outside = outside
        self.platform = platform
        self.never = never
    }

    func allows(_ module: String) -> Bool {
        own.contains(module) || outside.contains(module) || platform.contains(module)
    }
}

extension ModuleRule {
    private static let pure: [(word: String, why: String)] = [
        ("async", "a pure core runs in no task"), ("await", "a pure core runs in no task"),
        ("Task", "a pure core starts no task"), ("Date()", "time comes in as `now`"),
        ("Date.now", "time comes in as `now`"),
        ("ContinuousClock", "time comes in as `now`"), ("SuspendingClock", "time comes in as `now`"),
        ("clock_gettime", "time comes in as `now`"), ("DispatchTime", "time comes in as `now`"),
        ("SystemRandomNumberGenerator", "randomness comes in as a generator"),
        ("random()", "randomness comes in as a generator"), ("UUID()", "randomness comes in as a generator"),
        ("print(", "a pure core writes nothing"), ("FileManager", "a pure core reads nothing"),
    ]
    private static let nio: Set<String> = ["NIOCore", "NIOPosix", "NIOHTTP1"]
    private static let server: Set<String> = [
        "Hummingbird", "HummingbirdCore", "HTTPTypes", "ServiceLifecycle", "UnixSignals", "Logging",
    ]

    /// Every module of `Sources/`, lowest layer first.
    static let table: [ModuleRule] = [
        ModuleRule("HCSModel", platform: [], never: pure),
        ModuleRule(
            "HCSHealth", own: ["HCSModel", "HCSYAML"], outside: ["Collections", "DequeModule", "OrderedCollections"],
            platform: ["Foundation", "Glibc"], never: pure),
        ModuleRule(
            "HCSPlacement", own: ["HCSModel"], outside: ["Collections", "HeapModule", "OrderedCollections"],
            platform: ["Foundation", "Glibc"], never: pure),
        ModuleRule(
            "HCSSystem", own: ["HCSModel", "CHCSGuard", "CHCSSegment", "CHCSSystem", "CLibELF", "CNUMA"],
            outside: ["SystemPackage"],
            never: ["nvidia", "nvml", "cuda", "dcmi", "rsmi", "cndev"].map {
                ($0, "the operating system knows no vendors")
            }),
        ModuleRule("HCSAPI", own: ["HCSModel"], outside: nio.union(["AsyncHTTPClient"])),
        ModuleRule(
            "HCSHTTP", own: ["HCSModel", "HCSAPI"],
            outside: nio.union(["Hummingbird", "HummingbirdCore", "HTTPTypes", "Logging"])),
        ModuleRule("HCSYAML", own: ["HCSModel"], outside: ["Yams"], platform: [], never: pure),
        ModuleRule("HCSCatalog", own: ["HCSModel", "HCSSystem"], platform: []),
        ModuleRule("HCSSimulation", own: ["HCSModel", "HCSSystem", "CHCSSimulation"]),
        ModuleRule(
            "HCSDevice", own: ["HCSModel", "HCSSystem", "HCSCatalog", "CVendorABI", "CHCSMeasure"],
            outside: ["Logging"],
            platform: ["Glibc", "Synchronization"],
            never: [
                ("Foundation", "the vendor worker stays small"), ("NIO", "the vendor worker stays small"),
                ("dlsym", "a vendor's functions stand in its ABI header, system calls in HCSSystem"),
            ]),
        ModuleRule("HCSProbe", own: ["HCSModel", "HCSSystem", "CHCSProbe"], outside: ["Logging"]),
        ModuleRule("HCSStore", own: ["HCSModel"], outside: ["GRDB", "AsyncHTTPClient"]),
        ModuleRule(
            "HCSAgent",
            own: ["HCSModel", "HCSHealth", "HCSSystem", "HCSCatalog", "HCSDevice", "HCSProbe", "HCSAPI", "HCSHTTP"],
            outside: nio.union(server)),
        ModuleRule(
            "HCSScheduler",
            own: ["HCSModel", "HCSPlacement", "HCSStore", "HCSAPI", "HCSHTTP", "HCSSystem", "HCSCatalog", "HCSYAML"],
            outside: nio.union(server).union(["NIOSSL"])),
        ModuleRule(
            "hcs-vendor-worker", own: ["HCSDevice"], platform: ["Glibc"],
            never: [("Foundation", "the vendor worker stays small"), ("NIO", "the vendor worker stays small")]),
        ModuleRule(
            "hcs-agent", own: ["HCSAgent", "HCSModel", "HCSSimulation", "HCSSystem"],
            outside: ["ArgumentParser", "Logging"]),
        ModuleRule(
            "hcs-scheduler", own: ["HCSScheduler", "HCSModel", "HCSSystem"], outside: ["ArgumentParser", "Logging"]),
        ModuleRule(
            "hcs",
            own: [
                "HCSAPI", "HCSModel", "HCSPlacement", "HCSHealth", "HCSSystem", "HCSCatalog", "HCSYAML", "CVendorHooks",
            ], outside: ["ArgumentParser"]),
        ModuleRule("hcs-eval-titan", own: ["HCSHealth", "HCSSystem"], platform: ["Glibc"]),
        ModuleRule("hcs-demo", own: ["HCSAPI", "HCSModel", "HCSSystem", "NativeArtifacts"]),
        ModuleRule("NativeArtifacts"),
        ModuleRule("HCSTestSupport"),
    ]
}
