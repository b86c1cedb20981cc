import HCSAPI
import HCSModel

/// What was told of the pool already, so that only changes become events. Made again from the stored events after a
/// restart.
struct FleetKnowledge: Sendable {
    struct Fault: Hashable, Sendable {
        var factor: String
        var sinceMilliseconds: Int64

        init(_ reason: HealthReason) {
            factor = reason.factor
            sinceMilliseconds = reason.sinceMilliseconds
        }
    }

    var bands: [DeviceKey: HealthBand] = [:]
    var faults: [DeviceKey: [Fault: HealthReason]] = [:]
    var devices: Set<DeviceKey> = []
    var unreachable: Set<String> = []
    /// Devices whose work the fleet guard keeps where it is.
    var held: Set<DeviceKey> = []

    init(nodes: [NodeRecord], events: [FleetEvent]) {
        var lost: Set<DeviceKey> = []
        for event in events { apply(event, lost: &lost) }
        for node in nodes {
            for device in node.devices { devices.insert(DeviceKey(node: node.name, device: device.id)) }
        }
        devices.subtract(lost)
    }

    private mutating func apply(_ event: FleetEvent, lost: inout Set<DeviceKey>) {
        guard let node = event.node else { return }
        switch event.kind {
        case .nodeUnreachable: unreachable.insert(node)
        case .nodeReady: unreachable.remove(node)
        case .nodeForgotten: forget(node: node)
        default: break
        }
        guard let device = event.device else { return }
        let key = DeviceKey(node: node, device: device)
        switch event.kind {
        case .deviceHealth: bands[key] = event.health?.newBand
        case .deviceLost: lost.insert(key)
        case .deviceAppeared: lost.remove(key)
        case .faultLatched: if let fault = event.fault { faults[key, default: [:]][Fault(fault)] = fault }
        case .faultCleared: if let fault = event.fault { faults[key]?[Fault(fault)] = nil }
        default: break
        }
    }

    mutating func forget(node: String) {
        bands = bands.filter { $0.key.node != node }
        faults = faults.filter { $0.key.node != node }
        devices = devices.filter { $0.node != node }
        held = held.filter { $0.node != node }
        unreachable.remove(node)
    }
}
