import Foundation
import HCSAPI
import HCSModel
import HCSSystem
import HCSTestSupport
import NativeArtifacts

/// A real scheduler and, on demand, a real agent on loopback, with every file in directories of their own. Ends and
/// removes everything when the last reference goes, whatever the test did.
final class Cluster {
    /// What an agent finds on its host.
    enum Devices {
        case real
        /// One simulated device of each maker.
        case simulated
    }

    let directory: TemporaryDirectory
    private let memory: TemporaryDirectory
    private(set) var scheduler: ChildProcess?
    private(set) var agent: ChildProcess?
    private var url = ""

    init() async throws {
        directory = try TemporaryDirectory()
        memory = try TemporaryDirectory(below: "/dev/shm")
        // Workloads run as another user where the tests run as root.
        chmod(directory.path, 0o755)
        chmod(memory.path, 0o755)
        try await startScheduler()
    }

    deinit {
        for process in [agent, scheduler] { end(process, SIGKILL) }
        killWhateverNames(directory.path)
    }

    // MARK: Daemons

    func startScheduler(_ more: [String] = []) async throws {
        let address = directory.file("scheduler/address")
        unlink(address)
        scheduler = try spawn(
            "hcs-scheduler", ["--listen", "127.0.0.1:0", "--state-dir", directory.file("scheduler")] + more)
        var found = ""
        let ready = await eventually {
            found = Self.text(address)
            return !found.isEmpty && !Self.text(directory.file("scheduler/admin.token")).isEmpty
        }
        guard ready else { throw Failure("the scheduler wrote no address; its log: \(log("hcs-scheduler"))") }
        url = found
    }

    func killScheduler() {
        end(scheduler, SIGKILL)
        scheduler = nil
    }

    func startAgent(_ devices: Devices = .real, _ more: [String] = []) throws {
        var arguments = [
            "run", "--scheduler", url, "--token-file", directory.file("scheduler/node.token"), "--node-name", "host-a",
            "--config-dir", directory.file("config"), "--state-dir", directory.file("state"),
            "--runtime-dir", directory.file("run"), "--segment-dir", "\(memory.path)/segments", "--metrics-port", "0",
            "--sample-interval", "100ms", "--interceptor", directory.file("libhcs_interceptor.so"),
            "--shim", directory.file("hcs-shim"), "--worker", try Programs.path("hcs-vendor-worker"),
        ]
        if geteuid() == 0 { arguments += ["--workload-user", "nobody"] }
        try copyArtifacts()
        if devices == .simulated {
            try directory.write(Self.scenario, to: "scenario.json")
            arguments += [
                "--simulate", directory.file("scenario.json"), "--simulated-libraries", directory.file("simulated"),
                "--simulated-kernel-log", directory.file("kernel.log"),
            ]
        }
        agent = try spawn("hcs-agent", arguments + more)
    }

    func killAgent() {
        end(agent, SIGKILL)
        agent = nil
    }

    // MARK: Asking

    var schedulerURL: String { url }
    var adminToken: String { Self.text(directory.file("scheduler/admin.token")) }

    func withScheduler<Value: Sendable>(
        token: String? = nil, _ body: @Sendable (SchedulerClient) async throws -> Value
    ) async throws -> Value {
        try await HTTPAPIClient.with(endpoint: .url(url), token: token ?? adminToken, slackSeconds: 60) {
            try await body(SchedulerClient($0))
        }
    }

    func workload(_ name: String) async throws -> WorkloadView {
        try await withScheduler { try await $0.workload(name) }
    }

    /// Waits for a state of a workload; what it was last is in the failure.
    func wait(
        for name: String, _ what: String, within limit: Duration = .seconds(180), _ condition: (WorkloadView) -> Bool
    ) async throws -> WorkloadView {
        var last: WorkloadView?
        let reached = await eventually(within: limit, every: .milliseconds(50)) {
            last = try? await workload(name)
            return last.map(condition) ?? false
        }
        guard let last, reached else {
            throw Failure(
                "\(name) did not become \(what): \(String(describing: last)); agent: \(log("hcs-agent")); "
                    + "scheduler: \(log("hcs-scheduler"))")
        }
        return last
    }

    func waitForDevices(_ count: Int) async throws {
        let there = await eventually(every: .milliseconds(50)) {
            let devices = try? await withScheduler { try await $0.devices().items }
            return devices?.filter { $0.health.band.acceptsWork }.count == count
        }
        guard there else { throw Failure("no \(count) healthy devices; agent: \(log("hcs-agent"))") }
        // What stands in a log before its probe looks is the past, which nobody is told of.
        let watches = await eventually(every: .milliseconds(50)) {
            guard let probes = try? await status().probes else { return true }
            let log = probes.first { $0.name == "simulated-kernel-log" }
            return log.map { $0.state != .unavailable } ?? !probes.isEmpty
        }
        guard watches else { throw Failure("the kernel log is not watched; agent: \(log("hcs-agent"))") }
    }

