import HCSHealth
package import HCSProbe
import HCSSystem

extension HostFault {
    /// What the kernel keeps of the names (15 bytes) of services that have every device open and no memory there: our
    /// workers and NVIDIA's.
    private static let monitors: Set<String> = [
        "hcs-vendor-work", "nvidia-persiste", "nv-hostengine", "dcgm-exporter", "nv-fabricmanage",
    ]

    /// What a probe saw, as the health core takes it. Nil: what says nothing of anybody's health (how a process ended,
    /// pressure, a call that may still wait for its work).
    package init?(_ event: HostEvent) {
        // A port's error is that of the accelerators below it.
        var devices = event.accelerators.isEmpty ? event.pci.map { [$0] } ?? [] : event.accelerators
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
        case .holderFound where Self.monitors.contains(event.processName ?? ""): return nil
        case .holderFound: kind = .holderFound
        case .holderGone: kind = .holderGone
        case .holderExit:
            // From all that it had, known or not.
            (kind, devices) = (.holderGone, [])
        case .fabricManager: kind = .fabricManager
        case .fabricPort: kind = .fabricPort
        case .holderSignal, .pressure, .vendorCall: return nil
        }
        let severity: Severity
        switch event.severity {
        case .info, .warning: severity = .corrected
        case .error: severity = .uncorrected
        case .fatal: severity = .fatal
        }
        self.init(
            kind: kind, severity: severity, count: event.count, devices: devices, pid: event.pid, seconds: event.amount,
            subject: kind == .fabricPort ? event.codes.first : nil, message: event.message,
            source: "\(event.kind.rawValue) (\(event.seen.via.rawValue))",
            atMilliseconds: event.seen.atMilliseconds)
    }

    /// What a line of the kernel log says of the host. Nil for any other line, and for one that user space wrote unless it
    /// is trusted.
    package init?(_ event: KernelLogEvent, trustUserKmsg: Bool) {
        guard !event.record.fromUserSpace || trustUserKmsg, let line = HostLine(event.record.text) else { return nil }
        let kind: Kind =
            switch line.kind {
            case .oops: .kernelOops
            case .hungTask: .hungTask
            case .diskError: .diskError
            }
        self.init(
            kind: kind, severity: .uncorrected, message: line.message, source: "kernel-log",
            atMilliseconds: event.atMilliseconds, simulated: event.simulated, sequence: event.record.sequence)
    }
}
