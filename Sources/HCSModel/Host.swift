/// Facts of the machine an agent runs on; all real, never simulated.
package struct HostFacts: Hashable, Sendable, Codable {
    package var hostname: String
    package var kernel: String
    package var architecture: String
    package var cpuModel: String
    package var cpuCount: Int
    package var memory: ByteCount
    package var numaNodes: [NUMANode]
    /// PCI functions on the host whose vendor is one of the accelerator makers.
    package var acceleratorFunctions: [PCIFunction]

    package struct NUMANode: Hashable, Sendable, Codable {
        package var id: Int
        package var memory: ByteCount
        package var cpuCount: Int
        package init(id: Int, memory: ByteCount, cpuCount: Int) {
            self.id = id
            self.memory = memory
            self.cpuCount = cpuCount
        }
    }

    package struct PCIFunction: Hashable, Sendable, Codable {
        package var address: PCIAddress
        package var vendorID: UInt16
        package var deviceID: UInt16
        package var numaNode: Int?
        package init(address: PCIAddress, vendorID: UInt16, deviceID: UInt16, numaNode: Int?) {
            self.address = address
            self.vendorID = vendorID
            self.deviceID = deviceID
            self.numaNode = numaNode
        }
    }

    package init(
        hostname: String, kernel: String, architecture: String, cpuModel: String, cpuCount: Int, memory: ByteCount,
        numaNodes: [NUMANode], acceleratorFunctions: [PCIFunction]
    ) {
        self.hostname = hostname
        self.kernel = kernel
        self.architecture = architecture
        self.cpuModel = cpuModel
        self.cpuCount = cpuCount
        self.memory = memory
        self.numaNodes = numaNodes
        self.acceleratorFunctions = acceleratorFunctions
    }
}

/// What a probe can do on this host and why.
package struct ProbeStatus: Hashable, Sendable, Codable {
    package enum State: String, Codable, Hashable, Sendable { case attached, polling, unavailable }
    package var name: String
    package var state: State
    /// Why it is not `attached`, or how it is.
    package var detail: String
    package var events: UInt64
    package var dropped: UInt64

    package init(name: String, state: State, detail: String, events: UInt64 = 0, dropped: UInt64 = 0) {
        self.name = name
        self.state = state
        self.detail = detail
        self.events = events
        self.dropped = dropped
    }
}
