import Glibc
import HCSModel
import HCSTestSupport
import Testing

@testable import HCSSystem

@Suite struct HostTests {
    let tree: TemporaryDirectory
    let root: HostRoot

    init() throws {
        tree = try TemporaryDirectory()
        root = HostRoot(tree.path + "/")
    }

    @Test func `a process's name may hold anything, the fields after it are found`() {
        let line = "42 (a) R (b) S) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n"
        let stat = ProcessStat(parsing: Array(line.utf8))
        #expect(stat == ProcessStat(pid: 42, name: "a) R (b) S", state: "S", parent: 1, startTime: 987_654))
        #expect(stat?.isRunning == true)
    }

    @Test(arguments: [
        "", "42", "42 (x", "42 (x)", "42 (x) S 1", "x (y) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21",
        ") (",
    ])
    func `a stat line that is none is nil`(line: String) {
        #expect(ProcessStat(parsing: Array(line.utf8)) == nil)
    }

    @Test func `a process lives by pid and start time, a zombie does not`() throws {
        func write(_ pid: Int, state: String) throws {
            try tree.write(
                "\(pid) (x) \(state) 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 555 0 0\n", to: "proc/\(pid)/stat")
        }
        try write(7, state: "S")
        try write(8, state: "Z")
        let procfs = Procfs(root: root)
        #expect(procfs.isAlive(pid: 7, startTime: 555))
        #expect(procfs.isAlive(pid: 7, startTime: 0))
        #expect(!procfs.isAlive(pid: 7, startTime: 556))
        #expect(!procfs.isAlive(pid: 8, startTime: 555))
        #expect(!procfs.isAlive(pid: 9, startTime: 0))
        #expect(!procfs.isAlive(pid: -1, startTime: 0))
        #expect(try procfs.pids() == [7, 8])
    }

    @Test func `this process is alive and has its command line and user`() throws {
        let procfs = Procfs()
        let stat = try procfs.stat(of: getpid())
        #expect(procfs.isAlive(pid: getpid(), startTime: stat.startTime))
        #expect(try procfs.uid(of: getpid()) == getuid())
        #expect(try procfs.commandLine(of: getpid()).first?.isEmpty == false)
        #expect(procfs.pidNamespace() != 0)
        #expect(try procfs.namespacePIDs(of: getpid()).last != nil)
    }

    @Test func `facts of a recorded host`() throws {
        try tree.write("MemTotal:       16384 kB\nMemFree: 1 kB\n", to: "proc/meminfo")
        try tree.write(
            "processor\t: 0\nmodel name\t: Hygon C86 7285\n\nprocessor\t: 1\nmodel name\t: other\n", to: "proc/cpuinfo")
        try tree.write("0x10de\n", to: "sys/bus/pci/devices/0000:3b:00.0/vendor")
        try tree.write("0x2330\n", to: "sys/bus/pci/devices/0000:3b:00.0/device")
        try tree.write("1\n", to: "sys/bus/pci/devices/0000:3b:00.0/numa_node")
        try tree.write("0x8086\n", to: "sys/bus/pci/devices/0000:00:00.0/vendor")
        try tree.write("0x0001\n", to: "sys/bus/pci/devices/0000:00:00.0/device")
        try tree.write("-1\n", to: "sys/bus/pci/devices/0000:00:00.0/numa_node")
        try tree.write("junk\n", to: "sys/bus/pci/devices/nonsense/vendor")
        let facts = HostFactsReader(root: root, pciVendors: [0x10de]).read()
        #expect(facts.cpuModel == "Hygon C86 7285" && facts.cpuCount == 2)
        #expect(facts.memory == .mebibytes(16))
        #expect(
            facts.acceleratorFunctions == [
                .init(
                    address: PCIAddress(domain: 0, bus: 0x3b, device: 0, function: 0), vendorID: 0x10de,
                    deviceID: 0x2330,
                    numaNode: 1)
            ])
        #expect(PCIBus(root: root).functions().last?.numaNode == 1)
        #expect(PCIBus(root: root).functions().first?.numaNode == nil)
        #expect(!PCIBus(root: root).hasDomain(0xdead))
    }

    @Test func `of a maker of other things only its accelerators count`() throws {
        for (bus, device) in [("03", "74a1"), ("04", "1638")] {
            try tree.write("0x1002\n", to: "sys/bus/pci/devices/0000:\(bus):00.0/vendor")
            try tree.write("0x\(device)\n", to: "sys/bus/pci/devices/0000:\(bus):00.0/device")
        }
        let reader = HostFactsReader(
            root: root, pciVendors: [0x10de], pciDevices: [PCIIdentifier(vendor: 0x1002, device: 0x74a1)])
        #expect(reader.read().acceleratorFunctions.map(\.address.bus) == [3])
    }

    @Test func `a host that tells nothing gives facts without figures`() {
        let facts = HostFactsReader(root: root, pciVendors: [0x10de]).read()
        #expect(facts.memory == .zero && facts.cpuCount == 0 && facts.cpuModel == "unknown")
        #expect(facts.acceleratorFunctions.isEmpty)
        #expect(!facts.hostname.isEmpty && !facts.kernel.isEmpty)
        #expect(BootID.read(root: root) == nil)
    }

    @Test(arguments: ["", "x", "12 kB", "99999999999999999999 kB", "18446744073709551615 kB", "12 MB"])
    func `a MemTotal that is no figure is absent`(value: String) {
        let expected: UInt64? = value == "12 kB" ? 12288 : nil
        #expect(Procfs.parseTotalMemory("MemTotal: \(value)\n") == expected)
    }

    @Test func `NUMA nodes of this host have memory, or there are none`() {
        for node in NUMA.nodes() { #expect(node.memory.bytes > 0 || node.cpuCount >= 0) }
    }

    @Test func `cgroup hierarchies of both versions are found`() {
        let text = """
            22 27 0:21 / /proc rw,relatime - proc proc rw
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
            41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:1 master:2 - cgroup2 cgroup2 rw
            42 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw
            broken line
            """
        let found = CgroupReport.parse(text)
        #expect(
            found.map(\.mountPoint) == [
                "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/uni fied",
            ])
        #expect(found.map(\.version) == [.v1, .v1, .v2])
        #expect(found.map(\.controllers) == [["cpu", "cpuacct"], ["name=systemd"], []])
        #expect(CgroupReport.read(root: root).hierarchies.isEmpty)
    }

    @Test func `capabilities are named`() throws {
        try tree.write("Name:\tx\nCapEff:\t000000c400200000\n", to: "proc/self/status")
        let capabilities = Capabilities.effective(root: root)
        #expect(capabilities.names == ["CAP_SYS_ADMIN", "CAP_SYSLOG", "CAP_PERFMON", "CAP_BPF"])
        #expect(capabilities.has("CAP_BPF") && !capabilities.has("CAP_KILL") && !capabilities.has("CAP_NONSENSE"))
        #expect(Capabilities(mask: 1 << 50).names == ["CAP_50"])
        #expect(Capabilities.effective(root: HostRoot("/nonexistent")).names.isEmpty)
    }

    @Test func `root is found with its groups`() throws {
        let root = try #require(UserAccount.named("root"))
        #expect(root.uid == 0 && root.groups.contains(0) && root.home == "/root")
        #expect(UserAccount.withID(0)?.name == "root")
        #expect(UserAccount.named("no-such-user-here") == nil)
    }

    @Test func `clocks go forward`() {
        let before = MonotonicClock.nowNanoseconds()
        #expect(MonotonicClock.nowNanoseconds() >= before)
        #expect(RealtimeClock.nowMilliseconds() > 1_600_000_000_000)
    }
}
