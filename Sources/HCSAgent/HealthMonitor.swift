import Foundation
package import HCSHealth
package import HCSModel
import HCSSystem
package import Logging

/// Holds the analyzer and keeps its latches in a file, so that a restart of the agent forgets no fault.
package actor HealthMonitor {
    private nonisolated let executor = QueueExecutor(label: "hcs-health")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private var analyzer: HealthAnalyzer
    private let path: String
    private var saved: HealthState
    private let logger: Logger

    /// Reads the state file. One that is damaged is set aside (`.damaged`), never silently overwritten.
    package init(policy: HealthPolicy, bootID: String, path: String, logger: Logger) {
        self.path = path
        self.logger = logger
        let state = Self.load(path, logger)
        analyzer = HealthAnalyzer(policy: policy, bootID: bootID, state: state)
        saved = state ?? HealthState(bootID: bootID)
    }

    package func update(devices: [Device], at now: Int64) { analyzer.update(devices: devices, at: now) }

    package func record(samples: [DeviceID: DeviceSample], vendors: [VendorStatus], at now: Int64) {
        // Misses first: a sample of the same sweep is a later answer.
        for status in vendors {
            analyzer.record(
                missedDeadlines: UInt64(status.missedDeadlines), vendor: status.vendor, simulated: status.simulated,
                at: now)
        }
        for (id, sample) in samples { analyzer.record(sample, for: id, at: now) }
    }

    package func record(_ fault: Fault) -> HealthAnalyzer.FaultOutcome { analyzer.record(fault) }

    package func healths(at now: Int64) -> [DeviceID: DeviceHealth] { analyzer.evaluate(at: now) }

    /// Writes what must outlive the agent, if it changed. Called after the news went out: it syncs to the disk.
    package func save() {
        let state = analyzer.state
        guard state != saved else { return }
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            try AtomicFile.write(Array(try encoder.encode(state)), to: path)
            saved = state
        } catch {
            logger.error("health state not saved: \(error)")
        }
    }

    private static func load(_ path: String, _ logger: Logger) -> HealthState? {
        let bytes: [UInt8]
        do { bytes = try SmallFile.read(path, limit: 16 << 20) } catch {
            if error.code != .notFound { logger.error("health state not read: \(error)") }
            return nil
        }
        do {
            let state = try JSONDecoder().decode(HealthState.self, from: Data(bytes))
            guard state.version == HealthState.currentVersion else {
                throw AgentError(.configuration, "version \(state.version) is not understood")
            }
            return state
        } catch {
            let aside = path + ".damaged"
            logger.error("\(path) is damaged and set aside as \(aside); latched faults in it are lost: \(error)")
            rename(path, aside)
            return nil
        }
    }
}
