import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSHealth
import HCSModel
import HCSSystem
import HCSTestSupport
import Logging
import NativeArtifacts
import Synchronization

enum AgentFixtures {
    static let logger: Logger = {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .trace
        return logger
    }()

    static var isRoot: Bool { geteuid() == 0 }
    static var hasShim: Bool {
        access(NativeArtifacts.shim, X_OK) == 0 && access(NativeArtifacts.interceptor, R_OK) == 0
    }
    static var bootID: String { BootID.read() ?? "unknown" }

    static func id(_ number: Int) -> WorkloadID {
        let digits = String(number)
        let text = "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
        guard let id = WorkloadID(text) else { preconditionFailure("a UUID by construction") }
        return id
    }

    static func device(_ uuid: String = "GPU-a", vendor: Vendor = .nvidia, index: UInt32 = 0, simulated: Bool = false)
        -> Device
    {
        Device(
            id: DeviceID(uuid), vendor: vendor, model: "Card", index: index, memory: .gibibytes(80),
            simulated: simulated)
    }

    static func report(_ device: Device, score: Int? = 100, blocked: String? = nil) -> DeviceReport {
        DeviceReport(device: device, sample: nil, health: DeviceHealth(score: score, reasons: []), blocked: blocked)
    }

    static func assignment(
        _ number: Int, attempt: Int = 1, _ command: [String], desired: Assignment.Desired = .run,
        device: String = "GPU-a",
        quota: ByteCount = .gibibytes(8), environment: [String: String] = [:], stopSignal: Int32 = 15, grace: Int = 5,
        maximumRunSeconds: Int? = nil
    ) -> Assignment {
        Assignment(
            id: id(number), attempt: attempt, desired: desired,
            spec: WorkloadSpec(
                name: "w\(number)", command: command, environment: environment, runtime: .cuda, vram: quota,
                stopSignal: stopSignal, graceSeconds: grace, maximumRunSeconds: maximumRunSeconds),
            grants: [DeviceGrant(device: DeviceID(device), vendor: .nvidia, quota: quota)])
    }

    static func state(scheduler: String? = nil, simulating: Bool = false) -> NodeState {
        NodeState(
            node: "n1", bootID: "b", startMilliseconds: 0, scheduler: scheduler,
            host: HostFacts(
                hostname: "n1", kernel: "6", architecture: "x86_64", cpuModel: "c", cpuCount: 1, memory: .zero,
                numaNodes: [],
                acceleratorFunctions: []), simulating: simulating)
    }
}

/// A supervisor over real shims, in directories of its own. Whatever a test leaves running is ended by the pid that our own
/// shim recorded, checked by its start time.
final class SupervisedHost: Sendable {
    let directory: TemporaryDirectory
    let segments: String
    private let revision = RevisionCounter()

    private actor RevisionCounter {
        var value: UInt64 = 0
        func next() -> Revision {
            value += 1
            return Revision(value)
        }
    }

    init() throws {
        directory = try TemporaryDirectory()
        chmod(directory.path, 0o755)
        segments = "/dev/shm/\(directory.path.split(separator: "/").last ?? "hcs-test")"
    }

    func supervisor(
        user: String? = AgentFixtures.isRoot ? "nobody" : nil, shim: String = NativeArtifacts.shim,
        keptCordons: KeptCordons? = nil, logger: Logger = AgentFixtures.logger
    ) -> WorkloadSupervisor {
        var settings = WorkloadSupervisor.Settings(
            directory: directory.file("workloads"), bootID: AgentFixtures.bootID,
            interceptor: NativeArtifacts.interceptor, workloadUser: user)
        settings.keptCordons = keptCordons
        return WorkloadSupervisor(
            settings: settings, launcher: ShimLauncher(shim: shim, logLimit: 64 << 10), segmentDirectory: segments,
            logger: logger)
    }

    func apply(_ assignments: [Assignment], to supervisor: WorkloadSupervisor) async {
        await supervisor.apply(NodeAssignments(node: "n1", revision: await revision.next(), workloads: assignments))
    }

    func observation(_ number: Int, _ supervisor: WorkloadSupervisor, attempt: Int = 1) async -> WorkloadObservation? {
        await supervisor.tick()
        return await supervisor.observations(samples: [:]).first {
            $0.id == AgentFixtures.id(number) && $0.attempt == attempt
        }
    }

    func reaches(
        _ phase: WorkloadObservation.Phase, _ number: Int, _ supervisor: WorkloadSupervisor, attempt: Int = 1,
        within limit: Duration = .seconds(60)
    ) async -> WorkloadObservation? {
        var last: WorkloadObservation?
        _ = await eventually(within: limit, every: .milliseconds(20)) {
            last = await observation(number, supervisor, attempt: attempt)
            return last?.phase == phase
        }
        return last?.phase == phase ? last : nil
    }

    func attemptDirectory(_ number: Int, attempt: Int = 1) -> String {
        directory.file("workloads/\(AttemptKey(id: AgentFixtures.id(number), attempt: attempt))")
    }

    /// pid and start time of the program of an attempt.
    func child(_ number: Int, attempt: Int = 1) -> (pid: Int32, startTime: UInt64)? {
        let text = (try? SmallFile.text("\(attemptDirectory(number, attempt: attempt))/child")) ?? ""
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let pid = Int32(words[0]), let start = UInt64(words[1]), pid > 1 else { return nil }
        return (pid, start)
    }

    func output(_ number: Int, _ supervisor: WorkloadSupervisor, _ stream: AgentClient.LogStream = .stdout) async throws
        -> String
    {
        String(
            decoding: try await supervisor.logs(of: AgentFixtures.id(number), stream: stream, tail: 1 << 20),
            as: UTF8.self)
    }

    /// Ends what runs and waits for each shim's last word: it would write into a directory that is being removed.
    func cleanUp() async {
        let launcher = ShimLauncher(shim: NativeArtifacts.shim)
        for name in (try? SmallFile.names(in: directory.file("workloads"))) ?? [] {
            let path = directory.file("workloads/\(name)")
            _ = await eventually {
                try? launcher.signal(SIGKILL, directory: path)
                switch launcher.state(of: path) {
                case .ended, .lost, .absent: return !shimLives(path)
                case .starting, .running, .finishing, .unknown: return false
                }
            }
        }
        try? FileManager.default.removeItem(atPath: segments)
    }

    private func shimLives(_ path: String) -> Bool {
        let words = ((try? SmallFile.text("\(path)/shim")) ?? "").split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let pid = Int32(words[0]), let start = UInt64(words[1]) else { return false }
        return Procfs().isAlive(pid: pid, startTime: start)
    }

    /// Runs a test's body and ends what it left, whether it passed or not.
    static func with(_ body: (SupervisedHost) async throws -> Void) async throws {
        let host = try SupervisedHost()
        do { try await body(host) } catch {
            await host.cleanUp()
            throw error
        }
        await host.cleanUp()
    }
}

/// What was logged, as `level text`.
final class KeptLines: Sendable {
    private let kept = Mutex<[String]>([])

    var texts: [String] { kept.withLock { $0 } }

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(lines: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let lines: KeptLines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.kept.withLock { $0.append("\(event.level) \(event.message)") } }
    }
}
