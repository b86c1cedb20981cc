import HCSModel

/// Which devices may serve one member together, by how they must be joined. Bit i of a set = device i of the list.
enum DeviceSets {
    /// The largest sets that may serve together; any part of one may too. nil = any devices may.
    /// - Parameter devices: at most 16.
    static func sets(_ interconnect: Interconnect, among devices: [Device], numaNodes: Int?) -> [UInt16]? {
        switch interconnect {
        case .any, .sameNode: nil
        case .link: cliques(joined(devices))
        case .sameNUMA: numaSets(devices, numaNodes)
        }
    }

    /// For each device those that a maker's own link joins to it.
    private static func joined(_ devices: [Device]) -> [UInt16] {
        var joined = Array(repeating: UInt16(0), count: devices.count)
        for i in devices.indices where !devices[i].details.links.isEmpty {
            for j in devices.indices.dropFirst(i + 1) where DeviceConnection.between(devices[i], devices[j]) != nil {
                joined[i] |= 1 << j
                joined[j] |= 1 << i
            }
        }
        return joined
    }

    /// Maximal cliques by Bron and Kerbosch with a pivot (CACM 16(9), 1973).
    static func cliques(_ joined: [UInt16]) -> [UInt16] {
        var found: [UInt16] = []
        func extend(_ clique: UInt16, _ candidates: UInt16, _ excluded: UInt16) {
            guard candidates | excluded != 0 else {
                found.append(clique)
                return
            }
            var pivot = 0
            var most = -1
            for i in joined.indices where (candidates | excluded) >> i & 1 == 1 {
                let count = (candidates & joined[i]).nonzeroBitCount
                if count > most { (pivot, most) = (i, count) }
            }
            var candidates = candidates
            var excluded = excluded
            for i in joined.indices where (candidates & ~joined[pivot]) >> i & 1 == 1 {
                extend(clique | 1 << i, candidates & joined[i], excluded & joined[i])
                candidates &= ~(1 << i)
                excluded |= 1 << i
            }
        }
        guard !joined.isEmpty else { return [] }
        extend(0, UInt16((1 << UInt32(joined.count)) - 1), 0)
        return found
    }

    /// A device whose node nobody knows is in no set, unless the host has one only.
    private static func numaSets(_ devices: [Device], _ numaNodes: Int?) -> [UInt16] {
        var sets: [Int: UInt16] = [:]
        for (i, device) in devices.enumerated() {
            guard let node = device.numaNode ?? (numaNodes == 1 ? 0 : nil) else { continue }
            sets[node, default: 0] |= 1 << i
        }
        return sets.sorted { $0.key < $1.key }.map(\.value)
    }
}
