import HCSHealth
package import HCSProbe

extension HostFault {
    /// What a probe saw, as the health core takes it. Nil: what says nothing of anybody's health (who holds a device, how a
    /// process ended, a call that can be interrupted, pressure).
    package init?(_ event: HostEvent) {
        let kind: Kind
        switch event.kind {
        case .pcieError: kind = .pcieError
        case .machineCheck: kind = .machineCheck
        case .memoryError: kind = .memoryError
        case .firmwareRecord: kind = .firmwareRecord
        case .outOfMemoryKill: kind = .outOfMemoryKill
        case .thermalTrip: kind = .thermalTrip
        // Some drivers wait for work in a call that can be interrupted.
        case .stuckCall where event.severity == .info: return nil
        case .stuckCall: kind = .stuckCall
        case .holderGone, .holderExit: kind = .holderGone
        case .holderSignal, .holderFound, .pressure, .vendorCall: return nil
        }
        let severity: Severity
        switch event.severity {
        case .info, .warning: severity = .corrected
        case .error: severity = .uncorrected
        case .fatal: severity = .fatal
        }
        // A port's error is that of the accelerators below it.
        let devices = event.accelerators.isEmpty ? event.pci.map { [$0] } ?? [] : event.accelerators
        self.init(
            kind: kind, severity: severity, count: event.count, devices: devices, pid: event.pid, seconds: event.amount,
            message: event.message, source: "\(event.kind.rawValue) (\(event.seen.via.rawValue))",
            atMilliseconds: event.seen.atMilliseconds)
    }
}
