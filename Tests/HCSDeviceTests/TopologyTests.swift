import Foundation
import Glibc
import HCSModel
import HCSSimulation
import HCSSystem
import HCSTestSupport
import Testing

@testable import HCSDevice

/// A PCI bus as sysfs shows one, in a directory of its own.
private struct BuiltBus {
    let tree: TemporaryDirectory
    var root: HostRoot { HostRoot(tree.path) }

    init() throws { tree = try TemporaryDirectory() }

    /// Makes a function below a directory of /sys/devices such as `pci0000:00/0000:00:01.0`, with its link on the bus.
    func add(_ address: String, below parent: String, _ files: [String: String] = [:]) throws {
        try tree.write("0x8086\n", to: "sys/devices/\(parent)/\(address)/vendor")
        for (name, text) in files { try tree.write(text, to: "sys/devices/\(parent)/\(address)/\(name)") }
        try link(address, to: "../../../devices/\(parent)/\(address)")
    }

    func link(_ address: String, to target: String) throws {
        try tree.write("", to: "sys/bus/pci/devices/.made")
        try #require(symlink(target, tree.file("sys/bus/pci/devices/\(address)")) == 0)
    }

    func read(_ devices: [Device]) -> Topology { TopologyReader(root: root).read(devices) }
}

private func device(
    _ address: String?, _ vendor: Vendor = .nvidia, index: UInt32 = 0, numa: Int? = nil, simulated: Bool = false,
    uuid: String? = nil, links: [DeviceLink] = []
) -> Device {
    Device(
        id: DeviceID(uuid ?? "\(vendor.rawValue)-\(address ?? "none")-\(index)"), vendor: vendor, model: "Card",
        index: index, memory: .gibibytes(64), pci: address.flatMap { PCIAddress($0) }, numaNode: numa,
        details: DeviceDetails(links: links), simulated: simulated)
}

private func links(
    _ count: Int, _ kind: DeviceLink.Kind, to peer: String?, up: Bool = true, bandwidth: Double? = nil
) -> [DeviceLink] {
    (0..<count).map {
        DeviceLink(
            kind: kind, lane: $0, up: up, peer: peer == nil ? .fabric : .device,
            peerAddress: peer.flatMap { PCIAddress($0) }, bandwidthGBps: bandwidth)
    }
}

private func nodes(_ count: Int) -> [HostFacts.NUMANode] {
    (0..<count).map { HostFacts.NUMANode(id: $0, memory: .gibibytes(1), cpuCount: 1) }
}

@Suite struct TopologyReaderTests {
    /// Root port 00:01.0 with a switch of four ports below it, another switch behind the last; root port 00:02.0; a second
    /// host bridge on the same node; a third on another.
    private func server() throws -> BuiltBus {
        let bus = try BuiltBus()
        let first = "pci0000:00/0000:00:01.0/0000:01:00.0"
        func numa(_ node: Int) -> [String: String] {
            ["numa_node": "\(node)\n", "local_cpulist": node == 0 ? "0-15,32-47\n" : "16-31\n"]
        }
        try bus.add("0000:03:00.0", below: "\(first)/0000:02:00.0", numa(0))
        try bus.add("0000:04:00.0", below: "\(first)/0000:02:01.0", numa(0))
        try bus.add("0000:06:00.0", below: "\(first)/0000:02:02.0/0000:05:00.0/0000:05:01.0", numa(0))
        try bus.add("0000:08:00.0", below: "pci0000:00/0000:00:02.0", numa(0))
        try bus.add("0000:40:00.0", below: "pci0000:3a/0000:3a:00.0", numa(0))
        try bus.add("0001:80:00.0", below: "pci0001:7f/0001:7f:00.0", numa(1))
        return bus
    }

