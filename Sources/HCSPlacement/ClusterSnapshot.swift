package import HCSModel

/// What the placement knows of the cluster at one revision. A value: the cycle changes its own copy as it reserves.
package struct ClusterSnapshot: Equatable, Sendable {
    package var revision: Revision
    package var nodes: [NodeState]

    package init(revision: Revision, nodes: [NodeState]) {
        self.revision = revision
        self.nodes = nodes
    }
}

package struct NodeState: Equatable, Sendable {
    package var name: String
    /// nil = takes work; else why not.
    package var notReady: String?
    package var devices: [DeviceState]
    /// Thousandths of a core that the host has; nil = nobody tells, and CPU is not counted there.
    package var cpuMilli: Int?
    package var grantedCPUMilli: Int
    /// Of the host; nil = nobody tells, and memory is not counted there.
    package var memory: ByteCount?
    package var grantedMemory: ByteCount
    /// How many there are; nil = nobody tells.
    package var numaNodes: Int?
    /// Drivers and runtimes of the makers that are installed.
    package var software: [HostFacts.Software]
    /// How many of a group's workloads are here, by `PlacementRequest.spreadGroup`.
    package var groups: [String: Int]

    package init(
        name: String, notReady: String? = nil, devices: [DeviceState], cpuMilli: Int? = nil, grantedCPUMilli: Int = 0,
        memory: ByteCount? = nil, grantedMemory: ByteCount = .zero, numaNodes: Int? = nil,
        software: [HostFacts.Software] = [], groups: [String: Int] = [:]
    ) {
        self.name = name
        self.notReady = notReady
        self.devices = devices
        self.cpuMilli = cpuMilli
        self.grantedCPUMilli = grantedCPUMilli
        self.memory = memory
        self.grantedMemory = grantedMemory
        self.numaNodes = numaNodes
        self.software = software
        self.groups = groups
    }

    package var freeCPUMilli: Int? { cpuMilli.map { max(0, $0 - grantedCPUMilli) } }
    package var freeMemory: ByteCount? { memory?.subtracting(grantedMemory) }
}

package struct DeviceState: Equatable, Sendable {
    package var device: Device
    package var health: DeviceHealth
    /// Why the agent gives no work to it; nil = it does.
    package var blocked: String?
    /// Who took it out of service and why; nil = nobody.
    package var cordon: String?
    /// The pool it is in; nil = none.
    package var pool: String?
    /// Sum of the quotas given out.
    package var granted: ByteCount
    /// Thousandths of its compute given out.
    package var grantedCompute: Int
    /// Workloads and leases that have a share of it.
    package var holders: Int
    /// One of them has it whole.
    package var isHeldWhole: Bool
    /// What the driver counts in use; nil where it does not tell.
    package var driverUsed: ByteCount?
    /// What the segments of its holders count in use, with their processes' contexts and modules.
    package var segmentUsed: ByteCount
    /// Kept free for what nobody asks for: contexts of processes that have not started yet, the driver's own.
    package var margin: ByteCount

    /// More would have so little each that they are a mistake.
    package static let holderLimit = 256
    package static let wholeCompute = 1000

    package init(
        device: Device, health: DeviceHealth, blocked: String? = nil, cordon: String? = nil, pool: String? = nil,
        granted: ByteCount = .zero, grantedCompute: Int = 0, holders: Int = 0, isHeldWhole: Bool = false,
        driverUsed: ByteCount? = nil, segmentUsed: ByteCount = .zero, margin: ByteCount = .zero
    ) {
        self.device = device
        self.health = health
        self.blocked = blocked
        self.cordon = cordon
        self.pool = pool
        self.granted = granted
        self.grantedCompute = grantedCompute
        self.holders = holders
        self.isHeldWhole = isHeldWhole
        self.driverUsed = driverUsed
        self.segmentUsed = segmentUsed
        self.margin = margin
    }

    /// The largest of what was granted, what the driver reports and what the segments report: a quota may not be used
    /// yet, a process may use memory that nobody granted, and a driver may not tell.
    package var taken: ByteCount { max(granted, driverUsed ?? .zero, segmentUsed) }

    /// Memory that can still be promised.
    package var free: ByteCount { device.memory.subtracting(taken.adding(margin)) }

    package var freeCompute: Int { isHeldWhole ? 0 : max(0, Self.wholeCompute - grantedCompute) }
}

/// What is asked of the placement.
package struct PlacementRequest: Hashable, Sendable {
    package var runtime: Runtime
    /// Of each device.
    package var vram: ByteCount
    package var placement: PlacementSpec

    package init(runtime: Runtime, vram: ByteCount, placement: PlacementSpec = PlacementSpec()) {
        self.runtime = runtime
        self.vram = vram
        self.placement = placement
    }

    package init(_ spec: WorkloadSpec) {
        self.init(runtime: spec.runtime, vram: spec.vram, placement: spec.placement)
    }

    /// Whom it is kept apart from under `spread`: the others of its gang, else of its tenant.
    package var spreadGroup: String {
        placement.gang.map { "\(placement.tenant)/\($0.name)" } ?? placement.tenant
    }
}
