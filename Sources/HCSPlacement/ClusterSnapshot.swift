package import HCSModel

/// What the placement knows of the cluster at one revision. A value: the cycle changes its own copy as it reserves.
package struct ClusterSnapshot: Sendable {
    package var revision: Revision
    package var nodes: [NodeState]

    package init(revision: Revision, nodes: [NodeState]) {
        self.revision = revision
        self.nodes = nodes
    }
}

package struct NodeState: Sendable {
    package var name: String
    /// nil = takes work; else why not.
    package var notReady: String?
    package var devices: [DeviceState]

    package init(name: String, notReady: String? = nil, devices: [DeviceState]) {
        self.name = name
        self.notReady = notReady
        self.devices = devices
    }
}

package struct DeviceState: Sendable {
    package var device: Device
    package var health: DeviceHealth
    /// Why the agent gives no work to it; nil = it does.
    package var blocked: String?
    /// Sum of the quotas given out.
    package var granted: ByteCount
    /// What the driver counts in use; nil where it does not tell.
    package var driverUsed: ByteCount?

    package init(
        device: Device, health: DeviceHealth, blocked: String? = nil, granted: ByteCount = .zero,
        driverUsed: ByteCount? = nil
    ) {
        self.device = device
        self.health = health
        self.blocked = blocked
        self.granted = granted
        self.driverUsed = driverUsed
    }

    /// Memory that can still be promised: the larger of granted and driver-reported counts as taken, because a quota
    /// may not be used yet and a process may use memory that nobody granted.
    package var free: ByteCount { device.memory.subtracting(max(granted, driverUsed ?? .zero)) }
}

/// What is asked of the placement.
package struct PlacementRequest: Hashable, Sendable {
    package var runtime: Runtime
    package var vram: ByteCount

    package init(runtime: Runtime, vram: ByteCount) {
        self.runtime = runtime
        self.vram = vram
    }

    package init(_ spec: WorkloadSpec) { self.init(runtime: spec.runtime, vram: spec.vram) }
}