    @Test(
        arguments: [
            ("0000:03:00.0", "0000:04:00.0", PCIProximity.pix, "0000:01:00.0"),
            ("0000:03:00.0", "0000:06:00.0", .pxb, "0000:01:00.0"),
            ("0000:03:00.0", "0000:08:00.0", .phb, "pci0000:00"),
            ("0000:03:00.0", "0000:40:00.0", .node, nil), ("0000:03:00.0", "0001:80:00.0", .sys, nil),
            ("0000:08:00.0", "0000:08:00.0", .same, "0000:00:02.0"),
        ] as [(String, String, PCIProximity, String?)])
    func `two functions are as near as the bridges that they share`(
        a: String, b: String, expected: PCIProximity, ancestor: String?
    ) throws {
        let places = try server().read([device(a), device(b, .ascend)]).devices
        for (x, y) in [(0, 1), (1, 0)] {
            #expect(places[x].slot.proximity(to: places[y].slot, numaNodes: 2) == expected)
            #expect(places[x].slot.commonAncestor(with: places[y].slot) == ancestor)
        }
    }

    @Test func `a device has the node and the CPUs of its slot, and its library's word on the node before sysfs's`()
        throws
    {
        let bus = try server()
        let places = bus.read([device("0001:80:00.0"), device("0001:80:00.0", numa: 5)]).devices
        #expect(places.map(\.slot.numaNode) == [1, 5])
        #expect(places[0].cpus?.description == "16-31" && places[0].cpus?.count == 16)
        #expect(places[0].slot.path?.description == "pci0001:7f/0001:7f:00.0")
    }

