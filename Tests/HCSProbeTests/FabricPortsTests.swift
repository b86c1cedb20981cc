import HCSModel
import HCSTestSupport
import Testing

@testable import HCSProbe

@Suite struct FabricPortsTests {
    private let tree: HostTree

    init() throws { tree = try HostTree() }

    private func port(
        _ state: String, _ physical: String = "5: LinkUp", at name: String = "mlx5_0/1", lost: String? = nil
    ) throws {
        let parts = name.split(separator: "/")
        let path = "/sys/class/infiniband/\(parts[0])/ports/\(parts[1])"
        try tree.write("\(state)\n", "\(path)/state")
        try tree.write("\(physical)\n", "\(path)/phys_state")
        if let lost { try tree.write("\(lost)\n", "\(path)/counters/link_downed") }
    }

    @Test func `a port that was active and is down is told, again after a while, and when it is back`() throws {
        try port("4: ACTIVE")
        var source = FabricPorts(options: tree.options())
        #expect(source.look() == FileLook(coverage: .reads("the states of 1 InfiniBand or RoCE port")))
        try port("1: DOWN", "2: Polling")
        let told = source.look().hostEvents
        #expect(told.map(\.kind) == [.fabricPort] && told[0].severity == .error && told[0].codes == ["mlx5_0/1"])
        #expect(told[0].message == "port mlx5_0/1 was active and is DOWN, physically Polling")
        #expect((0..<60).flatMap { _ in source.look().hostEvents }.map(\.severity) == [.error], "told again")
        try port("2: INIT")
        #expect(source.look().hostEvents.isEmpty, "trained, but nothing passes yet")
        try port("4: ACTIVE")
        #expect(source.look().hostEvents.map(\.severity) == [.info])
        #expect(source.look().hostEvents.isEmpty)
        try port("5: ACTIVE_DEFER")
        #expect(source.look().hostEvents.isEmpty)
    }

    @Test func `a port that never was active, or cannot be read, is nobody's fault`() throws {
        try port("1: DOWN", "3: Disabled", lost: "1")
        var source = FabricPorts(options: tree.options())
        for state in ["1: DOWN", "2: INIT", "", "x", "4", ": ACTIVE", "99999999999999999999: ACTIVE", "1: DOWN"] {
            try port(state, lost: "7")
            #expect(source.look().hostEvents.isEmpty, "\(state)")
        }
        try port("4: ACTIVE", lost: "9")
        #expect(source.look().hostEvents.isEmpty)
        for state in ["", "x", "-"] {
            try port(state)
            #expect(source.look().hostEvents.isEmpty, "while a device is reset its state cannot be read")
        }
        var none = FabricPorts(options: try HostTree().options())
        #expect(none.look() == FileLook(coverage: .nothing("no InfiniBand or RoCE port")))
    }

    @Test func `a RoCE port whose network device was set down, or is elsewhere, was not lost`() throws {
        let device = "/sys/class/infiniband/mlx5_0"
        try tree.write("Ethernet\n", "\(device)/ports/1/link_layer")
        try tree.write("0x1003\n", "\(device)/device/net/eth0/flags")
        try port("4: ACTIVE")
        var source = FabricPorts(options: tree.options())
        #expect(source.look().hostEvents.isEmpty)
        try port("1: DOWN", "3: Disabled")
        #expect(source.look().hostEvents.map(\.severity) == [.error], "up, and no carrier")
        try tree.write("0x1002\n", "\(device)/device/net/eth0/flags")
        #expect(source.look().hostEvents.map(\.severity) == [.info])
        #expect(source.look().hostEvents.isEmpty)
        try port("4: ACTIVE")
        #expect(source.look().hostEvents.isEmpty)
        try port("1: DOWN", "3: Disabled")
        #expect(source.look().hostEvents.isEmpty, "set down before it was ever told")
    }

    @Test func `a flap between two looks is seen by its counter, and one that was told is not told twice`() throws {
        try port("4: ACTIVE", lost: "5")
        var source = FabricPorts(options: tree.options())
        #expect(source.look().hostEvents.isEmpty, "the first look only learns")
        try port("4: ACTIVE", lost: "8")
        let flap = source.look().hostEvents
        #expect(flap.map(\.severity) == [.info] && flap[0].count == 3 && flap[0].message.contains("came back"))
        try port("1: DOWN", lost: "9")
        #expect(source.look().hostEvents.map(\.severity) == [.error])
        try port("4: ACTIVE", lost: "10")
        #expect(source.look().hostEvents.map(\.message) == ["port mlx5_0/1 is active again"])
        try port("4: ACTIVE", lost: "0")
        #expect(source.look().hostEvents.isEmpty, "a counter that went back was reset")
    }

    @Test func `each port is told of by itself, and one that is gone is forgotten`() throws {
        for name in ["mlx5_0/1", "mlx5_0/2", "hfi1_0/1"] { try port("4: ACTIVE", at: name) }
        var source = FabricPorts(options: tree.options())
        #expect(source.look().isReading)
        try port("1: DOWN", at: "mlx5_0/2")
        try port("1: DOWN", at: "hfi1_0/1")
        #expect(source.look().hostEvents.map(\.codes) == [["hfi1_0/1"], ["mlx5_0/2"]])
        for file in ["state", "phys_state"] { tree.remove("/sys/class/infiniband/hfi1_0/ports/1/\(file)") }
        tree.removeDirectory("/sys/class/infiniband/hfi1_0/ports/1")
        let gone = source.look().hostEvents
        #expect(gone.map(\.severity) == [.info] && gone[0].message.contains("not there any more"))
        #expect(source.look().hostEvents.isEmpty, "and told once")
        try port("1: DOWN", at: "hfi1_0/1")
        #expect(source.look().hostEvents.isEmpty, "when it comes back it is another")
    }

    @Test func `however many ports there are, and whatever they are called, what is told is bounded and printable`()
        throws
    {
        let odd = "ib\u{1b}" + String(repeating: "y", count: 100)
        for number in 0..<1100 { try port("4: ACTIVE", at: "a/\(number)") }
        try port("4: ACTIVE", at: "\(odd)/1")
        var source = FabricPorts(options: tree.options())
        #expect(source.look().coverage == .reads("the states of 1024 InfiniBand or RoCE ports"))
        let few = try HostTree()
        try few.write("4: ACTIVE", "/sys/class/infiniband/\(odd)/ports/1/state")
        source = FabricPorts(options: few.options())
        _ = source.look()
        try few.write(
            "1: \u{1b}[31m" + String(repeating: "é", count: 200), "/sys/class/infiniband/\(odd)/ports/1/state")
        let event = try #require(source.look().hostEvents.first)
        #expect(event.codes[0].utf8.count <= 64 && event.message.utf8.count <= HostEvent.messageLimit)
        #expect((event.message + event.codes[0]).utf8.allSatisfy { (0x20...0x7e).contains($0) })
    }
}
