import ArgumentParser
import HCSAPI
import HCSModel

struct TopologyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology", abstract: "Show what lies between each two devices of a host.",
        discussion: """
            The matrix of `nvidia-smi topo -m`, for all vendors together. Without a scheduler the agent of this host \
            answers for its own.

            Examples:
              hcs topology
              hcs topology host-a
              hcs topology --local --output json | jq '.items[].topology.pairs[]'
            """)

    @Argument(help: "Name of a host; without it all.")
    var node: String?

    @OptionGroup var source: HostSource
    @OptionGroup var format: OutputOptions

    /// What goes out as JSON.
    struct Report: Codable, Sendable, Equatable {
        var items: [Node]

        struct Node: Codable, Sendable, Equatable {
            var node: String
            /// False where the host's agent does not tell where devices sit: an older one.
            var told: Bool
            var topology: TopologyMatrix
        }
    }

    func run() async throws {
        let wanted = node
        let report = try await source.ask(
            scheduler: { client in
                let nodes = try await client.nodes().items
                return Self.report(nodes, try await client.devices().items)
            }, agent: { Report(items: [Self.item($0.node, $0.topology, $0.host, $0.devices.map(\.device))]) })
        let items = report.items.filter { wanted == nil || $0.node == wanted }
        if let wanted, items.isEmpty {
            throw CommandFailure(.noSuchThing, "no node '\(wanted.prefix(80))' has reported")
        }
        try format.show(Report(items: items), table: Self.text)
    }

    static func report(_ nodes: [NodeView], _ devices: [DeviceView]) -> Report {
        Report(
            items: nodes.map { node in
                item(node.name, node.topology, node.host, devices.filter { $0.node == node.name }.map(\.device))
            })
    }

    private static func item(_ node: String, _ topology: Topology?, _ host: HostFacts?, _ devices: [Device])
        -> Report.Node
    {
        Report.Node(
            node: node, told: topology != nil,
            topology: TopologyMatrix(devices: devices, topology: topology, numaNodes: host?.numaNodes ?? []))
    }

    // MARK: For people

    static func text(_ report: Report, _ style: Style) -> String {
        guard !report.items.isEmpty else {
            return "No node has reported yet. Start hcs-agent on a host, with this scheduler's node.token."
        }
        let parts = report.items.map { text($0, style) }
        let hasMatrix = report.items.contains { $0.topology.members.contains { $0.device != nil } }
        return (parts + (hasMatrix ? [legend] : [])).joined(separator: "\n\n")
    }

    private static func text(_ item: Report.Node, _ style: Style) -> String {
        let title = style.bold(Format.printable(item.node))
        guard item.topology.members.contains(where: { $0.device != nil }) else {
            return "\(title): no devices. `hcs doctor` there says what is missing."
        }
        var parts = [title]
        if !item.told { parts[0] += ": its agent does not tell where they sit; it may be an older one" }
        parts.append(matrix(item.topology, style))
        parts.append(members(item.topology, style))
        let nodes = item.topology.numaNodes.map(numaNode)
        if !nodes.isEmpty { parts.append(nodes.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    /// Devices and network cards; disks are told below.
    private static func matrix(_ topology: TopologyMatrix, _ style: Style) -> String {
        let shown = topology.members.filter { $0.adapter?.kind != .disk }
        var labels: [String: String] = [:]
        for pair in topology.pairs {
            labels["\(pair.a) \(pair.b)"] = pair.label
            labels["\(pair.b) \(pair.a)"] = pair.label
        }
        var table = TextTable(
            [.init("")] + shown.map { .init($0.name) } + [.init("CPU AFFINITY"), .init("NUMA", .right), .init("KIND")])
        for row in shown {
            let kind = row.device == nil ? "" : row.simulated ? "simulated" : "real"
            let cells = shown.map { column in
                TextTable.Cell(row.name == column.name ? "X" : labels["\(row.name) \(column.name)"] ?? Format.none)
            }
            table.add(
                [.init(row.name, style.bold)] + cells + [
                    .init(row.device == nil ? "" : row.cpus?.description ?? Format.none),
                    .init(row.slot.numaNode.map(String.init) ?? Format.none), .init(kind),
                ])
        }
        return table.render(style)
    }

    private static func members(_ topology: TopologyMatrix, _ style: Style) -> String {
        var table = TextTable([.init("NAME"), .init("PCI"), .init("WHAT"), .init("NEAR")])
        for member in topology.members {
            table.add([
                .init(member.name), .init(member.slot.address?.description ?? Format.none), .init(what(member)),
                .init(member.adapter == nil ? "" : near(member, topology)),
            ])
        }
        return table.render(style)
    }

    private static func what(_ member: TopologyMatrix.Member) -> String {
        guard let adapter = member.adapter else {
            return [member.model, member.device?.uuid].compactMap { $0 }.joined(separator: ", ")
        }
        let rdma = adapter.rdma.map { device in
            device.linkLayer.map { "\(device.name) (\($0 == "Ethernet" ? "RoCE" : $0))" } ?? device.name
        }
        let names = rdma + adapter.names
        return names.isEmpty ? "no driver" : names.joined(separator: ", ")
    }

    /// The devices on an adapter's switch, else those on its host bridge.
    private static func near(_ adapter: TopologyMatrix.Member, _ topology: TopologyMatrix) -> String {
        let pairs = topology.pairs.filter { $0.b == adapter.name }
        let devices = Set(topology.members.filter { $0.device != nil }.map(\.name))
        func names(_ pick: (PCIProximity) -> Bool) -> String {
            pairs.filter { devices.contains($0.a) && pick($0.pci) }.map(\.a).joined(separator: " ")
        }
        let onSwitch = names(\.isSameSwitch)
        if !onSwitch.isEmpty { return "same switch: \(onSwitch)" }
        let onBridge = names { $0 == .phb }
        return onBridge.isEmpty ? Format.none : "same host bridge: \(onBridge)"
    }

    private static func numaNode(_ node: HostFacts.NUMANode) -> String {
        var text = "NUMA \(node.id): \(Format.bytes(node.memory)), \(node.cpuCount) CPUs"
        if let cpus = node.cpus { text += " (\(cpus))" }
        if let distances = node.distances {
            text +=
                ", distance "
                + distances.sorted { $0.key < $1.key }.map { "\($0.value) to \($0.key)" }.joined(separator: ", ")
        }
        return text
    }

    static let legend = """
        X     the device itself, or another part of the same card
        NV# HCCS# XGMI# ML#
              NVLink, HCCS, xGMI or MLU-Link: that many lanes that are up
        PIX   through one PCI Express bridge or switch
        PXB   through several switches, below one root port
        PHB   through a PCI Express host bridge
        NODE  through several host bridges of one NUMA node
        SYS   through the interconnect between NUMA nodes
        ?     nobody tells: a simulated device (*) has no place on this host's bus
        """
}
