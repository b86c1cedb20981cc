import Foundation
import Glibc
package import HCSHealth
package import HCSModel
import HCSSystem
package import Logging

/// Holds the analyzer and keeps what it must remember in a file, so that a restart of the agent forgets no fault.
package actor HealthMonitor {
    /// Baselines and bands, which change all the time, are written this often; latches and soft faults at once.
    static let slowInterval: Int64 = 600_000
    /// Largest state file that is read, in bytes.
    static let maximumBytes = 32 << 20

    private nonisolated let executor = QueueExecutor(label: "hcs-health")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private var analyzer: HealthAnalyzer
    private let path: String
    private var saved: HealthState
    private var savedMilliseconds: Int64 = 0
    private var clock = ClockWatch()
    private let clocks: @Sendable () -> Clocks

    /// Milliseconds since 1970, and of a clock that is never set.
    package struct Clocks: Sendable {
        package var now: Int64
        package var uptime: Int64

        package init(now: Int64, uptime: Int64) { (self.now, self.uptime) = (now, uptime) }

        package static var present: Clocks {
            Clocks(now: RealtimeClock.nowMilliseconds(), uptime: BootClock.nowMilliseconds())
        }
    }
    private let logger: Logger

    /// Reads the state file. One that is damaged is set aside (`.damaged`), never silently overwritten, and the one before
    /// it (`.previous`) taken in its place.
    package init(
        policy: HealthPolicy, bootID: String, path: String, sampleSeconds: Double = 10, logger: Logger,
        clocks: @escaping @Sendable () -> Clocks = { .present }
    ) {
        self.path = path
        self.clocks = clocks
        self.logger = logger
        let state = Self.load(path, logger)
        analyzer = HealthAnalyzer(policy: policy, bootID: bootID, state: state, sampleSeconds: sampleSeconds)
        saved = (state ?? HealthState(bootID: bootID)).pressing
    }

    package func update(devices: [Device], at now: Int64) {
        noticeClock()
        analyzer.update(devices: devices, at: now)
    }

    /// Before anything is recorded with the clock's new time.
    private func noticeClock() {
        let present = clocks()
        let step = clock.step(now: present.now, uptime: present.uptime)
        guard step != 0 else { return }
        logger.notice("the clock was set by \(Double(step) / 1000) s")
        analyzer.clockWasSet(by: step)
    }

    package func record(samples: [DeviceID: DeviceSample], vendors: [VendorStatus], at now: Int64) {
        // Misses first: a sample of the same sweep is a later answer.
        for status in vendors {
            analyzer.record(
                missedDeadlines: UInt64(max(0, status.missedDeadlines)), vendor: status.vendor,
                simulated: status.simulated, at: now)
            if let answer = status.answerMilliseconds {
                analyzer.record(
                    answerMilliseconds: answer, vendor: status.vendor, simulated: status.simulated, at: now)
            }
        }
        for (id, sample) in samples { analyzer.record(sample, for: id, at: now) }
    }

    /// In their order; an outcome for each.
    package func record(_ faults: [Fault]) -> [HealthAnalyzer.FaultOutcome] {
        noticeClock()
        return faults.map { analyzer.record($0) }
    }

    package func record(_ fault: HostFault) -> HealthAnalyzer.FaultOutcome {
        noticeClock()
        return analyzer.record(fault)
    }

    package func healths(at now: Int64) -> [DeviceID: DeviceHealth] {
        noticeClock()
        return analyzer.judge(at: now)
    }

    /// The node's own faults, without its devices'.
    package func nodeHealth(at now: Int64) -> DeviceHealth { analyzer.nodeHealth(at: now) }

    package func history(of id: DeviceID) -> [HealthRecord] { analyzer.history(of: id) }

    /// What operators said, oldest first.
    package func clearings() -> [HealthClearing] { analyzer.state.clearings }

    /// Takes off what holds a device's score down, and writes that with who said so and why before it counts.
    /// - Parameter actor: who said it, as the door knows them: a user's name, a token's.
    /// - Throws: `HealthError` for an unknown device or no reason; `SystemError` when it could not be written: then nothing
    ///   was taken off.
    package func setHealthy(
        _ id: DeviceID, reason: String, actor: String, order: String? = nil, at now: Int64
    ) throws -> HealthClearing {
        let before = analyzer
        let clearing = try analyzer.setHealthy(id, reason: reason, actor: actor, order: order, at: now)
        do { try write(analyzer.state) } catch {
            analyzer = before
            throw error
        }
        logger.notice("\(clearing.actor) set \(id) healthy: \(clearing.reason); taken off: \(clearing.taken)")
        return clearing
    }

    /// Carries out what an operator told the scheduler, once: it is asked until its report has told the outcome, also over
    /// a restart of this agent, and what latched meanwhile is not what the operator saw.
    package func apply(_ clearance: Clearance, at now: Int64) -> ClearanceOutcome {
        func outcome(_ applied: Bool, _ message: String) -> ClearanceOutcome {
            ClearanceOutcome(
                id: clearance.id, applied: applied, message: PrintableText.clean(message, limit: 256) ?? "")
        }
        let order = clearance.id.text
        if let done = analyzer.state.clearings.last(where: { $0.order == order }) {
            return outcome(true, "taken off: \(done.taken)")
        }
        do {
            let done = try setHealthy(
                clearance.device, reason: clearance.reason, actor: clearance.by, order: order, at: now)
            return outcome(true, "taken off: \(done.taken)")
        } catch {
            return outcome(false, "\(error)")
        }
    }

    /// Writes what must outlive the agent, if it changed. Called after the news went out: it syncs to the disk.
    package func save(at now: Int64 = RealtimeClock.nowMilliseconds(), all: Bool = false) {
        let state = analyzer.state
        let (age, overflow) = now.subtractingReportingOverflow(savedMilliseconds)
        guard all || overflow || age < 0 || age >= Self.slowInterval || state.pressing != saved else { return }
        do {
            try write(state)
            savedMilliseconds = now
        } catch {
            logger.error("health state not saved: \(error)")
        }
    }

    private func write(_ state: HealthState) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let bytes = Array(try encoder.encode(state))
        Self.keepPrevious(path)
        try AtomicFile.write(bytes, to: path)
        saved = state.pressing
    }

    // MARK: The file

    private static func previous(_ path: String) -> String { path + ".previous" }

    /// A second name for the file that is about to be replaced: in a storm that is several times a second, so nothing is
    /// copied. Where the file system has no such names, or there is no file yet, what was kept stays.
    private static func keepPrevious(_ path: String) {
        let name = previous(path) + ".tmp"
        unlink(name)
        guard link(path, name) == 0 else { return }
        rename(name, previous(path))
        // Both were names of one file already: then nothing was renamed.
        unlink(name)
    }

    /// No file: nothing was ever known here, or somebody wants to begin anew. A damaged one: what was written before it.
    private static func load(_ path: String, _ logger: Logger) -> HealthState? {
        do { return try read(path) } catch {
            if (error as? SystemError)?.code == .notFound {
                unlink(previous(path))
                return nil
            }
            let before = try? read(previous(path))
            DamagedFile.setAside(
                path, error,
                before == nil ? "latched faults in it are lost" : "\(previous(path)) is taken in its place",
                logger)
            if before != nil { rename(previous(path), path) }
            return before
        }
    }

    private static func read(_ path: String) throws -> HealthState {
        try JSONDecoder().decode(HealthState.self, from: Data(try SmallFile.read(path, limit: maximumBytes)))
    }
}

extension HealthClearing {
    /// For people.
    fileprivate var taken: String { latches.isEmpty ? "no latch" : latches.joined(separator: "; ") }
}
