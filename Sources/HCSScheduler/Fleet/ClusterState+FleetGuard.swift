import HCSAPI
import HCSModel

extension ClusterState {
    /// Whether work may be moved off a device without anybody's order. The first refusal of a device is an event; it is
    /// asked again with each report.
    mutating func mayMove(off device: DeviceID, of report: NodeReport, monotonic: Int64, now: Int64) -> Bool {
        guard let seen = report.devices.first(where: { $0.device.id == device }) else { return false }
        let key = DeviceKey(node: report.node, device: device)
        let pool = nodes.values.reduce(0) { $0 + $1.record.devices.count }
        let reason = seen.health.reasons.first?.detail ?? "no reason told"
        func event(_ kind: FleetEvent.Kind, _ message: String) -> FleetEvent {
            FleetEvent(
                atMilliseconds: now, kind: kind, severity: kind == .guardHeld ? .critical : .warning, node: key.node,
                device: device, message: message, simulated: seen.device.simulated)
        }
        switch fleetGuard.admit(key, hard: Self.hasHardFault(seen.health), pool: pool, monotonic: monotonic) {
        case .goesOn: return true
        case .begins:
            known.held.remove(key)
            emit(event(.automaticMove, "its work is moved to other devices: \(reason)"))
            return true
        case .held(let acts, let allowance):
            if known.held.insert(key).inserted {
                emit(
                    event(
                        .guardHeld,
                        "its work stays: work was moved off \(acts) devices within the last hour, and \(allowance) of \(pool) is the limit (\(reason)); `hcs drain` moves it"
                    ))
            }
            return false
        }
    }

    /// A fault of the device itself. A library that does not answer (source `worker`) fails all of its maker's devices
    /// at once, and says nothing of any one of them.
    private static func hasHardFault(_ health: DeviceHealth) -> Bool {
        health.reasons.contains { $0.penalty >= 1 && $0.source != "worker" }
    }
}
