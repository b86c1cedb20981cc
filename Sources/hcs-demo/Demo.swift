import Foundation
import HCSAPI
import HCSModel
import HCSSystem

/// The state that the steps share, and the order they run in. Used by one task only.
final class Demo {
    let screen: Screen
    let bench: Workbench
    var promises = Promises()
    private var schedulerURL = ""
    /// Of the checkout this program was built from: the demo belongs to it.
    private static let scenario = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Tests/Fixtures/scenarios/demo.json").standardizedFileURL.path
    private var clients: Clients?

    /// The two APIs the checks ask; the person sees the command line instead.
    private struct Clients {
        var scheduler: SchedulerClient
        var agent: AgentClient
    }

    init(screen: Screen, bench: Workbench) {
        self.screen = screen
        self.bench = bench
    }

    func run() async {
        let begin = ContinuousClock.now
        screen.title("HCS demo: one scheduler, one agent, one host with six simulated devices of four vendors")
        screen.note("Everything runs in \(bench.path) and on a free port; nothing of this machine is changed.")
        do {
            try await start()
            try await PoolStep().run(self)
            try await PlacementStep().run(self)
            try await QuotaStep().run(self)
            try await UsageStep().run(self)
            try await KillStep().run(self)
            try await FaultStep().run(self)
            try await QueueStep().run(self)
            try await realDevicesGotNothing()
        } catch {
            // Interrupted: the process ends as soon as everything is taken away.
            if bench.isEnding { return await forever() }
            promises.add(.init(step: "-", promised: "the demo runs to its end", seen: "\(error)", kept: false))
            screen.line("\n   \(screen.mark(false)) cannot go on: \(error)")
            for daemon in ["hcs-scheduler", "hcs-agent"] {
                screen.note("last lines of \(daemon):")
                screen.block(bench.logTail(daemon))
            }
        }
        await finish(begin)
    }

    private func forever() async {
        while true { try? await Task.sleep(for: .seconds(60)) }
    }

    private func finish(_ begin: ContinuousClock.Instant) async {
        await deleteWorkloads()
        if let clients {
            await clients.scheduler.http.shutdown()
            await clients.agent.http.shutdown()
        }
        if bench.isEnding { return await forever() }
        let leftovers = bench.close()
        promise(
            "-", "no process, file or mount is left behind",
            leftovers.isEmpty ? "nothing left" : leftovers.joined(separator: ", "),
            leftovers.isEmpty)
        let elapsed = begin.duration(to: .now)
        promise("-", "the demo takes less than a minute", "\(elapsed.components.seconds) s", elapsed < .seconds(60))
        screen.title("What was promised, what was seen")
        for row in promises.table(screen) { screen.line(row) }
        let broken = promises.rows.filter { !$0.kept }.count
        screen.line(
            "\n" + (broken == 0 ? "Every promise was kept." : "\(broken) of \(promises.rows.count) promises broken."))
    }

    // MARK: For the steps

    var scheduler: SchedulerClient {
        get throws {
            guard let clients else { throw DemoError("the scheduler is not started") }
            return clients.scheduler
        }
    }

    var agent: AgentClient {
        get throws {
            guard let clients else { throw DemoError("the agent is not started") }
            return clients.agent
        }
    }

    /// Notes a promise and shows it.
    func promise(_ step: String, _ promised: String, _ seen: String, _ kept: Bool) {
        promises.add(.init(step: step, promised: promised, seen: seen, kept: kept))
        screen.line("   \(screen.mark(kept)) \(promised): \(seen)")
    }

    /// Runs `hcs` as a person would, shows command and output.
    @discardableResult
    func hcs(_ arguments: [String], show: Bool = true) throws -> String {
        let environment = [
            "HCS_SCHEDULER": schedulerURL, "HCS_TOKEN_FILE": bench.file("scheduler/admin.token"),
            "HCS_RUNTIME_DIR": bench.file("run"),
        ]
        // The directory's random name says nothing to a reader.
        func readable(_ text: String) -> String { text.replacingOccurrences(of: bench.path, with: "$DEMO") }
        if show { screen.command(readable("hcs " + arguments.map(quoted).joined(separator: " "))) }
        let result = try bench.run("hcs", arguments, environment: environment)
        if show { screen.block(readable(result.output.trimmingCharacters(in: .newlines))) }
        guard result.code == 0 else {
            throw DemoError("hcs \(arguments.joined(separator: " ")) ended with \(result.code): \(result.output)")
        }
        return result.output
    }

