package import HCSModel

/// What a vendor's library tells about one device that does not change while its driver is loaded.
package struct DeviceInventory: Hashable, Sendable {
    /// The vendor's UUID, serial or die id.
    package var id: DeviceID
    package var name: String
    package var index: UInt32
    package var memory: ByteCount
    package var pci: PCIAddress?
    /// As the vendor's own call tells; nil where it has none (NVIDIA: sysfs knows, by the PCI address).
    package var numaNode: Int?
    package var driverVersion: String?
    /// Arithmetic cores and their highest clock, from which a peak is estimated for a card no catalogue knows.
    package var cores: UInt32?
    package var maximumClockMHz: UInt32?
    package var details: DeviceDetails

    package init(
        id: DeviceID, name: String, index: UInt32, memory: ByteCount, pci: PCIAddress? = nil, numaNode: Int? = nil,
        driverVersion: String? = nil, cores: UInt32? = nil, maximumClockMHz: UInt32? = nil,
        details: DeviceDetails = DeviceDetails()
    ) {
        self.id = id
        self.name = name
        self.index = index
        self.memory = memory
        self.pci = pci
        self.numaNode = numaNode
        self.driverVersion = driverVersion
        self.cores = cores
        self.maximumClockMHz = maximumClockMHz
        self.details = details
    }
}

extension DeviceInventory {
    package var json: JSONValue {
        JSONValue(fields: [
            ("id", .string(id.uuid)), ("name", .string(name)), ("index", JSONValue(index)),
            ("memory", JSONValue(memory.bytes)), ("pci", pci.map { .string($0.description) }),
            ("numaNode", numaNode.map { JSONValue($0) }), ("driver", driverVersion.map { .string($0) }),
            ("cores", cores.map { JSONValue($0) }), ("maximumClockMHz", maximumClockMHz.map { JSONValue($0) }),
            ("details", details == DeviceDetails() ? nil : details.json),
        ])
    }

    /// Nil where identity, name, index or memory is not there or not plausible: such a device cannot be offered. Nor can a
    /// part of which nobody can say how much it is of what.
    package init?(json: JSONValue) {
        guard let uuid = json["id"]?.string, PrintableText.isIdentity(uuid),
            let name = json["name"]?.string.flatMap({ PrintableText.clean($0) }),
            let index = json["index"]?.integer(UInt32.self), index < UInt32(WorkerProtocol.maximumDevices),
            let memory = json["memory"]?.integer(UInt64.self), Plausibility.deviceMemory.contains(memory)
        else { return nil }
        let details = json["details"].map { DeviceDetails(json: $0) } ?? DeviceDetails()
        guard details.partition?.card.uuid != uuid,
            details.partition != nil || json["details"]?["partition"] == nil
        else { return nil }
        self.init(
            id: DeviceID(uuid), name: name, index: index, memory: ByteCount(memory),
            pci: json["pci"]?.string.flatMap { PCIAddress($0) },
            numaNode: json["numaNode"]?.integer(Int.self).flatMap { (0..<1024).contains($0) ? $0 : nil },
            driverVersion: json["driver"]?.string.flatMap { PrintableText.clean($0) },
            cores: json["cores"]?.integer(), maximumClockMHz: json["maximumClockMHz"]?.integer(),
            details: details)
    }
}
