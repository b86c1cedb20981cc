package import HCSAPI
package import HCSDevice
package import HCSModel
import HCSSystem
package import Logging
import ServiceLifecycle
import Synchronization

/// Measures each device once for every driver version, when it has been idle in two looks running and belongs to nobody.
/// A lease or a workload on it ends the measurement at once; it is tried again later. Only with `--measure-when-idle`.
package struct IdleMeasuring: Service {
    private let manager: DeviceManager
    private let state: NodeState
    private let store: MeasurementStore
    private let measurer: Measurer
    private let interval: Duration
    private let logger: Logger

    /// - Parameter interval: between two looks.
    package init(
        manager: DeviceManager, state: NodeState, store: MeasurementStore, measurer: Measurer, interval: Duration,
        logger: Logger
    ) {
        self.manager = manager
        self.state = state
        self.store = store
        self.measurer = measurer
        self.interval = interval
        self.logger = logger
    }

    private static let lookInterval: Duration = .milliseconds(200)

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var idle: Set<DeviceID> = []
            while !Task.isCancelled {
                let status = await state.status()
                let now = Set(Self.idle(status))
                if let next = now.intersection(idle).sorted().first { await measure(next) }
                idle = now
                try? await Task.sleep(for: interval)
            }
        }
    }

    /// Devices that may be measured now: never measured with this driver, idle, and nobody's.
    package static func idle(_ status: AgentStatus) -> [DeviceID] {
        let inUse = DevicesInUse(status)
        return status.devices.compactMap { report in
            guard report.device.vendor == .nvidia, report.blocked == nil, report.device.fingerprint.measured == nil,
                report.localGranted == .zero, inUse.reason(for: report.device.id) == nil, let sample = report.sample,
                sample.busyReason(memory: report.device.memory) == nil
            else { return nil }
            return report.device.id
        }
    }

    private func measure(_ id: DeviceID) async {
        guard let device = await manager.devices.first(where: { $0.id == id }),
            let origin = await manager.origin(of: id)
        else { return }
        // Measured already, and the inventory that shows it is yet to come.
        if let last = store.last(of: id.uuid, simulated: device.simulated),
            last.driverVersion == device.driverVersion, last.maximumClockMHz == origin.maximumClockMHz
        {
            return
        }
        let wanted = Wanted()
        let watch = Task {
            while !Task.isCancelled {
                if await isTaken(id) { wanted.set() }
                try? await Task.sleep(for: Self.lookInterval)
            }
        }
        defer { watch.cancel() }
        let figures: MeasuredFigures
        do {
            figures = try await withTaskCancellationHandler {
                try await measurer.measure(id, of: origin.source, isWanted: { wanted.isSet })
            } onCancel: {
                wanted.set()
            }
        } catch {
            let error = error as? DeviceError ?? DeviceError(.callFailed, "\(error)")
            logger.info("fingerprint of \(id): \(error)")
            if error.code == .notRunning { return }
            // Once for every driver version, also where it does not work.
            var failed = MeasuredFigures(method: "failed")
            failed.notes = [error.description]
            keep(failed, device, origin.maximumClockMHz)
            return
        }
        logger.info("fingerprint of \(id) measured: \(figures.method)")
        keep(figures, device, origin.maximumClockMHz)
    }

    private func isTaken(_ id: DeviceID) async -> Bool {
        DevicesInUse(await state.status()).reason(for: id) != nil
    }

    /// The next inventory shows it.
    private func keep(_ figures: MeasuredFigures, _ device: Device, _ clock: UInt32?) {
        let measured = MeasuredFingerprint(
            figures: figures, driverVersion: device.driverVersion, maximumClockMHz: clock,
            atMilliseconds: RealtimeClock.nowMilliseconds(), simulated: device.simulated)
        do { try store.save(measured, of: device.id.uuid) } catch {
            logger.error("fingerprint of \(device.id) not kept: \(error)")
        }
    }

    private final class Wanted: Sendable {
        private let flag = Mutex(false)
        var isSet: Bool { flag.withLock { $0 } }
        func set() { flag.withLock { $0 = true } }
    }
}