    @Test func `a bridge that hides a bus of its own, and a host bridge below a platform device, are followed`() throws
    {
        let bus = try BuiltBus()
        try bus.add("10000:01:00.0", below: "pci0000:3a/0000:3a:05.5/pci10000:00/10000:00:02.0")
        try bus.add("0000:01:00.0", below: "platform/40000000.pcie/pci0000:00/0000:00:00.0")
        let places = bus.read([device("10000:01:00.0"), device("0000:01:00.0")]).devices
        #expect(
            places.map { $0.slot.path?.description } == [
                "pci0000:3a/0000:3a:05.5/10000:00:02.0", "pci0000:00/0000:00:00.0",
            ])
    }

    @Test func `a simulated device is not looked up, even where its address is a real function's`() throws {
        let bus = try server()
        let place = try #require(
            bus.read([device("0000:03:00.0", numa: 3, simulated: true)]).devices.first)
        #expect(place.slot.path == nil && place.cpus == nil && place.slot.numaNode == 3)
        #expect(bus.read([device("ffff:10:00.0", simulated: true)]).devices.first?.slot.numaNode == nil)
    }

    @Test(arguments: [
        "0000:09:00.0", "../../../devices/pci0000:00/0000:09:00.0/0000:09:00.0", "/", "",
        "../../../devices/0000:09:00.0",
        "../../../devices/pci0000:00/../../../etc/0000:09:00.0", "../../../devices/pci0000:00/zzzz/0000:09:00.0",
        "../../../devices/pci0000:00/0000:00:01.0/0000:08:00.0",
        "../../../devices/pci0000:00/0000:00:01.0/0000:00:01.0/0000:09:00.0",
        "../../../devices/pci:/0000:09:00.0", "../../../devices/pci0000:000/0000:09:00.0",
        "../../../devices/pci0000:00//0000:00:01.0/../0000:09:00.0",
        "../../../devices/pci0000:00/0000:0\u{1B}[31m/0000:09:00.0",
        "../../../devices/pci0000:00/"
            + (0..<40).map { "0000:\(String($0 + 16, radix: 16)):00.0/" }.joined() + "0000:09:00.0",
    ])
    func `a link that no kernel writes, a loop included, is no way`(target: String) throws {
        let bus = try BuiltBus()
        guard !target.isEmpty else {
            try bus.tree.write("a file, no link", to: "sys/bus/pci/devices/0000:09:00.0")
            #expect(bus.read([device("0000:09:00.0")]).devices.first?.slot.path == nil)
            return
        }
        try bus.link("0000:09:00.0", to: target)
        let place = try #require(bus.read([device("0000:09:00.0")]).devices.first)
        #expect(place.slot.path == nil && place.cpus == nil && place.slot.numaNode == nil)
    }

    @Test(arguments: [
        "", "\n", "0-", "-1", "3-2", "0,0", "5,3", "0-15,", "0x3", "１", "0-99999", "99999999999999999999", "0 1",
        (0..<300).map { "\($0 * 2)" }.joined(separator: ","), String(repeating: "9", count: 40_000),
    ])
    func `a list of CPUs that is none is absent`(text: String) throws {
        let bus = try BuiltBus()
        try bus.add("0000:03:00.0", below: "pci0000:00", ["local_cpulist": text, "numa_node": "junk"])
        let place = try #require(bus.read([device("0000:03:00.0")]).devices.first)
        #expect(place.cpus == nil && place.slot.numaNode == nil)
        #expect(place.slot.path?.description == "pci0000:00")
    }

    @Test func `directories where files belong and pipes that nobody fills delay nothing`() throws {
        let bus = try BuiltBus()
        try bus.add("0000:03:00.0", below: "pci0000:00", ["numa_node/x": "", "local_cpulist/x": ""])
        try #require(mkfifo(bus.tree.file("sys/devices/pci0000:00/0000:03:00.0/class"), 0o600) == 0)
        let topology = bus.read([device("0000:03:00.0")])
        #expect(topology.devices.first?.slot.path != nil && topology.adapters.isEmpty)
    }

    // MARK: Adapters

    @Test func `network cards have their interfaces and RDMA devices, disks their controllers`() throws {
        let bus = try server()
        let port = "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:03.0"
        try bus.add(
            "0000:07:00.0", below: port,
            [
                "class": "0x020000\n", "numa_node": "0\n", "net/ens1f0/address": "", "net/ens1f0d1/address": "",
                "infiniband/mlx5_0/ports/1/link_layer": "Ethernet\n",
            ])
        try bus.add(
            "0000:07:00.1", below: port, ["class": "0x020700\n", "infiniband/mlx5_1/ports/1/link_layer": "??\n"])
        try bus.add("0000:07:00.2", below: port, ["class": "0x020000\n", "physfn": "", "net/v0/address": ""])
        unlink(bus.tree.file("sys/devices/\(port)/0000:07:00.2/physfn"))
        symlink("../0000:07:00.0", bus.tree.file("sys/devices/\(port)/0000:07:00.2/physfn"))
        try bus.add("0000:09:00.0", below: "pci0000:00", ["class": "0x010802\n", "nvme/nvme0/model": "x"])
        try bus.add("0000:0a:00.0", below: "pci0000:00", ["class": "0x020000\n", "virtio3/net/eth0/address": ""])
        try bus.add("0000:0b:00.0", below: "pci0000:00", ["class": "0x010601\n"])
        try bus.add("0000:0c:00.0", below: "pci0000:00", ["class": "0x02\n"])
        let adapters = bus.read([device("0000:03:00.0")]).adapters
        #expect(
            adapters.map { $0.slot.address?.description } == [
                "0000:07:00.0", "0000:07:00.1", "0000:09:00.0", "0000:0a:00.0",
            ])
        #expect(adapters.map(\.kind) == [.network, .network, .disk, .network])
        #expect(adapters.map(\.names) == [["ens1f0", "ens1f0d1"], [], ["nvme0"], ["eth0"]])
        #expect(
            adapters.flatMap(\.rdma) == [
                .init(name: "mlx5_0", linkLayer: "Ethernet"), .init(name: "mlx5_1", linkLayer: nil),
            ])
    }

    @Test func `of a thousand cards with a thousand names as many are told as a report may hold`() throws {
        let bus = try BuiltBus()
        for number in 0..<200 {
            let bus8 = String(number + 16, radix: 16)
            try bus.add("0000:\(bus8.count < 2 ? "0" + bus8 : bus8):00.0", below: "pci0000:00", ["class": "0x020000\n"])
        }
        for number in 0..<1000 {
            try bus.tree.write("", to: "sys/devices/pci0000:00/0000:10:00.0/net/if\(number)/address")
        }
        let topology = bus.read((0..<400).map { device("0000:10:00.0", index: $0) })
        #expect(topology.adapters.count == Topology.adapterLimit && topology.devices.count == Topology.deviceLimit)
        #expect(topology.adapters[0].names.count == Adapter.nameLimit)
        let wire = try JSONEncoder().encode(topology)
        #expect(wire.count < 128 << 10)
        #expect(try JSONDecoder().decode(Topology.self, from: wire) == topology)
    }

    @Test func `names that no kernel gives are left out`() throws {
        let bus = try BuiltBus()
        let long = String(repeating: "x", count: 200)
        try bus.add(
            "0000:10:00.0", below: "pci0000:00",
            ["class": "0x020000\n", "net/\(long)/a": "", "net/a\u{1B}[2J/a": "", "net/eth0/a": ""])
        #expect(bus.read([]).adapters.map(\.names) == [["eth0"]])
    }

    @Test func `a host without a PCI bus has devices without a place`() throws {
        let topology = try BuiltBus().read([device("0000:03:00.0"), device(nil)])
        #expect(topology.devices.count == 2 && topology.adapters.isEmpty)
        #expect(topology.devices.allSatisfy { $0.slot.path == nil && $0.cpus == nil })
    }

    @Test func `this host's own bus is read`() {
        let functions = PCIBus().functions()
        let places = TopologyReader().read(functions.prefix(8).map { device($0.address.description) }).devices
        #expect(places.count == min(8, functions.count))
        for place in places {
            #expect(place.slot.path != nil, "\(place)")
            #expect(place.slot.proximity(to: place.slot, numaNodes: 1) == .same)
        }
    }
}

