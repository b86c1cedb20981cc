/// How near two functions are on the PCI bus, nearest first; the words of NVML and `nvidia-smi topo`.
package enum PCIProximity: String, Codable, CaseIterable, Hashable, Sendable, Comparable {
    /// The same function: a device itself, or another part of the same card.
    case same
    /// Below one bridge, such as one switch.
    case pix
    /// Below one root port, through several switches.
    case pxb
    /// Through one host bridge.
    case phb
    /// Through several host bridges of one NUMA node.
    case node
    /// Through the interconnect between NUMA nodes.
    case sys
    case unknown

    package static func < (a: PCIProximity, b: PCIProximity) -> Bool { a.rank < b.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// As it stands in a matrix.
    package var label: String {
        switch self {
        case .same: "X"
        case .unknown: "?"
        default: rawValue.uppercased()
        }
    }

    /// Two functions below one switch, or below one root port.
    package var isSameSwitch: Bool { self == .pix || self == .pxb }
}

extension PCISlot {
    /// - Parameter numaNodes: how many the host has: on a host with one, all host bridges belong to it.
    package func proximity(to other: PCISlot, numaNodes: Int) -> PCIProximity {
        if let address, address == other.address { return .same }
        guard let path, let theirs = other.path else { return .unknown }
        let shared = commonBridges(path, theirs)
        if shared > 0 {
            // Below the last common bridge each way has the ports of its own; a single switch has one for each.
            return max(path.bridges.count, theirs.bridges.count) - shared <= 1 ? .pix : .pxb
        }
        if path.root == theirs.root { return .phb }
        if numaNodes == 1 { return .node }
        guard let numaNode, let their = other.numaNode else { return .unknown }
        return numaNode == their ? .node : .sys
    }

    /// The last bridge or the host bridge that both ways pass; nil where they meet in no bridge, or nobody knows.
    package func commonAncestor(with other: PCISlot) -> String? {
        guard let path, let theirs = other.path, path.root == theirs.root else { return nil }
        let shared = commonBridges(path, theirs)
        return shared > 0 ? path.bridges[shared - 1].description : path.root
    }

    private func commonBridges(_ a: PCIPath, _ b: PCIPath) -> Int {
        guard a.root == b.root else { return 0 }
        return zip(a.bridges, b.bridges).prefix { $0 == $1 }.count
    }
}

/// What joins two devices besides the PCI bus.
package struct DeviceConnection: Hashable, Sendable, Codable {
    package var kind: DeviceLink.Kind
    /// Lanes that are up.
    package var lanes: Int
    /// `device`: from one to the other; `fabric`: both to switches.
    package var through: DeviceLink.Peer
    /// GB/s in one direction, of all lanes together; nil where one does not tell.
    package var bandwidthGBps: Double?

    package init(kind: DeviceLink.Kind, lanes: Int, through: DeviceLink.Peer, bandwidthGBps: Double? = nil) {
        self.kind = kind
        self.lanes = lanes
        self.through = through
        self.bandwidthGBps = bandwidthGBps
    }

    /// `NV4`, `HCCS2`.
    package var label: String { "\(kind.label)\(lanes)" }

    /// The strongest connection of two devices; nil where no lane is up. Lanes that join them directly count before those
    /// to switches; where both ends tell of their lanes, the end that has fewer is believed.
    package static func between(_ a: Device, _ b: Device) -> DeviceConnection? {
        guard a.vendor == b.vendor, a.simulated == b.simulated, a.id != b.id else { return nil }
        let found = DeviceLink.Kind.allCases.compactMap { direct(a, b, $0) ?? fabric(a, b, $0) }
        return found.max { $0.lanes < $1.lanes }
    }

    private static func direct(_ a: Device, _ b: Device, _ kind: DeviceLink.Kind) -> DeviceConnection? {
        guard let addressA = a.pci, let addressB = b.pci, addressA != addressB else { return nil }
        func lanes(_ device: Device, to address: PCIAddress) -> [DeviceLink] {
            device.details.links.filter { $0.kind == kind && $0.peer == .device && $0.peerAddress == address }
        }
        let told = [lanes(a, to: addressB), lanes(b, to: addressA)].filter { !$0.isEmpty }
        return weaker(told.map { $0.filter(\.up) }, kind, .device)
    }

    private static func fabric(_ a: Device, _ b: Device, _ kind: DeviceLink.Kind) -> DeviceConnection? {
        weaker(
            [a, b].map { $0.details.links.filter { $0.kind == kind && $0.peer == .fabric && $0.up } }, kind, .fabric)
    }

    private static func weaker(_ ends: [[DeviceLink]], _ kind: DeviceLink.Kind, _ through: DeviceLink.Peer)
        -> DeviceConnection?
    {
        guard let lanes = ends.min(by: { $0.count < $1.count }), !lanes.isEmpty else { return nil }
        let widths = lanes.compactMap(\.bandwidthGBps)
        return DeviceConnection(
            kind: kind, lanes: lanes.count, through: through,
            bandwidthGBps: widths.count == lanes.count ? widths.reduce(0, +) : nil)
    }
}

extension DeviceLink.Kind {
    package var label: String {
        switch self {
        case .nvlink: "NV"
        case .hccs: "HCCS"
        case .xgmi: "XGMI"
        case .mlulink: "ML"
        }
    }
}

/// What lies between each two devices and adapters of one host.
package struct TopologyMatrix: Hashable, Sendable, Codable {
    /// A device or an adapter, with the name it has in the matrix.
    package struct Member: Hashable, Sendable, Codable {
        /// `GPU0`, `NPU3`, `NIC1`, `NVME0`; unique. A simulated device's ends with `*`.
        package var name: String
        /// Of a device.
        package var device: DeviceID?
        package var vendor: Vendor?
        package var model: String?
        package var simulated: Bool
        /// Of an adapter.
        package var adapter: Adapter?
        package var slot: PCISlot
        package var cpus: CPUSet?
    }

    package struct Pair: Hashable, Sendable, Codable {
        package var a: String
        package var b: String
        package var pci: PCIProximity
        /// The last bridge, or host bridge, that both are below.
        package var commonAncestor: String?
        package var connection: DeviceConnection?

        /// The connection where there is one, else the way over the PCI bus.
        package var label: String { connection?.label ?? pci.label }
    }

    /// Devices in the order given, then network cards, then disks.
    package let members: [Member]
    /// Each two once, in the order of members.
    package let pairs: [Pair]
    package let numaNodes: [HostFacts.NUMANode]

    /// - Parameter topology: nil where the agent does not tell: then only what the devices say is known.
    package init(devices: [Device], topology: Topology?, numaNodes: [HostFacts.NUMANode]) {
        let devices = devices.prefix(Topology.deviceLimit)
        let places = Dictionary((topology?.devices ?? []).map { ($0.device, $0) }, uniquingKeysWith: { a, _ in a })
        let adapters = topology?.adapters ?? []
        var names = Names()
        var members = devices.map { device in
            let place = places[device.id]
            return Member(
                name: names.unique(device.vendor.memberName, Int(device.index), simulated: device.simulated),
                device: device.id, vendor: device.vendor, model: device.modelName, simulated: device.simulated,
                slot: place?.slot ?? PCISlot(address: device.pci, numaNode: device.numaNode), cpus: place?.cpus)
        }
        for (kind, prefix) in [(Adapter.Kind.network, "NIC"), (.disk, "NVME")] {
            members += adapters.filter { $0.kind == kind }.enumerated().map { number, adapter in
                Member(
                    name: names.unique(prefix, number, simulated: false), simulated: false, adapter: adapter,
                    slot: adapter.slot)
            }
        }
        var pairs: [Pair] = []
        for (i, a) in members.enumerated() {
            for (j, b) in members.enumerated().dropFirst(i + 1) where a.device != nil || b.adapter?.kind != .disk {
                let joined = i < devices.count && j < devices.count
                pairs.append(
                    Pair(
                        a: a.name, b: b.name, pci: a.slot.proximity(to: b.slot, numaNodes: numaNodes.count),
                        commonAncestor: a.slot.commonAncestor(with: b.slot),
                        connection: joined ? DeviceConnection.between(devices[i], devices[j]) : nil))
            }
        }
        self.members = members
        self.pairs = pairs
        self.numaNodes = numaNodes
    }

    private struct Names {
        private var taken: Set<String> = []

        mutating func unique(_ prefix: String, _ number: Int, simulated: Bool) -> String {
            let mark = simulated ? "*" : ""
            var name = "\(prefix)\(number)\(mark)"
            var part = 1
            // Parts of one card have their card's index.
            while !taken.insert(name).inserted {
                part += 1
                name = "\(prefix)\(number).\(part)\(mark)"
            }
            return name
        }
    }
}

extension Vendor {
    fileprivate var memberName: String {
        switch self {
        case .nvidia: "GPU"
        case .ascend: "NPU"
        case .hygon: "DCU"
        case .cambricon: "MLU"
        }
    }
}
