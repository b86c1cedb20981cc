internal import CNUMA
package import HCSModel

/// NUMA nodes as libnuma sees them.
package enum NUMA {
    /// Nodes with their memory and CPUs; empty where the kernel has no NUMA support, which is not an error.
    package static func nodes() -> [HostFacts.NUMANode] {
        let highest = hcs_numa_highest_node()
        guard highest >= 0 else { return [] }
        return (0...highest).compactMap { node in
            let memory = hcs_numa_node_memory(node)
            guard memory >= 0 else { return nil }
            return HostFacts.NUMANode(
                id: Int(node), memory: ByteCount(UInt64(memory)), cpuCount: Int(hcs_numa_node_cpus(node)))
        }
    }
}
