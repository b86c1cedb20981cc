import HCSModel

/// What several requests find on one node.
extension PlacementCycle {
    /// As `canPlace`, on this node.
    /// - Parameter widest: on the devices with most room, not where the least is broken up: members that each need
    ///   several devices, or are unlike, may find places for all of them so where the other way they do not.
    package mutating func canPlace(_ request: PlacementRequest, on node: String, widest: Bool = false) -> Placement? {
        guard let n = index(of: node) else { return nil }
        let view = view(of: request)
        let found = widest ? ranking.widest(n, view) : ranking.candidate(n, view, snapshot)
        return found.map { placement(of: request, on: n, $0) }
    }

    private mutating func view(of request: PlacementRequest) -> RequestView {
        let slot = slot(of: request)
        return views[slot]
    }

    /// Nodes where all of the requests may have room, the one first where the first request is best placed. On no other
    /// node they have: too few places for those of one kind, were they alone there.
    package mutating func nodes(forAllOf requests: [PlacementRequest]) -> [String] {
        var kinds: [(view: RequestView, members: UInt64)] = []
        var cpuMilli = 0
        var memory = ByteCount.zero
        for request in requests {
            cpuMilli += request.placement.cpuMilli
            memory = memory.adding(request.placement.memory)
            let view = view(of: request)
            if let known = kinds.firstIndex(where: { $0.view === view }) {
                kinds[known].members += 1
            } else {
                kinds.append((view, 1))
            }
        }
        guard let first = kinds.first?.view else { return [] }
        var found: [(key: Int64, node: Int)] = []
        for n in snapshot.nodes.indices {
            if let free = snapshot.nodes[n].freeCPUMilli, free < cpuMilli { continue }
            if let free = snapshot.nodes[n].freeMemory, free < memory { continue }
            let hasRoom = kinds.allSatisfy { view, members in
                ranking.room(n, view, members: members).places >= members * UInt64(view.count)
            }
            guard hasRoom, let candidate = ranking.candidate(n, first, snapshot) else { continue }
            found.append((candidate.key(node: n), n))
        }
        return found.sorted { $0.key > $1.key }.map { snapshot.nodes[$0.node].name }
    }

    /// Nodes where the request fits, those first that have most device memory free where it does.
    package mutating func nodes(widestFor request: PlacementRequest, limit: Int) -> [String] {
        let view = view(of: request)
        return snapshot.nodes.indices.filter { ranking.fits($0, view, snapshot) }.map {
            (free: ranking.room($0, view).free, node: $0)
        }.sorted { ($1.free, $0.node) < ($0.free, $1.node) }.prefix(limit).map { snapshot.nodes[$0.node].name }
    }

    /// Names of the filters that refuse the request one of the node's devices that run its runtime.
    package func objections(to request: PlacementRequest, on node: String) -> [String] {
        guard let n = index(of: node) else { return [] }
        let state = snapshot.nodes[n]
        let devices = state.devices.filter { request.runtime.vendors.contains($0.device.vendor) }
        return plugins.filters.filter { plugin in
            devices.contains { plugin.objection(to: request, on: $0, of: state) != nil }
        }.map(\.name)
    }
}
