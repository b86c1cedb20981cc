import Foundation
import Glibc
import HCSModel
import HCSTestSupport
import Testing

@testable import HCSSystem

@Suite struct HostFactsTests {
    let tree: TemporaryDirectory
    let root: HostRoot

    init() throws {
        tree = try TemporaryDirectory()
        root = HostRoot(tree.path)
    }

    private func link(_ name: String, to target: String) throws {
        try tree.write("", to: "\(name).made")
        unlink(tree.file("\(name).made"))
        try #require(symlink(target, tree.file(name)) == 0)
    }

    // MARK: Versions

    @Test(
        arguments: [
            ("535.104.05\n", "", "535.104.05"), ("CUDA Version 10.2.89", "", "10.2.89"),
            (#"{"cuda": {"name": "CUDA SDK", "version": "12.4.1"}, "nvcc": {"version": "1"}}"#, "\"cuda\"", "12.4.1"),
            ("package_name=Ascend\nVersion=23.0.rc3\n", "Version=", "23.0.rc3"), ("24.04.1-dtk\n", "", "24.04.1-dtk"),
            ("2024 kit\nVersion=7.1\n", "Version=", "7.1"), ("", "", nil), ("no figure", "", nil),
            ("1.0", "Version=", nil), ("Version=", "Version=", nil),
            (String(repeating: "9", count: 65), "", nil), ("\u{1B}[31m1.2", "", "31m1.2"),
        ] as [(String, String, String?)])
    func `a version is the first word behind its marker that begins with a digit`(
        text: String, marker: String, version: String?
    ) {
        #expect(SoftwareFile.version(in: text, after: marker) == version)
    }

    @Test func `the first file that tells names the version, and what is not installed is not listed`() throws {
        try tree.write("none", to: "a/version")
        try tree.write("7.0.0", to: "b/version")
        let facts = HostFactsReader(
            root: root, pciVendors: [],
            software: [
                SoftwareFile("Kit", ["/missing", "/a/version", "/b/version"]), SoftwareFile("Other", ["/missing"]),
            ]
        ).read()
        #expect(facts.software == [HostFacts.Software(name: "Kit", version: "7.0.0")])
    }

    // MARK: CPU

    @Test(
        arguments: [
            (
                "flags\t\t: fpu sse4_2 fma avx avx2 avx512f amx_tile ssse3\n"
                    + "flags\t\t: fpu sse4_2 fma avx avx2 avx512f amx_tile ssse3\n",
                ["amx_tile", "avx", "avx2", "avx512f", "fma", "sse4_2"]
            ),
            ("flags : avx avx2\nflags : avx\n", ["avx"]),
            ("Features\t: fp asimd evtstrm asimdhp sve i8mm bf16\n", ["asimdhp", "bf16", "i8mm", "neon", "sve"]),
            ("Features : cpucfg lsx lasx\n", ["lasx", "lsx"]), ("flags\n", []), ("", []),
            ("flags : avx\(String(repeating: "x", count: 64))\n", []),
        ] as [(String, [String])])
    func `vector units are those that every CPU has`(text: String, expected: [String]) {
        #expect(Procfs.parseVectorFeatures(text) == expected)
    }

    // MARK: Huge pages

    @Test func `huge pages have their sizes, numbers and the transparent mode`() throws {
        for (size, total, free) in [(2048, "8\n", "3\n"), (1_048_576, "1\n", "9\n")] {
            try tree.write(total, to: "sys/kernel/mm/hugepages/hugepages-\(size)kB/nr_hugepages")
            try tree.write(free, to: "sys/kernel/mm/hugepages/hugepages-\(size)kB/free_hugepages")
        }
        try tree.write("5", to: "sys/kernel/mm/hugepages/hugepages-99999999999999999999kB/nr_hugepages")
        try tree.write("-5", to: "sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages")
        try tree.write("5", to: "sys/kernel/mm/hugepages/junk/nr_hugepages")
        try tree.write("always [madvise] never\n", to: "sys/kernel/mm/transparent_hugepage/enabled")
        var facts = HostFactsReader(root: root, pciVendors: []).read()
        #expect(facts.hugePages == nil, "what changes all the time is read apart")
        HostFactsReader(root: root, pciVendors: []).refresh(&facts)
        #expect(
            facts.hugePages
                == HostFacts.HugePages(
                    pools: [
                        .init(pageSize: .mebibytes(2), total: 8, free: 3),
                        .init(pageSize: .gibibytes(1), total: 1, free: nil),
                    ], transparent: "madvise"))
        #expect(facts.lasting.hugePages?.pools.map(\.free) == [nil, nil])
        #expect(HugePagePools.chosen(in: "always madvise") == nil)
        #expect(HugePagePools.chosen(in: "[\u{1B}x]") == nil)
        #expect(HugePagePools(root: HostRoot("/nonexistent")).read() == nil)
    }

