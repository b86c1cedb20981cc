package import HCSHealth
package import HCSModel
import HCSSystem
import Synchronization

/// Where the collector leaves what /metrics tells: a scrape reads it and waits for nobody.
package final class MetricsRecorder: Sendable {
    private let state = Mutex(MetricsRecord())
    private let faultClass: @Sendable (Fault) -> String

    package init(faultClass: @escaping @Sendable (Fault) -> String) { self.faultClass = faultClass }

    package var record: MetricsRecord { state.withLock { $0 } }

    func collected(devices: [Device], samples: [DeviceID: DeviceSample], took: Duration, at now: Int64) {
        state.withLock {
            $0.collected(devices: devices.map(\.id), samples: samples, seconds: took / .seconds(1), at: now)
        }
    }

    /// A line of the kernel log. Each counts, also one that the score takes for a repetition of the last, or that is no
    /// device's fault. What was in the log before the agent's start does not: each start reads it again.
    func logged(
        _ fault: Fault, _ outcome: HealthAnalyzer.FaultOutcome, devices: [Device], isHistory: Bool
    ) {
        guard !isHistory else { return }
        switch outcome {
        case .counted(let ids): line(fault, ids)
        case .duplicate, .notDeviceFault: line(fault, devices.filter(fault.names).map(\.id))
        case .unmatched: state.withLock { $0.faultedUnknown(fault.vendor) }
        }
    }

    /// What a vendor's library told: counts unless the log told it before; a line that tells the same later does not.
    func told(_ fault: Fault, _ outcome: HealthAnalyzer.FaultOutcome) {
        guard case .counted(let ids) = outcome else { return }
        let faultClass = faultClass(fault)
        state.withLock { $0.told(fault, devices: ids, faultClass: faultClass) }
    }

    private func line(_ fault: Fault, _ ids: [DeviceID]) {
        let faultClass = faultClass(fault)
        state.withLock { $0.faulted(fault, devices: ids, faultClass: faultClass) }
    }
}

extension Fault {
    /// Whether it is told of that very device: by domain, bus and device. A simulated one names no real device.
    fileprivate func names(_ device: Device) -> Bool {
        guard device.vendor == vendor, !simulated || device.simulated, let pci, let own = device.pci else {
            return false
        }
        return (own.domain, own.bus, own.device) == (pci.domain, pci.bus, pci.device)
    }
}

extension HealthPolicy {
    /// `hard` latches the device, `soft` lowers its score for a while, `none` says nothing of the device.
    package func faultClass(of fault: Fault) -> String {
        switch row(FaultCode(fault), in: .builtIn)?.faultClass {
        case .hard, .held: "hard"
        case .soft, .decode, .recoveryAction: "soft"
        case .application, .some(.none), nil: "none"
        }
    }
}
