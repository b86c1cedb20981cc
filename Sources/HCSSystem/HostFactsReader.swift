package import HCSModel

/// Collects the facts of this machine. It knows no makers: their PCI identifiers come in.
package struct HostFactsReader: Sendable {
    package let root: HostRoot
    package let pciVendors: Set<UInt16>

    package init(root: HostRoot = .real, pciVendors: Set<UInt16>) {
        self.root = root
        self.pciVendors = pciVendors
    }

    /// Reads files and calls libnuma: some milliseconds, blocking. What a host does not tell is 0, empty or "unknown".
    package func read() -> HostFacts {
        let procfs = Procfs(root: root)
        let processors = procfs.processors()
        let kernel = Kernel.identity()
        return HostFacts(
            hostname: Hostname.current(), kernel: kernel.release, architecture: kernel.machine,
            cpuModel: processors.model, cpuCount: processors.count, memory: ByteCount(procfs.totalMemory() ?? 0),
            numaNodes: NUMA.nodes(), acceleratorFunctions: PCIBus(root: root).functions(ofVendors: pciVendors))
    }
}