    // MARK: IOMMU

    @Test func `the IOMMU tells its groups and theirs modes, a device its own`() throws {
        try tree.write("", to: "sys/class/iommu/dmar0/x")
        for (group, mode) in [(0, "DMA-FQ\n"), (7, "identity\n"), (8, "identity\n"), (9, "\u{1B}[2J\n")] {
            try tree.write(mode, to: "sys/kernel/iommu_groups/\(group)/type")
        }
        for (bus, group) in [("3b", "7"), ("3c", "x")] {
            try tree.write("0x10de\n", to: "sys/bus/pci/devices/0000:\(bus):00.0/vendor")
            try tree.write("0x2330\n", to: "sys/bus/pci/devices/0000:\(bus):00.0/device")
            try link(
                "sys/bus/pci/devices/0000:\(bus):00.0/iommu_group", to: "../../../../kernel/iommu_groups/\(group)")
        }
        let facts = HostFactsReader(root: root, pciVendors: [0x10de]).read()
        #expect(facts.iommu == HostFacts.IOMMU(units: 1, groups: 4, modes: ["DMA-FQ": 1, "identity": 2]))
        #expect(facts.iommu?.isOn == true && facts.iommu?.isPassthrough == false)
        #expect(facts.acceleratorFunctions.map(\.iommuGroup) == [7, nil])
        #expect(facts.acceleratorFunctions.map(\.iommuMode) == ["identity", nil])
        #expect(HostFacts.IOMMU(units: 1, groups: 2, modes: ["identity": 2]).isPassthrough)
        let none = IOMMUGroups(root: HostRoot("/nonexistent")).summary()
        #expect(!none.isOn && !none.isPassthrough)
    }

    // MARK: Containers

