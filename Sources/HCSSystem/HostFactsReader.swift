package import HCSModel

/// Collects the facts of this machine. It knows no makers: their PCI identifiers, files and programs come in.
package struct HostFactsReader: Sendable {
    package let root: HostRoot
    package let pciVendors: Set<UInt16>
    package let pciDevices: Set<PCIIdentifier>
    package let software: [SoftwareFile]
    package let toolkits: [ContainerProgramSearch]
    package let modelCache: String?

    /// - Parameters:
    ///   - pciVendors: makers whose every function is an accelerator's.
    ///   - pciDevices: accelerators of makers of other things.
    ///   - modelCache: the directory whose file system is looked at; need not exist.
    package init(
        root: HostRoot = .real, pciVendors: Set<UInt16>, pciDevices: Set<PCIIdentifier> = [],
        software: [SoftwareFile] = [], toolkits: [ContainerProgramSearch] = [], modelCache: String? = nil
    ) {
        self.root = root
        self.pciVendors = pciVendors
        self.pciDevices = pciDevices
        self.software = software
        self.toolkits = toolkits
        self.modelCache = modelCache
    }

    /// Reads files and calls libnuma: some milliseconds, blocking. What a host does not tell is 0, empty or "unknown".
    /// What `refresh` fills is left out.
    package func read() -> HostFacts {
        let procfs = Procfs(root: root)
        let processors = procfs.processors()
        let kernel = Kernel.identity()
        let groups = IOMMUGroups(root: root)
        let functions = PCIBus(root: root).functions().filter {
            pciVendors.contains($0.vendorID)
                || pciDevices.contains(PCIIdentifier(vendor: $0.vendorID, device: $0.deviceID))
        }.map { groups.located($0) }
        return HostFacts(
            hostname: Hostname.current(), kernel: kernel.release, architecture: kernel.machine,
            cpuModel: processors.model, cpuCount: processors.count, memory: ByteCount(procfs.totalMemory() ?? 0),
            numaNodes: NUMA.nodes(), acceleratorFunctions: functions,
            software: software.compactMap { $0.read(root: root) }, cpuFeatures: procfs.vectorFeatures(),
            iommu: groups.summary(),
            containers: (ContainerProgramSearch.runtimes + toolkits).compactMap { $0.find(root) })
    }

    /// Reads what changes while a host runs: huge pages and the model cache's file system. A network file system that
    /// hangs hangs this call.
    package func refresh(_ facts: inout HostFacts) {
        facts.hugePages = HugePagePools(root: root).read()
        facts.modelCache = modelCache.flatMap { MountTable(root: root).disk(of: $0) }
    }
}

/// A file that names an installed version.
package struct SoftwareFile: Hashable, Sendable {
    package var name: String
    /// The first that tells counts.
    package var paths: [String]
    /// The version is the first word behind this text that begins with a digit.
    package var marker: String

    package init(_ name: String, _ paths: [String], after marker: String = "") {
        self.name = name
        self.paths = paths
        self.marker = marker
    }

    func read(root: HostRoot) -> HostFacts.Software? {
        for path in paths {
            let text = try? SmallFile.text(root.path(path), limit: 64 << 10)
            if let version = text.flatMap({ Self.version(in: $0, after: marker) }) {
                return HostFacts.Software(name: name, version: version)
            }
        }
        return nil
    }

    static func version(in text: String, after marker: String) -> String? {
        let bytes = Array(text.utf8)
        let mark = Array(marker.utf8)
        guard bytes.count >= mark.count,
            let start = (0...bytes.count - mark.count).first(where: { bytes[$0...].starts(with: mark) })
        else { return nil }
        let words = bytes[(start + mark.count)...].split { !isVersionByte($0) }
        return words.first { (0x30...0x39).contains($0[$0.startIndex]) && $0.count <= 64 }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private static func isVersionByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
