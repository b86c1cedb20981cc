import ArgumentParser
import Glibc
import HCSAgent
import HCSModel
import HCSSimulation
import HCSSystem

/// The flags that decide where the agent looks for things: those of `run` and `doctor`.
struct AgentOptions: ParsableArguments {
    @Option(help: "Scheduler's URL (HCS_SCHEDULER); without it the agent works for this host alone.")
    var scheduler: String?
    @Option(help: ArgumentHelp("File with the node token (HCS_TOKEN_FILE).", valueName: "file"))
    var tokenFile: String?
    @Option(help: "This node's name; the default is the host's.")
    var nodeName: String?
    @Option(help: ArgumentHelp("Configuration (HCS_CONFIG_DIR).", valueName: "dir"))
    var configDir: String?
    @Option(help: ArgumentHelp("State: workloads, logs, health latches (HCS_STATE_DIR).", valueName: "dir"))
    var stateDir: String?
    @Option(help: ArgumentHelp("Socket and lock (HCS_RUNTIME_DIR).", valueName: "dir"))
    var runtimeDir: String?
    @Option(help: ArgumentHelp("Segments of the workloads, in shared memory.", valueName: "dir"))
    var segmentDir: String?
    @Option(
        help: ArgumentHelp(
            "Simulate the host that this JSON file describes; real devices are listed and given no work.",
            valueName: "scenario"))
    var simulate: String?
    @Option(help: ArgumentHelp("The simulated vendor libraries.", valueName: "dir"))
    var simulatedLibraries: String?
    @Option(help: ArgumentHelp("A file whose new lines count as kernel log.", valueName: "file"))
    var simulatedKernelLog: String?
    @Flag(
        name: .customLong("trust-user-kmsg"),
        help: "Count faults that user space wrote into /dev/kmsg: for demo and tests.")
    var trustUserKernelLog = false
    @Option(help: ArgumentHelp("The preload library.", valueName: "file"))
    var interceptor: String?
    @Option(help: ArgumentHelp("hcs-shim.", valueName: "file"))
    var shim: String?
    @Option(help: ArgumentHelp("hcs-vendor-worker.", valueName: "file"))
    var worker: String?
    @Option(help: ArgumentHelp("Who runs workloads when the agent is root (hcs-workload).", valueName: "name"))
    var workloadUser: String?
    @Option(
        help: ArgumentHelp(
            "Group that may use the segments (mode 0660); without it only the user (0600).", valueName: "name"))
    var workloadGroup: String?
    @Option(help: ArgumentHelp("Time between two device samples: 500ms, 1s.", valueName: "time"))
    var sampleInterval: String?
    @Option(help: "Port of /metrics on 127.0.0.1; 0 = none.")
    var metricsPort: Int?
    @Option(help: "Whose metric names /metrics has besides its own: dcgm (default; NVIDIA devices only) or none.")
    var compat: String?
    @Option(help: "What to do about device memory that no quota explains: report, terminate or ignore.")
    var escapePolicy: String?
    @Option(
        help: ArgumentHelp(
            "Models that workloads load, told of with its disk; the default is the state.", valueName: "dir"))
    var modelCache: String?
    @Flag(help: "Measure each device's throughput once for every driver version, when it is idle and nobody's.")
    var measureWhenIdle = false
    @Option(
        name: .customLong("time-vendor-calls"),
        help: ArgumentHelp(
            "Time the calls of every process into this vendor's library: each costs some microseconds. Repeatable.",
            valueName: "library"))
    var timedLibraries: [String] = []
    @Option(help: ArgumentHelp("Calls that take so long are told of: 500ms, 1s.", valueName: "time"))
    var vendorCallThreshold: String?
    @Flag(help: "Time each system call on a vendor's device: it taxes every system call of the host.")
    var timeDeviceCalls = false

