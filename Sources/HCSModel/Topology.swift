/// Where the devices of a host and its network cards and disks sit. What lies between two of them follows from it
/// (`TopologyMatrix`), so a report grows with the devices, not with their pairs.
package struct Topology: Hashable, Sendable {
    package var devices: [DevicePlace]
    /// By address; at most `adapterLimit`.
    package var adapters: [Adapter]

    package static let deviceLimit = 256
    package static let adapterLimit = 64

    package init(devices: [DevicePlace] = [], adapters: [Adapter] = []) {
        self.devices = devices
        self.adapters = adapters
    }
}

/// The way from a host bridge to a function, as sysfs nests its directories: `pci0000:3a/0000:3a:00.0/0000:3b:00.0` is a
/// host bridge, a root port and the upstream port of a switch.
package struct PCIPath: Hashable, Sendable, CustomStringConvertible {
    /// The host bridge's domain and first bus: `pci0000:3a`.
    package let root: String
    /// Root port first; without the function itself.
    package let bridges: [PCIAddress]

    package static let depthLimit = 32

    /// Reads the directory of a function's parent, below /sys/devices or as a link writes it. Nil for one without a host
    /// bridge, one that passes a bridge twice, and one that is no such directory.
    package init?(_ directory: some StringProtocol) {
        let parts = directory.split(separator: "/").drop { !Self.isHostBridge($0) }
        guard let root = parts.first, parts.count <= Self.depthLimit else { return nil }
        var bridges: [PCIAddress] = []
        for part in parts.dropFirst() {
            // A host bridge behind a function (Intel VMD): the function before it is the bridge.
            if Self.isHostBridge(part) { continue }
            guard let bridge = PCIAddress(part), bridge.description == part, !bridges.contains(bridge) else {
                return nil
            }
            bridges.append(bridge)
        }
        self.root = String(root)
        self.bridges = bridges
    }

    /// `pci`, a domain of 4 to 8 digits and a bus.
    private static func isHostBridge(_ part: some StringProtocol) -> Bool {
        guard part.hasPrefix("pci") else { return false }
        let numbers = part.dropFirst(3).split(separator: ":", omittingEmptySubsequences: false)
        return numbers.count == 2 && (4...8).contains(numbers[0].count) && numbers[1].count == 2
            && numbers.allSatisfy { $0.allSatisfy { $0.isASCII && $0.isHexDigit } }
    }

    package var description: String { ([root] + bridges.map(\.description)).joined(separator: "/") }
}

/// Place of a function on the PCI bus.
package struct PCISlot: Hashable, Sendable, Codable {
    package var address: PCIAddress?
    /// nil where the host has none or does not tell.
    package var numaNode: Int?
    /// nil where sysfs does not tell, and for a simulated device, which has none.
    package var path: PCIPath?

    package init(address: PCIAddress? = nil, numaNode: Int? = nil, path: PCIPath? = nil) {
        self.address = address
        self.numaNode = numaNode
        self.path = path
    }
}

package struct DevicePlace: Hashable, Sendable, Codable {
    package var device: DeviceID
    package var slot: PCISlot
    /// CPUs that the kernel calls local to the slot.
    package var cpus: CPUSet?

    package init(device: DeviceID, slot: PCISlot, cpus: CPUSet? = nil) {
        self.device = device
        self.slot = slot
        self.cpus = cpus
    }
}

/// A network card or an NVMe disk; its physical function.
package struct Adapter: Hashable, Sendable, Codable {
    package enum Kind: String, Codable, Hashable, Sendable { case network, disk }

    package struct RDMADevice: Hashable, Sendable, Codable {
        /// `mlx5_0`.
        package var name: String
        /// `InfiniBand` or `Ethernet` (RoCE), as the first port says.
        package var linkLayer: String?
        package init(name: String, linkLayer: String? = nil) {
            self.name = name
            self.linkLayer = linkLayer
        }
    }

    package var kind: Kind
    /// Network interfaces, or the NVMe controller; none while no driver is bound. At most `nameLimit`.
    package var names: [String]
    package var rdma: [RDMADevice]
    package var slot: PCISlot

    package static let nameLimit = 8

    package init(kind: Kind, names: [String], rdma: [RDMADevice] = [], slot: PCISlot) {
        self.kind = kind
        self.names = names
        self.rdma = rdma
        self.slot = slot
    }
}

extension PCIPath: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let path = PCIPath(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(64))' is no way through the PCI bus")
        }
        self = path
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Topology: Codable {
    private enum CodingKeys: String, CodingKey { case devices, adapters }

    /// An adapter of a kind that this version does not know is passed over.
    private struct AnyAdapter: Decodable {
        var adapter: Adapter?

        private enum CodingKeys: String, CodingKey { case kind }

        init(from decoder: any Decoder) throws {
            let kind = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .kind)
            adapter = Adapter.Kind(rawValue: kind) == nil ? nil : try Adapter(from: decoder)
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let devices = try container.decode([DevicePlace].self, forKey: .devices)
        let adapters = try container.decodeIfPresent([AnyAdapter].self, forKey: .adapters) ?? []
        self.init(
            devices: Array(devices.prefix(Self.deviceLimit)),
            adapters: Array(adapters.compactMap(\.adapter).prefix(Self.adapterLimit)))
    }
}
