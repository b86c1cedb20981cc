internal import CNUMA
package import HCSModel

/// NUMA nodes as libnuma sees them.
package enum NUMA {
    /// Nodes that are told with their distances; the kernel's default limit (CONFIG_NODES_SHIFT of x86 and arm64 servers).
    private static let nodeLimit = 64

    /// Nodes with their memory, CPUs and distances; empty where the kernel has no NUMA support, which is not an error.
    package static func nodes() -> [HostFacts.NUMANode] {
        let highest = hcs_numa_highest_node()
        guard highest >= 0 else { return [] }
        let numbers = (0...highest).filter { hcs_numa_node_memory($0) >= 0 }.prefix(nodeLimit)
        return numbers.map { node in
            let cpus = cpus(of: node)
            return HostFacts.NUMANode(
                id: Int(node), memory: ByteCount(UInt64(max(0, hcs_numa_node_memory(node)))), cpuCount: cpus.count,
                cpus: CPUSet(cpus), distances: distances(of: node, to: Array(numbers)))
        }
    }

    private static func cpus(of node: Int32) -> [Int] {
        var flags = [UInt8](repeating: 0, count: CPUSet.cpuLimit)
        hcs_numa_node_cpus(node, &flags, UInt32(flags.count))
        return flags.indices.filter { flags[$0] != 0 }
    }

    private static func distances(of node: Int32, to others: [Int32]) -> [Int: Int]? {
        var distances: [Int: Int] = [:]
        // libnuma answers 0 where the kernel does not tell.
        for other in others {
            let distance = hcs_numa_distance(node, other)
            if distance > 0 { distances[Int(other)] = Int(distance) }
        }
        return distances.isEmpty ? nil : distances
    }
}