@Suite struct DeviceConnectionTests {
    @Test func `lanes between two devices are counted and their bandwidth added`() {
        let a = device("0000:03:00.0", links: links(4, .nvlink, to: "0000:04:00.0", bandwidth: 25))
        let b = device("0000:04:00.0", index: 1, links: links(4, .nvlink, to: "0000:03:00.0", bandwidth: 25))
        let found = DeviceConnection.between(a, b)
        #expect(found == DeviceConnection(kind: .nvlink, lanes: 4, through: .device, bandwidthGBps: 100))
        #expect(found == DeviceConnection.between(b, a) && found?.label == "NV4")
    }

    @Test(arguments: [(DeviceLink.Kind.nvlink, "NV2"), (.hccs, "HCCS2"), (.xgmi, "XGMI2"), (.mlulink, "ML2")])
    func `each maker's link has its own name`(kind: DeviceLink.Kind, label: String) {
        let a = device("0000:03:00.0", links: links(2, kind, to: "0000:04:00.0"))
        let found = DeviceConnection.between(a, device("0000:04:00.0"))
        #expect(found?.label == label && found?.bandwidthGBps == nil)
    }

    @Test func `the end that has fewer lanes up is believed`() {
        let a = device("0000:03:00.0", links: links(4, .nvlink, to: "0000:04:00.0", bandwidth: 50))
        let b = device(
            "0000:04:00.0", index: 1,
            links: links(3, .nvlink, to: "0000:03:00.0", bandwidth: 50)
                + [
                    DeviceLink(
                        kind: .nvlink, lane: 3, up: false, peer: .device, peerAddress: PCIAddress("0000:03:00.0"))
                ])
        #expect(DeviceConnection.between(a, b)?.label == "NV3")
        #expect(DeviceConnection.between(b, a)?.bandwidthGBps == 150)
        let down = device("0000:04:00.0", index: 1, links: links(4, .nvlink, to: "0000:03:00.0", up: false))
        #expect(DeviceConnection.between(a, down) == nil)
    }

