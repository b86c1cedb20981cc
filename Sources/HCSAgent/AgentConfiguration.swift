package import HCSModel
package import HCSProbe
package import HCSSystem

/// Everything that a flag, a variable or a default decides. Flags beat `HCS_*_DIR`, which beat the defaults.
package struct AgentConfiguration: Hashable, Sendable {
    /// What the command line gave; nil = not given.
    package struct Flags: Hashable, Sendable {
        package var scheduler: String?
        package var tokenFile: String?
        package var nodeName: String?
        package var configDirectory: String?
        package var stateDirectory: String?
        package var runtimeDirectory: String?
        package var segmentDirectory: String?
        package var interceptor: String?
        package var shim: String?
        package var worker: String?
        package var workloadUser: String?
        package var workloadGroup: String?
        package var sampleIntervalMilliseconds: Int?
        package var trustUserKernelLog = false
        package var simulatedKernelLog: String?
        package var metricsPort: Int?
        package var compatibility: String?
        package var escapePolicy: String?
        package var modelCache: String?
        package var measureWhenIdle = false
        package var timedLibraries: [String] = []
        package var vendorCallThresholdMilliseconds: Int?
        package var timesDeviceCalls = false

        package init() {}
    }

    /// A simulated host beside whatever is real: its state file exists already.
    package struct Simulation: Hashable, Sendable {
        package var stateFile: String
        package var libraryDirectory: String
        /// The makers that the scenario has devices of.
        package var vendors: [Vendor]
        /// NUMA node by slot: what sysfs tells of real devices.
        package var numaNodes: [PCIAddress: Int]

        package init(stateFile: String, libraryDirectory: String, vendors: [Vendor], numaNodes: [PCIAddress: Int] = [:])
        {
            self.stateFile = stateFile
            self.libraryDirectory = libraryDirectory
            self.vendors = vendors
            self.numaNodes = numaNodes
        }
    }

    /// Base URL of the scheduler; nil = local only.
    package var scheduler: String?
    package var tokenFile: String?
    package var nodeName: String
    package var configDirectory: String
    package var stateDirectory: String
    package var runtimeDirectory: String
    package var segmentDirectory: String
    package var interceptor: String
    package var shim: String
    package var worker: String
    package var workloadUser: String
    /// Group that may write a workload's segment (mode 0660); nil = only its user (0600).
    package var workloadGroup: String?
    package var sampleInterval: Duration
    package var trustUserKernelLog: Bool
    package var simulatedKernelLog: String?
    /// Of 127.0.0.1; 0 = no metrics.
    package var metricsPort: Int
    /// Whose metric names are served besides our own.
    package var compatibility: MetricsCompatibility
    package var simulation: Simulation?
    package var escapePolicy: EscapePolicy
    /// Directory of the models that workloads load: its file system is one of the host's facts.
    package var modelCache: String
    package var measureWhenIdle: Bool
    /// Vendors' libraries whose calls are timed, and from when on one is told of; nil: none is.
    package var vendorCalls: VendorCallOptions?
    /// Whether every system call on a device is timed.
    package var timesDeviceCalls: Bool
    /// Whether the agent runs as root: then workloads run as `workloadUser`.
    package var isRoot: Bool

    package static let defaultWorkloadUser = "hcs-workload"
    package static let defaultMetricsPort = 9470
    package static let maximumTimedLibraries = 8

    package var socketPath: String { "\(runtimeDirectory)/agent.sock" }
    package var workloadsDirectory: String { "\(stateDirectory)/workloads" }
    package var leasesDirectory: String { "\(stateDirectory)/leases" }
    package var cordonsPath: String { "\(stateDirectory)/cordons.json" }
    package var healthStatePath: String { "\(stateDirectory)/health.json" }
    package var healthPolicyPath: String { "\(configDirectory)/health.yaml" }
    package var catalogDirectory: String { "\(configDirectory)/catalog.d" }
    package var fingerprintsDirectory: String { "\(stateDirectory)/fingerprints" }
    package var simulationStatePath: String { "\(runtimeDirectory)/simulation.state" }

    /// Resolves the flags. `executable` is the path of this program: its neighbours are looked for beside it.
    package init(
        flags: Flags, environment: [String: String], uid: UInt32, hostname: String, executable: String,
        fileExists: (String) -> Bool
    ) throws(AgentError) {
        func absolute(_ path: String, _ flag: String) throws(AgentError) -> String {
            guard path.hasPrefix("/"), !path.utf8.contains(0) else {
                throw AgentError(.usage, "\(flag) '\(path.prefix(200))' must be an absolute path")
            }
            return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        }
        isRoot = uid == 0
        scheduler = try Self.url(flags.scheduler ?? environment["HCS_SCHEDULER"].flatMap { $0.isEmpty ? nil : $0 })
        configDirectory = try absolute(
            flags.configDirectory ?? StandardDirectories.configuration(environment: environment, uid: uid),
            "--config-dir")
        stateDirectory = try absolute(
            flags.stateDirectory ?? StandardDirectories.state(of: "hcs-agent", environment: environment, uid: uid),
            "--state-dir")
        runtimeDirectory = try absolute(
            flags.runtimeDirectory ?? StandardDirectories.runtime(environment: environment, uid: uid), "--runtime-dir")
        segmentDirectory = try absolute(
            flags.segmentDirectory ?? (uid == 0 ? "/dev/shm/hcs" : "/dev/shm/hcs-\(uid)"), "--segment-dir")

        modelCache =
            try flags.modelCache.map { path throws(AgentError) in try absolute(path, "--model-cache") }
            ?? stateDirectory

        let beside = executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let packaged = "/usr/lib/hcs/libhcs_interceptor.so"
        let neighbour = "\(beside)/../lib/hcs/libhcs_interceptor.so"
        interceptor = try absolute(flags.interceptor ?? (fileExists(neighbour) ? neighbour : packaged), "--interceptor")
        let packagedShim = "\(beside)/../lib/hcs/hcs-shim"
        shim = try absolute(
            flags.shim
                ?? (fileExists("\(beside)/hcs-shim") || !fileExists(packagedShim)
                    ? "\(beside)/hcs-shim" : packagedShim),
            "--shim")
        worker = try absolute(flags.worker ?? "\(beside)/hcs-vendor-worker", "--worker")

        let token = flags.tokenFile ?? environment["HCS_TOKEN_FILE"]
        if let token {
            tokenFile = token
        } else {
            let places = [
                "\(configDirectory)/node.token",
                StandardDirectories.state(of: "hcs-scheduler", environment: [:], uid: uid) + "/node.token",
            ]
            tokenFile = places.first(where: fileExists)
        }
        if let name = flags.nodeName {
            guard NodeName.isValid(name) else {
                throw AgentError(
                    .usage,
                    "--node-name '\(name.prefix(80))' \(NodeName.rule)")
            }
            nodeName = name
        } else {
            nodeName = Self.nodeName(from: hostname)
        }
        workloadUser = flags.workloadUser ?? Self.defaultWorkloadUser
        workloadGroup = flags.workloadGroup
        let interval = flags.sampleIntervalMilliseconds ?? 1000
        guard (50...60_000).contains(interval) else {
            throw AgentError(.usage, "--sample-interval must be 50 to 60000 milliseconds, not \(interval)")
        }
        sampleInterval = .milliseconds(interval)
        trustUserKernelLog = flags.trustUserKernelLog
        simulatedKernelLog = flags.simulatedKernelLog
        metricsPort = flags.metricsPort ?? Self.defaultMetricsPort
        let names = flags.compatibility ?? MetricsCompatibility.dcgm.rawValue
        guard let compatibility = MetricsCompatibility(rawValue: names) else {
            throw AgentError(.usage, "--compat '\(names.prefix(40))' must be dcgm or none")
        }
        self.compatibility = compatibility
        let policy = flags.escapePolicy ?? EscapePolicy.report.rawValue
        guard let known = EscapePolicy(rawValue: policy) else {
            throw AgentError(.usage, "--escape-policy '\(policy.prefix(40))' must be report, terminate or ignore")
        }
        escapePolicy = known
        measureWhenIdle = flags.measureWhenIdle
        timesDeviceCalls = flags.timesDeviceCalls
        vendorCalls = try Self.vendorCalls(flags)
        guard (0...65_535).contains(metricsPort) else { throw AgentError(.usage, "--metrics-port must be 0 to 65535") }
    }

    private static func vendorCalls(_ flags: Flags) throws(AgentError) -> VendorCallOptions? {
        let milliseconds = flags.vendorCallThresholdMilliseconds ?? 1000
        guard (1...3_600_000).contains(milliseconds) else {
            throw AgentError(.usage, "--vendor-call-threshold must be 1 ms to 3600 s, not \(milliseconds) ms")
        }
        guard !flags.timedLibraries.isEmpty else {
            guard flags.vendorCallThresholdMilliseconds == nil else {
                throw AgentError(.usage, "--vendor-call-threshold says nothing without --time-vendor-calls")
            }
            return nil
        }
        guard flags.timedLibraries.count <= maximumTimedLibraries else {
            throw AgentError(.usage, "--time-vendor-calls may be given \(maximumTimedLibraries) times at most")
        }
        for path in flags.timedLibraries where !path.hasPrefix("/") || path.utf8.contains(0) {
            throw AgentError(.usage, "--time-vendor-calls '\(path.prefix(200))' must be an absolute path")
        }
        return VendorCallOptions(libraries: flags.timedLibraries, thresholdSeconds: Double(milliseconds) / 1000)
    }

    /// How this host's probes are to run.
    /// - Parameter start: where to begin in the kernel log.
    package func probes(start: KernelLog.Start) -> ProbeOptions {
        ProbeOptions(
            start: start, simulatedLogPath: simulatedKernelLog, faultLinesOnly: true,
            timesDeviceCalls: timesDeviceCalls,
            vendorCalls: vendorCalls)
    }

    private static func url(_ text: String?) throws(AgentError) -> String? {
        guard let text else { return nil }
        guard text.hasPrefix("http://") || text.hasPrefix("https://"), text.utf8.count <= 2048,
            !text.contains(where: { $0.isWhitespace })
        else {
            throw AgentError(.usage, "--scheduler '\(text.prefix(120))' must be a URL such as http://127.0.0.1:8470")
        }
        return text
    }

    /// A host's own name as a node's name: lower case, anything else a dash.
    package static func nodeName(from hostname: String) -> String {
        let mapped = hostname.lowercased().prefix(63).map { NodeName.isValid("a\($0)") ? $0 : "-" }
        let trimmed = String(mapped.drop { $0 == "-" || $0 == "." })
        return NodeName.isValid(trimmed) ? trimmed : "localhost"
    }
}