    /// What the simulated driver itself counts.
    func simulatedDriver() throws -> SimulatedDriver {
        let text = try hcs(["simulate", "show", "--output", "json"], show: false)
        return try HCSJSON.decode(SimulatedDriver.self, from: Data(text.utf8))
    }

    /// Asks until `look` gives a value; nil after the time. A daemon that has died ends the wait at once.
    func poll<Value>(
        within limit: Duration, every interval: Duration = .milliseconds(50), _ look: () async throws -> Value?
    ) async throws
        -> Value?
    {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while true {
            if let value = try await look() { return value }
            if let dead = bench.endedDaemon() { throw DemoError("\(dead) has ended by itself") }
            guard ContinuousClock.now < deadline else { return nil }
            try await Task.sleep(for: interval)
        }
    }

    /// As `poll`, for what must come for the demo to go on.
    func await_<Value>(_ what: String, within limit: Duration = .seconds(15), _ look: () async throws -> Value?)
        async throws -> Value
    {
        guard let value = try await poll(within: limit, look) else {
            throw DemoError("waited \(limit) in vain: \(what)")
        }
        return value
    }

    func devices() async throws -> [DeviceView] { try await scheduler.devices().items }
    func workload(_ name: String) async throws -> WorkloadView { try await scheduler.workload(name) }

    // MARK: Beginning and end

    private func start() async throws {
        try bench.start("hcs-scheduler", ["--listen", "127.0.0.1:0", "--state-dir", bench.file("scheduler")])
        let address = bench.file("scheduler/address")
        let token = bench.file("scheduler/admin.token")
        schedulerURL = try await await_("the scheduler's address in \(address)") {
            guard FileManager.default.fileExists(atPath: token) else { return nil }
            let text = (try? String(contentsOfFile: address, encoding: .utf8))?.trimmingCharacters(
                in: .whitespacesAndNewlines)
            return text.flatMap { $0.isEmpty ? nil : $0 }
        }
        let secret = try String(contentsOfFile: token, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        try FileManager.default.copyItem(atPath: Self.scenario, toPath: bench.file("scenario.json"))
        try bench.start("hcs-agent", agentArguments)
        clients = Clients(
            scheduler: SchedulerClient(HTTPAPIClient(endpoint: .url(schedulerURL), token: secret)),
            agent: AgentClient(HTTPAPIClient(endpoint: .unixSocket(path: bench.file("run/agent.sock")), token: nil)))
    }

    private var agentArguments: [String] {
        var arguments = [
            "run", "--scheduler", schedulerURL, "--token-file", bench.file("scheduler/node.token"), "--node-name",
            "demo",
            "--config-dir", bench.file("config"), "--state-dir", bench.file("state"), "--runtime-dir",
            bench.file("run"),
            "--segment-dir", bench.segments, "--simulate", bench.file("scenario.json"),
            "--simulated-libraries", bench.file("simulated"), "--simulated-kernel-log", bench.file("kernel.log"),
            "--trust-user-kmsg", "--interceptor", bench.file("libhcs_interceptor.so"), "--shim", bench.file("hcs-shim"),
            "--worker", "\(bench.programs)/hcs-vendor-worker", "--sample-interval", "200ms", "--metrics-port", "0",
        ]
        if let user = bench.workloadUser { arguments += ["--workload-user", user] }
        return arguments
    }

    private func realDevicesGotNothing() async throws {
        let real = try await devices().filter { !$0.device.simulated }
        guard !real.isEmpty else { return }
        promise(
            "-", "real devices are listed and never given work", "\(real.count) listed",
            real.allSatisfy { $0.ledger.workloads.isEmpty && $0.blocked != nil })
    }

    /// The polite way first: stop signals, segments and control groups taken away by the agent itself.
    private func deleteWorkloads() async {
        guard let scheduler = try? self.scheduler, bench.endedDaemon() == nil else { return }
        for view in (try? await scheduler.workloads().items) ?? [] { _ = try? await scheduler.delete(view.id.text) }
        _ = try? await poll(within: .seconds(5)) { try await scheduler.workloads().items.isEmpty ? true : nil }
    }

    private func quoted(_ argument: String) -> String {
        argument.contains(where: { " \t'\"$&|;<>()*?".contains($0) }) || argument.isEmpty ? "'\(argument)'" : argument
    }
}
