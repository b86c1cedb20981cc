import Glibc
package import HCSAPI
import HCSModel
import HCSSystem
package import Logging

/// Runs what the scheduler assigned: starts what is missing, stops what is not wanted, and finds everything again after a
/// restart of the agent. Ending the agent ends no workload: only `apply` and a workload's own limits do.
package actor WorkloadSupervisor {
    /// What does not change while the agent runs.
    package struct Settings: Sendable {
        package var directory: String
        package var leaseDirectory: String
        package var bootID: String
        package var interceptor: String
        /// Who runs workloads; nil = the agent's own user.
        package var workloadUser: String?
        /// Group of the segments (0660); nil = 0600.
        package var segmentGroup: UInt32?
        package var simulated: WorkloadEnvironment.Simulated?
        package var escapePolicy = EscapePolicy.report
        /// nil where no scheduler could lift what is kept.
        package var keptCordons: KeptCordons?

        package init(
            directory: String, leaseDirectory: String? = nil, bootID: String, interceptor: String,
            workloadUser: String?,
            segmentGroup: UInt32? = nil,
            simulated: WorkloadEnvironment.Simulated? = nil
        ) {
            self.directory = directory
            self.leaseDirectory = leaseDirectory ?? "\(directory)/leases"
            self.bootID = bootID
            self.interceptor = interceptor
            self.workloadUser = workloadUser
            self.segmentGroup = segmentGroup
            self.simulated = simulated
        }
    }

    struct Entry {
        var record: WorkloadRecord
        var directory: String
        var startedMilliseconds: Int64?
        /// Monotonic: when the stop signal is due or was sent.
        var stopping: Stop?
        /// The final word; set once.
        var ended: WorkloadObservation?
        /// The scheduler has taken a report of the end.
        var delivered = false
        /// The scheduler does not list it any more: kept for its logs, not reported.
        var acknowledged = false
        /// Monotonic: last look at a process that could not be found.
        var lostSince: Int64?
        /// Quotas that do not fit now, told once.
        var waitingQuota: [DeviceGrant]?

        struct Stop {
            var signalledAt: Int64?
            var killedAt: Int64?
        }
    }

    /// Attempts whose logs are kept after the scheduler forgot them, and for how long.
    static let keptLogs = 128
    static let keptMilliseconds: Int64 = 24 * 3600 * 1000
    /// A shim writes its files within milliseconds; one that has written none after this never will.
    static let startMilliseconds: Int64 = 5_000
    /// Longest wait for a device's inventory or first sample before an assignment to it is refused.
    static let patienceMilliseconds: Int64 = 30_000

    private nonisolated let executor = QueueExecutor(label: "hcs-supervisor")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let settings: Settings
    let launcher: any Launcher
    let quotas: QuotaManager
    let logger: Logger
    /// Raised by what may end idleness.
    package nonisolated let activity = ChangeSignal()
    var entries: [AttemptKey: Entry] = [:]
    /// nil until the scheduler said anything: then nothing is started and nothing is stopped.
    var desired: [WorkloadID: Assignment]?
    var waitingSince: [AttemptKey: Int64] = [:]
    /// As the scheduler told them last, by this node's name there; before it said anything as they were kept.
    private var cordons: [Cordon.Target: Cordon] = [:]
    private var node = ""
    /// What the file of them holds; nil: nobody knows.
    private var writtenCordons: [Cordon]?
    var devices: [DeviceID: DeviceReport] = [:]
    var toldProblems: [WorkloadID: [String]] = [:]
    var leases: [WorkloadID: LeaseEntry] = [:]
    var escapes = EscapeDetector()
    var shares = ShareWindow()
    var processJobs = ProcessJobs()
    var ending: [ShareWindow.Process: Ending] = [:]
    private var nextPrune: Int64 = 0

    /// `segmentDirectory` is where segments lie; it is made when the first is needed.
    package init(settings: Settings, launcher: any Launcher, segmentDirectory: String, logger: Logger) {
        self.settings = settings
        self.launcher = launcher
        self.quotas = QuotaManager(directory: segmentDirectory)
        self.logger = logger
    }

    // MARK: What comes in

    /// Nothing runs, is leased, or waits to run: a pass would find nothing until `activity`.
    package var isIdle: Bool { entries.isEmpty && leases.isEmpty && desired?.isEmpty ?? true }

    /// Devices as they are now: an assignment is checked against them.
    package func update(devices reports: [DeviceReport]) {
        devices = Dictionary(reports.map { ($0.device.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The scheduler's word: the whole set. Acts on it at once.
    package func apply(_ assignments: NodeAssignments) {
        defer { activity.raise() }
        desired = Dictionary(
            assignments.workloads.map { ($0.id, $0) }, uniquingKeysWith: { a, b in a.attempt >= b.attempt ? a : b })
        waitingSince = waitingSince.filter { desired?[$0.key.id]?.attempt == $0.key.attempt }
        heed(assignments.cordons ?? [], of: assignments.node)
        tick()
    }

    private func heed(_ told: [Cordon], of node: String) {
        let bounded = KeptCordons.bounded(told, of: node)
        self.node = node
        cordons = Dictionary(bounded.map { ($0.target, $0) }, uniquingKeysWith: { first, _ in first })
        guard let kept = settings.keptCordons, bounded != writtenCordons else { return }
        do {
            try kept.write(bounded)
            writtenCordons = bounded
        } catch {
            logger.error("cordons are not kept over a restart of this agent: \(error)")
        }
    }

    private func rediscoverCordons() {
        guard let kept = settings.keptCordons else { return }
        let cordons = kept.read(logger)
        writtenCordons = cordons
        guard !cordons.isEmpty else { return }
        heed(cordons, of: kept.node)
        logger.notice("\(cordons.count) cordons are heeded until the scheduler is heard")
    }

    /// What an operator took out of service: the device, or the whole node.
    func cordon(on device: DeviceID) -> Cordon? {
        cordons[Cordon.Target(node: node, device: device)] ?? cordons[Cordon.Target(node: node)]
    }

    /// The scheduler has taken this report.
    package func delivered(_ report: NodeReport) {
        for observation in report.workloads where observation.phase == .ended {
            entries[AttemptKey(id: observation.id, attempt: observation.attempt)]?.delivered = true
        }
    }

    /// Finds the attempts of an earlier agent. Called once, first.
    package func rediscover() {
        for name in (try? SmallFile.names(in: settings.directory)) ?? [] {
            guard let key = AttemptKey(name) else { continue }
            do { try rediscover(key) } catch { logger.error("workload \(key) not taken up: \(error)") }
        }
        rediscoverLeases()
        rediscoverCordons()
        let known = Set(entries.values.filter { $0.ended == nil }.map(\.record.key.id)).union(leases.keys)
        let swept = quotas.sweep(keeping: known)
        if swept > 0 { logger.info("\(swept) segments of ended workloads removed") }
    }

    private func rediscover(_ key: AttemptKey) throws(AgentError) {
        let directory = "\(settings.directory)/\(key)"
        let record = try WorkloadRecord.read(from: directory)
        guard record.key == key else {
            throw AgentError(.configuration, "\(directory) holds the record of \(record.key)")
        }
        var entry = Entry(record: record, directory: directory)
        if let ended = try? WorkloadRecord.read(WorkloadObservation.self, from: "\(directory)/ended.json") {
            entry.ended = ended
            entry.acknowledged = (try? SmallFile.read("\(directory)/acknowledged")) != nil
        } else {
            entry.startedMilliseconds = record.createdMilliseconds
            do {
                try quotas.adopt(
                    key.id, limits: QuotaManager.limits(record.assignment.grants, record.devices),
                    owner: owner(record).uid,
                    earlier: QuotaManager.limits(record.earlierGrants ?? [], record.devices))
            } catch { logger.error("workload \(key): \(error)") }
            logger.info("workload \(record.assignment.spec.name) (\(key)) found again")
        }
        entries[key] = entry
    }

    // MARK: What goes on

    /// One pass over everything: called every 250 ms and whenever the scheduler said something.
    package func tick() {
        let now = MonotonicClock.nowMilliseconds()
        launcher.reap()
        for key in entries.keys.sorted() where entries[key]?.ended == nil { watch(key, now) }
        watchLeases(now)
        if let desired { reconcile(desired, now) }
        for key in entries.keys where entries[key]?.ended != nil { acknowledge(key) }
        if now >= nextPrune {
            nextPrune = now + 60_000
            prune()
        }
    }

    private func watch(_ key: AttemptKey, _ now: Int64) {
        guard var entry = entries[key] else { return }
        guard entry.record.bootID == settings.bootID else {
            finish(key, ExitStatus(error: "the host was restarted"), at: nil)
            return
        }
        let state = launcher.state(of: entry.directory)
        switch state {
        case .lost, .absent, .unknown: break
        case .starting, .running, .finishing, .ended: entry.lostSince = nil
        }
        switch state {
        case .starting, .finishing, .unknown: break
        case .running: enforceRunTime(&entry, now)
        case .ended(let exit, let at):
            entries[key] = entry
            finish(key, exit, at: at)
            return
        case .lost, .absent:
            let since = entry.lostSince ?? now
            entry.lostSince = since
            guard now - since >= Self.startMilliseconds || entry.stopping != nil else { break }
            entries[key] = entry
            if state == .lost { finish(key, ExitStatus(), at: nil) } else { cutOff(key, entry.directory) }
            return
        }
        if entry.stopping != nil { pressStop(&entry, state, now) }
        entries[key] = entry
    }

    /// The agent ended between its record and the launch: nothing ran, so it is to be planned again.
    private func cutOff(_ key: AttemptKey, _ directory: String) {
        guard launcher.revoke(directory: directory) else { return }
        finish(key, ExitStatus(error: "the agent ended while it started it"), refused: true, at: nil)
    }

    private func enforceRunTime(_ entry: inout Entry, _ now: Int64) {
        guard entry.stopping == nil, let limit = entry.record.assignment.spec.maximumRunSeconds else { return }
        let elapsed =
            entry.record.createdMonotonicMilliseconds.map { now - $0 }
            ?? RealtimeClock.nowMilliseconds() - entry.record.createdMilliseconds
        guard elapsed >= Int64(limit) * 1000 else { return }
        logger.notice("workload \(entry.record.key) has reached its maximum run time of \(limit) s: stopping it")
        entry.stopping = Entry.Stop()
    }

    /// The stop signal, then SIGKILL after the grace, again every second: a new child may have escaped the first.
    private func pressStop(_ entry: inout Entry, _ state: LaunchState, _ now: Int64) {
        guard var stop = entry.stopping else { return }
        let spec = entry.record.assignment.spec
        do {
            if case .running = state, stop.signalledAt == nil {
                stop.signalledAt = now
                try launcher.signal(spec.stopSignal, directory: entry.directory)
            } else if let signalled = stop.signalledAt, now - signalled >= Int64(spec.graceSeconds) * 1000,
                now - (stop.killedAt ?? 0) >= 1000
            {
                if stop.killedAt == nil {
                    logger.notice("workload \(entry.record.key) did not stop in \(spec.graceSeconds) s: SIGKILL")
                }
                stop.killedAt = now
                try launcher.signal(9, directory: entry.directory)
            }
        } catch { logger.error("workload \(entry.record.key): \(error)") }
        entry.stopping = stop
    }

    func finish(_ key: AttemptKey, _ exit: ExitStatus, refused: Bool? = nil, at: Int64?) {
        guard let entry = entries[key], entry.ended == nil else { return }
        let reading = quotas.observe(key.id)
        let observation = WorkloadObservation(
            id: key.id, attempt: key.attempt, phase: .ended, startedMilliseconds: entry.startedMilliseconds,
            endedMilliseconds: at ?? RealtimeClock.nowMilliseconds(), exit: exit, refused: refused,
            usage: reading.usage)
        entries[key]?.ended = observation
        do { try WorkloadRecord.write(observation, to: "\(entry.directory)/ended.json") } catch {
            logger.error("the end of workload \(key) is not kept: \(error)")
        }
        quotas.remove(key.id)
        logger.info("workload \(entry.record.assignment.spec.name) (\(key)) ended: \(exit)")
    }

    /// Ended, told to the scheduler and not listed by it any more: only the logs stay. One that is listed again, by a
    /// scheduler whose store was set back, is told again.
    private func acknowledge(_ key: AttemptKey) {
        guard let entry = entries[key] else { return }
        if quotas.has(key.id), !entries.contains(where: { $0.key.id == key.id && $0.value.ended == nil }) {
            quotas.remove(key.id)
        }
        guard let desired else { return }
        let isListed = desired[key.id]?.attempt == key.attempt
        if entry.acknowledged, isListed {
            entries[key]?.acknowledged = false
            entries[key]?.delivered = false
            unlink("\(entry.directory)/acknowledged")
        } else if entry.delivered, !entry.acknowledged, !isListed {
            entries[key]?.acknowledged = true
            try? AtomicFile.write("", to: "\(entry.directory)/acknowledged")
        }
    }

    private func prune() {
        let done = entries.values.filter(\.acknowledged).sorted {
            ($0.ended?.endedMilliseconds ?? 0) > ($1.ended?.endedMilliseconds ?? 0)
        }
        let oldest = RealtimeClock.nowMilliseconds() - Self.keptMilliseconds
        for (position, entry) in done.enumerated()
        where position >= Self.keptLogs || (entry.ended?.endedMilliseconds ?? 0) < oldest {
            remove(directory: entry.directory)
            entries[entry.record.key] = nil
        }
    }

    func owner(_ record: WorkloadRecord) -> (uid: UInt32, gid: UInt32) {
        let own = AgentUser.own()
        return (record.user?.uid ?? own.uid, settings.segmentGroup ?? record.user?.gid ?? own.gid)
    }
}