    @Test func `a container runtime is there by its program or its socket`() throws {
        try tree.write("", to: "usr/bin/podman")
        try tree.write("", to: "usr/local/bin/containerd")
        chmod(tree.file("usr/local/bin/containerd"), 0o755)
        try tree.write("", to: "run/crio/crio.sock")
        try tree.write("", to: "run/docker.sock.made")
        try bind(tree.file("run/docker.sock"))
        try tree.write("", to: "opt/kit/hook")
        chmod(tree.file("opt/kit/hook"), 0o755)
        let facts = HostFactsReader(
            root: root, pciVendors: [], toolkits: [ContainerProgramSearch("kit", programs: ["/opt/kit/hook"])]
        ).read()
        #expect(
            facts.containers == [
                .init(name: "containerd", program: "/usr/local/bin/containerd", socket: nil),
                .init(name: "docker", program: nil, socket: "/run/docker.sock"),
                .init(name: "kit", program: "/opt/kit/hook", socket: nil),
            ], "no program without the right to run it, no socket that is a file")
    }

    private func bind(_ path: String) throws {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(number) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        try #require(bytes.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }

    // MARK: Disk

    private let mounts = """
        27 1 254:0 / / rw - ext4 /dev/vda rw
        28 27 259:3 / /srv/models rw shared:2 - xfs /dev/nvme0n1p3 rw
        29 27 0:50 / /mnt/share rw - nfs4 server:/export rw
        30 27 0:51 /@ /mnt/pool rw - btrfs /dev/sdb1 rw
        31 27 259:9 / /with\\040blank rw - ext4 /dev/nvme1n1 rw
        32 28 8:1 / /srv/models rw - ext4 /dev/sda1 rw
        broken
        """

    @Test func `the model cache is on the innermost file system above it`() throws {
        try tree.write(mounts + "\n", to: "proc/self/mountinfo")
        try tree.write("", to: "srv/models/x")
        try tree.write("", to: "mnt/pool/x")
        try tree.write("", to: "mnt/share/x")
        try tree.write("1\n", to: "sys/devices/sda/queue/rotational")
        try tree.write("0\n", to: "sys/devices/sdb/sdb1/queue/rotational")
        try link("sys/dev/block/8:1", to: "../../devices/sda/sda1")
        try tree.write("", to: "sys/devices/sda/sda1/x")
        try link("sys/class/block/sda1", to: "../../devices/sda/sda1")
        try link("sys/class/block/sdb1", to: "../../devices/sdb/sdb1")
        let table = MountTable(root: root)
        let models = try #require(table.disk(of: "/srv/models/llama/7b"))
        #expect(models.path == "/srv/models/llama/7b" && models.mountPoint == "/srv/models")
        #expect(models.fileSystem == "ext4" && models.source == "/dev/sda1", "the last mount hides the one before")
        #expect(models.device == "sda1" && models.rotational == true)
        #expect((models.size?.bytes ?? 0) > 0 && models.free.map { $0 <= models.size ?? .zero } == true)
        let pool = try #require(table.disk(of: "/mnt/pool/x"))
        #expect(pool.device == "sdb1" && pool.rotational == false && pool.fileSystem == "btrfs")
        let share = try #require(table.disk(of: "/mnt/share/deep/er"))
        #expect(share.device == nil && share.rotational == nil && share.source == "server:/export")
        #expect(table.disk(of: "/srv/modelsfake")?.mountPoint == "/")
        #expect(table.disk(of: "relative") == nil)
        #expect(MountTable(root: HostRoot("/nonexistent")).disk(of: "/x") == nil)
        #expect(MountTable.mount(of: "/with blank/x", in: MountTable.parse(mounts))?.number == "259:9")
    }

    @Test(arguments: [
        "", "broken", "1 2 3 4 5 6 7 8 9 10 11", "1 2 3 / /a rw - ", "1 2 3 / /a rw rw rw rw rw",
        String(repeating: "x ", count: 10_000),
    ])
    func `a mount table that is none has no mounts`(text: String) {
        #expect(MountTable.parse(text).isEmpty)
    }

    @Test func `a mount point that would move the cursor is written with question marks`() {
        let mount = MountTable.parse("1 2 3:4 / /a\\033[2J rw - ext4 /dev/\\033x rw\n").first
        #expect(mount?.mountPoint == "/a?[2J" && mount?.source == "/dev/?x")
    }

    // MARK: This host, and others

    @Test func `this host has a root file system, and its NUMA nodes their CPUs and distances`() throws {
        let reader = HostFactsReader(pciVendors: [], modelCache: "/")
        var facts = reader.read()
        reader.refresh(&facts)
        let disk = try #require(facts.modelCache)
        #expect(disk.mountPoint == "/" && !disk.fileSystem.isEmpty)
        #expect(facts.lasting.modelCache?.free == nil && facts.lasting.modelCache?.fileSystem == disk.fileSystem)
        for node in facts.numaNodes {
            #expect(node.cpuCount == node.cpus?.count ?? 0)
            let told = try? SmallFile.text("/sys/devices/system/node/node\(node.id)/cpulist")
            if let told { #expect(CPUSet(Substring(told).trimmed) == node.cpus) }
            #expect(node.distances?[node.id].map { $0 == 10 } ?? true)
        }
    }

    @Test func `the facts of an older agent are read, and these survive the wire`() throws {
        let old = #"""
            {"hostname": "h", "kernel": "6.1", "architecture": "x86_64", "cpuModel": "c", "cpuCount": 2, "memory": 1024,
             "numaNodes": [{"id": 0, "memory": 1024, "cpuCount": 2}],
             "acceleratorFunctions": [{"address": "0000:3b:00.0", "vendorID": 4318, "deviceID": 9008}]}
            """#
        let facts = try JSONDecoder().decode(HostFacts.self, from: Data(old.utf8))
        #expect(facts.iommu == nil && facts.modelCache == nil && facts.software == nil && facts.hugePages == nil)
        #expect(facts.numaNodes.first?.distances == nil && facts.acceleratorFunctions.first?.iommuGroup == nil)
        var full = HostFactsReader(pciVendors: [], modelCache: "/").read()
        HostFactsReader(pciVendors: [], modelCache: "/").refresh(&full)
        full.numaNodes = [
            .init(id: 0, memory: .gibibytes(1), cpuCount: 3, cpus: CPUSet([0, 1, 4]), distances: [0: 10, 1: 21])
        ]
        #expect(try JSONDecoder().decode(HostFacts.self, from: JSONEncoder().encode(full)) == full)
    }
}