    func client(_ runtime: Runtime) -> String { directory.file("clients/hcs-client-\(runtime.rawValue)") }

    /// Runs one of our programs to its end.
    func run(_ program: String, _ arguments: [String]) async throws -> (code: Int32, output: String, error: String) {
        let variables = [
            "HCS_SCHEDULER": url, "HCS_TOKEN_FILE": directory.file("scheduler/admin.token"),
            "HCS_RUNTIME_DIR": directory.file("run"), "HCS_STATE_DIR": directory.file("state"),
        ]
        return try await Programs.run(program, arguments, environment: variables)
    }

    /// Starts one of our programs, or another by its path, with what a user of this host would have set; its output
    /// goes to a file of that name.
    func start(
        _ program: String, _ arguments: [String], output: String, environment: [String: String] = [:]
    ) throws -> ChildProcess {
        let log = open(directory.file(output), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw Failure("cannot write \(output)") }
        defer { close(log) }
        let path = program.hasPrefix("/") ? program : try Programs.path(program)
        let variables = ["HCS_RUNTIME_DIR": directory.file("run")].merging(environment) { $1 }
        return try ProcessSpawner(
            path: path, arguments: arguments, environment: Programs.environment.merging(variables) { $1 }
        ).spawn(output: log, error: log)
    }

    func output(_ name: String) -> String { Self.text(directory.file(name)) }

    /// Ends a process that a test started.
    func stop(_ process: ChildProcess) { end(process, SIGKILL) }

    func status() async throws -> AgentStatus {
        try await HTTPAPIClient.with(endpoint: .unixSocket(path: directory.file("run/agent.sock")), token: nil) {
            try await AgentClient($0).status()
        }
    }

    func log(_ program: String) -> String { String(Self.text(directory.file("\(program).log")).suffix(3000)) }

    /// Processes whose program is `path`, by pid.
    static func processes(running path: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/exe")) == path
        }
    }

    // MARK: Inside

    private func spawn(_ program: String, _ arguments: [String]) throws -> ChildProcess {
        let log = open(directory.file("\(program).log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw Failure("cannot write the log of \(program)") }
        defer { close(log) }
        return try ProcessSpawner(
            path: try Programs.path(program), arguments: arguments, environment: Programs.environment
        ).spawn(output: log, error: log)
    }

    private func end(_ process: ChildProcess?, _ signal: Int32) {
        try? process?.signal(signal)
        _ = try? process?.wait(milliseconds: 5000)
    }

    /// Workloads outlive their agent by design, so they are found by the directory's random name. Waits until they are
    /// gone: the directories are removed next.
    private func killWhateverNames(_ path: String) {
        let needle = Data(path.utf8)
        for _ in 0..<200 {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            let found = names.compactMap { pid_t($0) }.filter { pid in
                // A dead one that nobody has reaped yet has neither.
                pid != getpid()
                    && ["cmdline", "environ"].contains {
                        let text = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/\($0)"))
                        return text?.range(of: needle) != nil
                    }
            }
            guard !found.isEmpty else { return }
            for pid in found { kill(pid, SIGKILL) }
            usleep(10_000)
        }
    }

    /// The checkout may lie where the workloads' user cannot read.
    private func copyArtifacts() throws {
        guard !FileManager.default.fileExists(atPath: directory.file("clients")) else { return }
        try directory.install(NativeArtifacts.interceptor, as: "libhcs_interceptor.so")
        try directory.install(NativeArtifacts.shim, as: "hcs-shim")
        for (from, name) in [(NativeArtifacts.simulatedLibraries, "simulated"), (NativeArtifacts.clients, "clients")] {
            mkdir(directory.file(name), 0o755)
            for entry in try FileManager.default.contentsOfDirectory(atPath: from) {
                // Other generations of a runtime lie in folders of their own.
                var isDirectory: ObjCBool = false
                _ = FileManager.default.fileExists(atPath: "\(from)/\(entry)", isDirectory: &isDirectory)
                if isDirectory.boolValue { continue }
                try directory.install("\(from)/\(entry)", as: "\(name)/\(entry)")
            }
        }
    }

    private static let scenario: String = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return (try? String(contentsOf: root.appendingPathComponent("Fixtures/scenarios/demo.json"), encoding: .utf8))
            ?? ""
    }()

    private static func text(_ path: String) -> String {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}