    @Test func `two devices on switches of one kind are connected through them`() {
        let a = device("0000:03:00.0", links: links(18, .nvlink, to: nil, bandwidth: 25))
        let b = device("0000:04:00.0", index: 1, links: links(16, .nvlink, to: nil, bandwidth: 25))
        #expect(
            DeviceConnection.between(a, b)
                == DeviceConnection(kind: .nvlink, lanes: 16, through: .fabric, bandwidthGBps: 400))
        #expect(DeviceConnection.between(a, device("0000:04:00.0", index: 1)) == nil)
    }

    @Test func `lanes to the other device count before those to switches`() {
        let a = device(
            "0000:03:00.0", .ascend, links: links(1, .hccs, to: "0000:04:00.0") + links(6, .hccs, to: nil))
        let b = device("0000:04:00.0", .ascend, index: 1, links: links(7, .hccs, to: nil))
        #expect(DeviceConnection.between(a, b)?.label == "HCCS1")
    }

    @Test func `links that cannot be are not believed`() {
        let a = device("0000:03:00.0", links: links(4, .nvlink, to: "0000:04:00.0"))
        let other = device("0000:04:00.0", .ascend, links: links(4, .nvlink, to: "0000:03:00.0"))
        #expect(DeviceConnection.between(a, other) == nil, "another maker's device")
        #expect(DeviceConnection.between(a, device("0000:04:00.0", simulated: true)) == nil, "a simulated one")
        #expect(DeviceConnection.between(a, a) == nil, "itself")
        let own = links(4, .nvlink, to: "0000:03:00.0")
        #expect(
            DeviceConnection.between(device("0000:03:00.0", links: own), device("0000:03:00.0", index: 1, links: own))
                == nil, "another part of the same card")
        var host = links(4, .nvlink, to: "0000:04:00.0")
        for lane in host.indices { host[lane].peer = .host }
        #expect(DeviceConnection.between(device("0000:03:00.0", links: host), device("0000:04:00.0")) == nil)
        #expect(DeviceConnection.between(device(nil), device(nil, index: 1)) == nil)
    }

    @Test func `the lanes of a simulated host join its devices`() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/scenarios/topology.json").path
        let scenario = try Scenario.load(path: file)
        let devices = scenario.devices.enumerated().map { position, card in
            device(
                scenario.pci(at: position).description, card.vendor, index: UInt32(position),
                numa: card.numa.map(Int.init), simulated: true,
                links: card.links.enumerated().map { lane, link in
                    DeviceLink(
                        kind: card.vendor.linkKind, lane: lane, up: true, peer: link.peer == nil ? .fabric : .device,
                        peerAddress: link.peer.map { scenario.pci(at: Int($0)) })
                })
        }
        let matrix = TopologyMatrix(
            devices: devices, topology: TopologyReader(root: HostRoot("/nonexistent")).read(devices),
            numaNodes: nodes(1))
        let connected = matrix.pairs.filter { $0.connection != nil }.map { "\($0.a) \($0.b) \($0.label)" }
        #expect(
            connected == [
                "GPU0* GPU1* NV4", "GPU0* GPU2* NV2", "GPU1* GPU3* NV2", "GPU2* GPU3* NV4", "NPU4* NPU5* HCCS7",
                "DCU6* DCU7* XGMI1", "MLU8* MLU9* ML2",
            ])
        #expect(matrix.pairs.allSatisfy { $0.pci == .unknown && $0.commonAncestor == nil })
        #expect(matrix.members.map(\.slot.numaNode) == [0, 0, 1, 1, 0, 1, 0, 0, 1, 1])
    }
}

extension Vendor {
    fileprivate var linkKind: DeviceLink.Kind {
        switch self {
        case .nvidia: .nvlink
        case .ascend: .hccs
        case .hygon: .xgmi
        case .cambricon: .mlulink
        }
    }
}

@Suite struct TopologyMatrixTests {
    private func place(_ device: Device, _ path: String?, numa: Int? = nil) -> DevicePlace {
        DevicePlace(
            device: device.id, slot: PCISlot(address: device.pci, numaNode: numa, path: path.flatMap { PCIPath($0) }))
    }

