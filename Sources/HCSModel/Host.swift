/// Facts of the machine an agent runs on; all real, never simulated. An optional one is nil where an older agent did not
/// tell, or the host does not.
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
    /// Drivers and runtimes of the accelerator makers that are installed.
    package var software: [Software]?
    /// Vector and matrix units that every CPU has, as /proc/cpuinfo names them; arm64's `asimd` is called `neon`.
    package var cpuFeatures: [String]?
    package var hugePages: HugePages?
    package var iommu: IOMMU?
    package var containers: [ContainerProgram]?
    /// The file system that holds the model cache.
    package var modelCache: Disk?

    package struct NUMANode: Hashable, Sendable, Codable {
        package var id: Int
        package var memory: ByteCount
        package var cpuCount: Int
        package var cpus: CPUSet?
        /// To each node, itself included, as the firmware tells (SLIT): 10 is local.
        package var distances: [Int: Int]?
        package init(id: Int, memory: ByteCount, cpuCount: Int, cpus: CPUSet? = nil, distances: [Int: Int]? = nil) {
            self.id = id
            self.memory = memory
            self.cpuCount = cpuCount
            self.cpus = cpus
            self.distances = distances
        }
    }

    package struct PCIFunction: Hashable, Sendable, Codable {
        package var address: PCIAddress
        package var vendorID: UInt16
        package var deviceID: UInt16
        package var numaNode: Int?
        package var iommuGroup: Int?
        /// As sysfs names the group's type: `identity` is passthrough, `DMA` and `DMA-FQ` are translated.
        package var iommuMode: String?
        package init(
            address: PCIAddress, vendorID: UInt16, deviceID: UInt16, numaNode: Int?, iommuGroup: Int? = nil,
            iommuMode: String? = nil
        ) {
            self.address = address
            self.vendorID = vendorID
            self.deviceID = deviceID
            self.numaNode = numaNode
            self.iommuGroup = iommuGroup
            self.iommuMode = iommuMode
        }
    }

    package init(
        hostname: String, kernel: String, architecture: String, cpuModel: String, cpuCount: Int, memory: ByteCount,
        numaNodes: [NUMANode], acceleratorFunctions: [PCIFunction], software: [Software]? = nil,
        cpuFeatures: [String]? = nil, hugePages: HugePages? = nil, iommu: IOMMU? = nil,
        containers: [ContainerProgram]? = nil, modelCache: Disk? = nil
    ) {
        self.hostname = hostname
        self.kernel = kernel
        self.architecture = architecture
        self.cpuModel = cpuModel
        self.cpuCount = cpuCount
        self.memory = memory
        self.numaNodes = numaNodes
        self.acceleratorFunctions = acceleratorFunctions
        self.software = software
        self.cpuFeatures = cpuFeatures
        self.hugePages = hugePages
        self.iommu = iommu
        self.containers = containers
        self.modelCache = modelCache
    }
}

extension HostFacts {
    package struct Software: Hashable, Sendable, Codable {
        /// `NVIDIA driver`, `CUDA`.
        package var name: String
        package var version: String
        package init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    package struct HugePages: Hashable, Sendable, Codable {
        package struct Pool: Hashable, Sendable, Codable {
            package var pageSize: ByteCount
            /// Pages, not bytes.
            package var total: UInt64
            package var free: UInt64?
            package init(pageSize: ByteCount, total: UInt64, free: UInt64?) {
                self.pageSize = pageSize
                self.total = total
                self.free = free
            }
        }
        /// By page size.
        package var pools: [Pool]
        /// `always`, `madvise` or `never`.
        package var transparent: String?
        package init(pools: [Pool], transparent: String?) {
            self.pools = pools
            self.transparent = transparent
        }
    }

    package struct IOMMU: Hashable, Sendable, Codable {
        package var units: Int
        package var groups: Int
        /// Groups by type; a group whose type cannot be read is in none.
        package var modes: [String: Int]
        package init(units: Int, groups: Int, modes: [String: Int]) {
            self.units = units
            self.groups = groups
            self.modes = modes
        }

        package var isOn: Bool { units > 0 || groups > 0 }
        /// Devices reach memory untranslated: all groups whose type is known are `identity`.
        package var isPassthrough: Bool { !modes.isEmpty && modes.keys.allSatisfy { $0 == "identity" } }
    }

    /// A container runtime, or a maker's addition to one. One that has neither program nor socket here is not listed.
    package struct ContainerProgram: Hashable, Sendable, Codable {
        package var name: String
        package var program: String?
        package var socket: String?
        package init(name: String, program: String?, socket: String?) {
            self.name = name
            self.program = program
            self.socket = socket
        }
    }

    package struct Disk: Hashable, Sendable, Codable {
        /// What was asked for; it need not exist yet.
        package var path: String
        package var mountPoint: String
        package var fileSystem: String
        /// As the mount table names it: a block device, an NFS export.
        package var source: String
        /// `nvme0n1`; nil for a file system on no block device of this host.
        package var device: String?
        package var rotational: Bool?
        package var size: ByteCount?
        /// For ordinary users.
        package var free: ByteCount?
        package init(
            path: String, mountPoint: String, fileSystem: String, source: String, device: String? = nil,
            rotational: Bool? = nil, size: ByteCount? = nil, free: ByteCount? = nil
        ) {
            self.path = path
            self.mountPoint = mountPoint
            self.fileSystem = fileSystem
            self.source = source
            self.device = device
            self.rotational = rotational
            self.size = size
            self.free = free
        }
    }

    /// Without the figures that change all the time: what is worth writing to a disk.
    package var lasting: HostFacts {
        var facts = self
        facts.modelCache?.free = nil
        if let pools = facts.hugePages?.pools.indices { for pool in pools { facts.hugePages?.pools[pool].free = nil } }
        return facts
    }
}

/// What a probe can do on this host and why.
package struct ProbeStatus: Hashable, Sendable, Codable {
    package enum State: String, Codable, Hashable, Sendable, CaseIterable { case attached, polling, unavailable }
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
