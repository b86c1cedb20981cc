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

    /// What became of a fault record. One that is no device's fault is still told of its device, but not out of the
    /// history: each start of the agent reads that again.
    package func faulted(
        _ fault: Fault, _ outcome: HealthAnalyzer.FaultOutcome, devices: [Device], isHistory: Bool
    ) {
        let faultClass = faultClass(fault)
        state.withLock { record in
            switch outcome {
            case .counted(let ids): record.faulted(fault, devices: ids, faultClass: faultClass)
            case .notDeviceFault:
                guard !isHistory else { return }
                record.faulted(fault, devices: devices.filter(fault.names).map(\.id), faultClass: faultClass)
            case .unmatched: record.faultedUnknown(fault.vendor)
            case .duplicate: break
            }
        }
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
    /// `hard` latches the device, `soft` lowers its score for a while, `other` says nothing of the device.
    package func faultClass(of fault: Fault) -> String {
        switch row(FaultCode(fault), in: .builtIn)?.faultClass {
        case .hard, .held: "hard"
        case .soft, .decode, .recoveryAction: "soft"
        case .application, .some(.none), nil: "other"
        }
    }
}