    /// The configuration, without a simulated host.
    func resolve() throws -> AgentConfiguration {
        var flags = AgentConfiguration.Flags()
        flags.scheduler = scheduler
        flags.tokenFile = tokenFile
        flags.nodeName = nodeName
        flags.configDirectory = configDir.map(Self.absolute)
        flags.stateDirectory = stateDir.map(Self.absolute)
        flags.runtimeDirectory = runtimeDir.map(Self.absolute)
        flags.segmentDirectory = segmentDir.map(Self.absolute)
        flags.interceptor = interceptor.map(Self.absolute)
        flags.shim = shim.map(Self.absolute)
        flags.worker = worker.map(Self.absolute)
        flags.workloadUser = workloadUser
        flags.workloadGroup = workloadGroup
        flags.sampleIntervalMilliseconds = try sampleInterval.map {
            try Self.milliseconds($0, of: "--sample-interval")
        }
        flags.trustUserKernelLog = trustUserKernelLog
        flags.simulatedKernelLog = simulatedKernelLog.map(Self.absolute)
        flags.metricsPort = metricsPort
        flags.compatibility = compat
        flags.escapePolicy = escapePolicy
        flags.modelCache = modelCache.map(Self.absolute)
        flags.measureWhenIdle = measureWhenIdle
        flags.timedLibraries = timedLibraries.map(Self.absolute)
        flags.vendorCallThresholdMilliseconds = try vendorCallThreshold.map {
            try Self.milliseconds($0, of: "--vendor-call-threshold")
        }
        flags.timesDeviceCalls = timeDeviceCalls
        return try AgentConfiguration(
            flags: flags, environment: StandardDirectories.current(), uid: geteuid(), hostname: Hostname.current(),
            executable: try SmallFile.link("/proc/self/exe"), fileExists: { access($0, F_OK) == 0 })
    }

    /// Makes the state file of the simulated host, or takes up the one that is there: running workloads have it mapped.
    func simulation(_ configuration: AgentConfiguration) throws -> AgentConfiguration.Simulation? {
        guard let simulate else { return nil }
        let scenario = try Scenario.load(path: simulate)
        let libraries = simulatedLibraries.map(Self.absolute) ?? "/usr/lib/hcs/simulated"
        guard access(libraries, X_OK) == 0 else {
            throw AgentError(.configuration, "no simulated vendor libraries in \(libraries): see --simulated-libraries")
        }
        try Self.makeDirectory(configuration.runtimeDirectory)
        let path = configuration.simulationStatePath
        // Workloads of another user take part: their libraries write the process table.
        let host =
            access(path, F_OK) == 0
            ? try SimulatedHost.open(path: path)
            : try SimulatedHost.create(path: path, scenario: scenario, mode: configuration.isRoot ? 0o666 : 0o600)
        let vendors = Vendor.allCases.filter { vendor in scenario.devices.contains { $0.vendor == vendor } }
        let slots = host.devices.compactMap { device in device.numaNode.map { (device.pci, Int($0)) } }
        return AgentConfiguration.Simulation(
            stateFile: path, libraryDirectory: libraries, vendors: vendors,
            numaNodes: Dictionary(slots, uniquingKeysWith: { first, _ in first }))
    }

    static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return "\(String(cString: directory))/\(path)"
    }

    private static func milliseconds(_ text: String, of flag: String) throws -> Int {
        let digits = text.prefix(while: \.isNumber)
        switch (Int(digits), text.dropFirst(digits.count)) {
        case (let value?, "ms"): return value
        case (let value?, "s") where value <= 1_000_000: return value * 1000
        default:
            throw ValidationError(
                "\(flag) '\(text.prefix(40))' must be a whole number with ms or s, such as 500ms")
        }
    }

    private static func makeDirectory(_ path: String) throws {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/\(part)"
            if mkdir(made, 0o755) != 0, errno != EEXIST { throw SystemError.failed("make \(made)", errno: errno) }
        }
    }
}
