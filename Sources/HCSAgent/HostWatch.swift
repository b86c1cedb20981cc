import HCSDevice
package import HCSModel
package import HCSSystem

/// What the agent knows of its host besides devices' figures: where they sit, and facts that change slowly.
package struct HostWatch: Sendable {
    /// How often huge pages and the model cache's file system are looked at.
    static let interval: Duration = .seconds(30)

    /// What a device's place follows from.
    struct Placed: Hashable {
        var id: DeviceID
        var pci: PCIAddress?
        var numaNode: Int?
    }

    private let reader: HostFactsReader
    private let known: HostFacts
    private let places: TopologyReader

    /// - Parameter known: what `reader` read at the start.
    package init(reader: HostFactsReader, known: HostFacts) {
        self.reader = reader
        self.known = known
        places = TopologyReader(root: reader.root)
    }

    /// The reader of the agent and of the doctor.
    package static func reader(_ configuration: AgentConfiguration) -> HostFactsReader {
        HostFactsReader(
            pciVendors: HostSoftware.pciVendors, pciDevices: HostSoftware.pciDevices, software: HostSoftware.versions,
            toolkits: HostSoftware.containerToolkits, modelCache: configuration.modelCache)
    }

    /// Reads the facts beside the cooperative pool; where a file system hangs, `done` is not called.
    func look(_ done: @escaping @Sendable (HostFacts) -> Void) {
        Task {
            done(
                await Agent.blocking {
                    var facts = known
                    reader.refresh(&facts)
                    return facts
                })
        }
    }

    /// nil while the devices are where they were; `placed` starts as nil.
    func topology(of devices: [Device], unless placed: inout [Placed]?) async -> Topology? {
        let now = devices.map { Placed(id: $0.id, pci: $0.pci, numaNode: $0.numaNode) }
        guard now != placed else { return nil }
        placed = now
        return await Agent.blocking { places.read(devices) }
    }
}