    @Test func `all makers' devices, real and simulated, parts of a card and adapters have names of their own`() {
        let devices = [
            device("0000:03:00.0"), device("0000:03:00.0", uuid: "MIG-1"), device("0000:04:00.0", .ascend, index: 1),
            device("0000:05:00.0", .hygon), device("0000:06:00.0", .cambricon, index: 3),
            device("ffff:10:00.0", simulated: true),
        ]
        let adapters = [
            Adapter(kind: .disk, names: ["nvme0"], slot: PCISlot(address: PCIAddress("0000:09:00.0"))),
            Adapter(kind: .network, names: ["eth0"], slot: PCISlot(address: PCIAddress("0000:0a:00.0"))),
        ]
        let matrix = TopologyMatrix(
            devices: devices, topology: Topology(devices: [], adapters: adapters), numaNodes: nodes(2))
        #expect(
            matrix.members.map(\.name) == ["GPU0", "GPU0.2", "NPU1", "DCU0", "MLU3", "GPU0*", "NIC0", "NVME0"])
        #expect(matrix.pairs.count == 8 * 7 / 2 - 1, "each two once; a card to a disk is nobody's way")
        #expect(matrix.pairs.first { $0.a == "GPU0" && $0.b == "GPU0.2" }?.label == "X")
        #expect(matrix.pairs.first { $0.a == "GPU0" && $0.b == "NPU1" }?.label == "?")
    }

    @Test func `host bridges of unknown nodes are as far as nobody knows, and of one node on a host that has one`() {
        let a = PCISlot(address: PCIAddress("0000:03:00.0"), path: PCIPath("pci0000:00"))
        let b = PCISlot(address: PCIAddress("0000:43:00.0"), numaNode: 0, path: PCIPath("pci0000:40"))
        #expect(a.proximity(to: b, numaNodes: 2) == .unknown)
        #expect(a.proximity(to: b, numaNodes: 0) == .unknown)
        #expect(a.proximity(to: b, numaNodes: 1) == .node)
        #expect(a.proximity(to: PCISlot(), numaNodes: 1) == .unknown)
        #expect(PCISlot().proximity(to: PCISlot(), numaNodes: 1) == .unknown)
    }

    @Test func `a connection stands before the way over the bus`() {
        let a = device("0000:03:00.0", links: links(2, .nvlink, to: "0000:04:00.0"))
        let b = device("0000:04:00.0", index: 1)
        let topology = Topology(devices: [
            place(a, "pci0000:00/0000:00:01.0", numa: 0), place(b, "pci0000:80/0000:80:01.0", numa: 1),
        ])
        let matrix = TopologyMatrix(devices: [a, b], topology: topology, numaNodes: nodes(2))
        #expect(matrix.pairs.map(\.label) == ["NV2"])
        #expect(matrix.pairs.map(\.pci) == [.sys])
    }

    @Test func `without a topology a device keeps the address and the node that it told`() {
        let matrix = TopologyMatrix(
            devices: [device("0000:03:00.0", numa: 1), device(nil, index: 1)], topology: nil, numaNodes: [])
        #expect(matrix.members.map(\.slot.numaNode) == [1, nil])
        #expect(matrix.members[0].slot.address == PCIAddress("0000:03:00.0"))
        #expect(matrix.pairs.map(\.label) == ["?"])
    }

    @Test func `the nearest comes first`() {
        #expect(PCIProximity.allCases.sorted() == [.same, .pix, .pxb, .phb, .node, .sys, .unknown])
        #expect(PCIProximity.allCases.map(\.label) == ["X", "PIX", "PXB", "PHB", "NODE", "SYS", "?"])
    }

    @Test func `a kind of adapter that this version does not know is passed over`() throws {
        let json = #"""
            {"devices": [{"device": "GPU-a", "slot": {"address": "0000:03:00.0", "path": "pci0000:00/0000:00:01.0"}}],
             "adapters": [{"kind": "quantum", "flux": 1}, {"kind": "disk", "names": ["nvme0"], "rdma": [], "slot": {}}]}
            """#
        let topology = try JSONDecoder().decode(Topology.self, from: Data(json.utf8))
        #expect(topology.adapters.map(\.names) == [["nvme0"]])
        #expect(topology.devices.first?.slot.path?.bridges == [PCIAddress(domain: 0, bus: 0, device: 1, function: 0)])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(PCIPath.self, from: Data(#""pci0000:00/\u001b[2J""#.utf8))
        }
    }

    @Test func `random ways have a nearness that does not depend on the order`() {
        var generator = SplitMix64(state: 4)
        func slot() -> PCISlot {
            let depth = Int.random(in: 0...4, using: &generator)
            let bridges = (0..<depth).map { "0000:\($0)\(Int.random(in: 0...2, using: &generator)):00.0" }
            return PCISlot(
                address: PCIAddress("0000:f0:\(Int.random(in: 10...19, using: &generator)).0"),
                numaNode: [nil, 0, 1].randomElement(using: &generator) ?? nil,
                path: PCIPath(
                    (["pci0000:0\(Int.random(in: 0...1, using: &generator))"] + bridges).joined(separator: "/")))
        }
        for _ in 0..<2000 {
            let a = slot()
            let b = slot()
            let near = a.proximity(to: b, numaNodes: 2)
            #expect(near == b.proximity(to: a, numaNodes: 2))
            #expect(a.commonAncestor(with: b) == b.commonAncestor(with: a))
            #expect([.pix, .pxb, .phb, .same].contains(near) || a.commonAncestor(with: b) == nil)
        }
    }
}
