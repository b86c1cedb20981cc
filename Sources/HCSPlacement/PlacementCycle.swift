package import HCSModel

/// Filter, score, reserve. Pure: the snapshot in, decisions out; equal input gives equal output.
///
/// Invariant: a request that fits somewhere is placed. Where it fits is decided for each device by the filters of
/// `PluginRegistry`, in exact figures; which of these places is best by its scores and the packing core.
package struct PlacementCycle: Sendable {
    package internal(set) var snapshot: ClusterSnapshot
    private(set) var plugins: PluginRegistry
    private var quotas: [any FilterPlugin]
    private let nodeIndex: [String: Int]
    /// Nodes where something was reserved or released.
    var changed: Set<Int> = []

    var ranking: CycleRanking
    private var ranked: RankedNodes
    private(set) var views: [RequestView] = []
    private var classOf: [RequestClass?] = []
    private var slotOf: [RequestClass: Int] = [:]
    /// A device of each pool.
    private let poolExamples: [(pool: String?, node: Int, device: Int)]
    private var changesAtPrices = 0
    /// Ranks of nodes that were set for requests, ever: what decisions cost.
    package private(set) var ranksSet = 0
    /// By slot what stood in the way when it was refused last: a cycle that fills changes it seldom, and to look for it
    /// takes a look at every device.
    private var refusals: [Int: PlacementObstacles] = [:]

    /// - Parameter typical: what is asked for as a rule, each as often as it is: what packing keeps room for. Without any
    ///   it packs by best fit.
    package init(
        snapshot: ClusterSnapshot, plugins: PluginRegistry = .standard(), policy: PackingPolicy = .standard,
        typical: [PlacementRequest] = []
    ) {
        self.snapshot = snapshot
        self.plugins = plugins
        quotas = plugins.quotas
        nodeIndex = Dictionary(
            snapshot.nodes.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { a, _ in a })
        ranking = CycleRanking(snapshot, plugins: plugins, policy: policy, typical: typical)
        ranked = RankedNodes(nodeCount: snapshot.nodes.count)
        var examples: [String?: (Int, Int)] = [:]
        for (kind, example) in zip(ranking.layout.kinds, ranking.layout.examples) { examples[kind.pool] = example }
        poolExamples = examples.map { ($0.key, $0.value.0, $0.value.1) }.sorted { ($0.pool ?? "") < ($1.pool ?? "") }
    }

    /// Asked before each placement.
    package var quota: (any QuotaCheck)? {
        get { plugins.quota }
        set {
            plugins.quota = newValue
            quotas = plugins.quotas
        }
    }

    /// What the cycle keeps beside the snapshot, in bytes.
    package var byteCount: Int { ranking.byteCount + ranked.byteCount }

    /// What a request was given: all of it on one node.
    package struct Placement: Sendable, Equatable {
        package var node: String
        package var grants: [DeviceGrant]
        package var cpuMilli: Int
        package var memory: ByteCount
        /// `PlacementRequest.spreadGroup`.
        package var group: String

        package init(
            node: String, grants: [DeviceGrant], cpuMilli: Int = 0, memory: ByteCount = .zero,
            group: String = PlacementSpec.defaultTenant
        ) {
            self.node = node
            self.grants = grants
            self.cpuMilli = cpuMilli
            self.memory = memory
            self.group = group
        }
    }

    package enum Decision: Sendable {
        case placed(Placement)
        case refused(PlacementRefusal)
    }

    // MARK: Placing

    /// Chooses the best node and devices and reserves what is asked for there.
    /// - Parameter nodes: names of nodes that will not do.
    package mutating func place(_ request: PlacementRequest, avoiding nodes: Set<String> = []) -> Decision {
        guard let placement = canPlace(request, avoiding: nodes) else {
            let slot = slot(of: request)
            let obstacles = refusals[slot] ?? obstacles(to: request)
            refusals[slot] = obstacles
            return .refused(PlacementRefusal(summary: words(for: obstacles, request)))
        }
        reserve(placement)
        return .placed(placement)
    }

    /// As `place`, and nothing is reserved; nil = it fits nowhere.
    package mutating func canPlace(_ request: PlacementRequest, avoiding nodes: Set<String> = []) -> Placement? {
        best(request, avoiding: nodes.compactMap { nodeIndex[$0] }).map {
            placement(of: request, on: $0.node, $0.candidate)
        }
    }

    func placement(of request: PlacementRequest, on n: Int, _ candidate: Candidate) -> Placement {
        Placement(
            node: snapshot.nodes[n].name,
            grants: devices(of: candidate).map {
                snapshot.nodes[n].devices[$0].grant(for: request, plugins.exchange)
            },
            cpuMilli: request.placement.cpuMilli, memory: request.placement.memory, group: request.spreadGroup)
    }

    /// Whether the request fits somewhere now, without a look at where it would be best.
    /// - Parameter node: nil = anywhere.
    package func fits(_ request: PlacementRequest, on node: String? = nil) -> Bool {
        let closed = closedPools(to: request)
        let view = ranking.view(of: RequestClass(request, closed: closed).request, closing: closed, snapshot)
        let nodes = node.map { [nodeIndex[$0]].compactMap(\.self) } ?? Array(snapshot.nodes.indices)
        return nodes.contains { ranking.fits($0, view, snapshot) }
    }

    /// Takes what a placement says, whether it fits or not: to take back a `release`.
    /// - Parameter used: what the release freed beside.
    package mutating func reserve(_ placement: Placement, using used: [DeviceID: ByteCount] = [:]) {
        change(placement, by: 1, used: used)
    }

    /// Gives back what a placement took.
    /// - Parameter used: device memory that its processes will free beside, in the driver's and the segments' count.
    package mutating func release(_ placement: Placement, freeing used: [DeviceID: ByteCount] = [:]) {
        refusals = [:]
        change(placement, by: -1, used: used)
    }

    private mutating func change(_ placement: Placement, by sign: Int, used: [DeviceID: ByteCount]) {
        guard let n = nodeIndex[placement.node] else { return }
        changed.insert(n)
        let devices = snapshot.nodes[n].change(placement, by: sign, used: used)
        ranking.update(n, devices: devices, snapshot)
        ranked.noteChange(of: n, grew: sign < 0)
    }

    func index(of node: String) -> Int? { nodeIndex[node] }

    /// Takes in what a node is like now, on the devices that it had.
    mutating func setNode(_ n: Int, _ state: NodeState) {
        let groups = snapshot.nodes[n].groups
        snapshot.nodes[n] = state
        guard ranking.renew(n, snapshot) || groups != state.groups else { return }
        ranked.noteChange(of: n, grew: true)
        refusals = [:]
    }

    // MARK: Ranks

    mutating func best(_ request: PlacementRequest, avoiding nodes: [Int])
        -> (node: Int, candidate: Candidate)?
    {
        guard !snapshot.nodes.isEmpty else { return nil }
        renewPrices()
        let slot = slot(of: request)
        let view = views[slot]
        switch ranked.takeStale(slot) {
        case .all:
            var keys = Array(repeating: RankKey.refused, count: snapshot.nodes.count)
            for node in keys.indices { keys[node] = key(of: node, view) }
            ranked.fill(slot, keys, prices: ranking.priceSerial)
            ranksSet += keys.count
        case .some(let stale):
            for node in stale { ranked.set(slot, node, key(of: node, view)) }
            ranksSet += stale.count
        }
        for node in ranked.takeOutdated(slot, prices: ranking.priceSerial) {
            ranked.set(slot, node, key(of: node, view))
        }
        for node in nodes { ranked.set(slot, node, RankKey.refused) }
        defer { for node in nodes { ranked.set(slot, node, key(of: node, view)) } }
        for look in 1...RankedNodes.refreshLimit {
            let best = ranked.best(slot)
            guard best != RankKey.refused else { return nil }
            let node = RankKey.node(of: best)
            guard let candidate = ranking.candidate(node, view, snapshot) else {
                preconditionFailure("a node that is ranked has room")
            }
            let key = candidate.key(node: node)
            guard key != best, look < RankedNodes.refreshLimit else { return (node, candidate) }
            // New prices have made it worse.
            ranked.set(slot, node, key)
        }
        return nil
    }

    private mutating func key(of node: Int, _ view: RequestView) -> Int64 {
        ranking.candidate(node, view, snapshot)?.key(node: node) ?? RankKey.refused
    }

    mutating func slot(of request: PlacementRequest) -> Int {
        let closed = closedPools(to: request)
        let key = RequestClass(request, closed: closed)
        if let slot = slotOf[key] { return slot }
        let slot = ranked.makeSlot(prices: ranking.priceSerial)
        // The quota was asked with the request as it is.
        let view = ranking.view(of: key.request, closing: closed, snapshot)
        if slot < views.count {
            if let old = classOf[slot] { slotOf[old] = nil }
            refusals[slot] = nil
            views[slot] = view
            classOf[slot] = key
        } else {
            views.append(view)
            classOf.append(key)
        }
        slotOf[key] = slot
        return slot
    }

    /// Pools that a filter of basis `quota` closes to the request's tenant: one device of each is asked for.
    private func closedPools(to request: PlacementRequest) -> [String?] {
        objectionsOfQuota(to: request).map(\.pool)
    }

    func objectionsOfQuota(to request: PlacementRequest) -> [(pool: String?, why: String)] {
        guard !quotas.isEmpty else { return [] }
        return poolExamples.compactMap { pool, n, d in
            let node = snapshot.nodes[n]
            return quotas.lazy.compactMap { $0.objection(to: request, on: node.devices[d], of: node) }.first.map {
                (pool, $0)
            }
        }
    }

    /// Prices follow the free supply after as many changes as there are nodes.
    private mutating func renewPrices() {
        guard ranking.hasPrices, ranked.changeCount - changesAtPrices >= max(64, snapshot.nodes.count) else { return }
        changesAtPrices = ranked.changeCount
        ranking.updatePrices()
    }

    func devices(of candidate: Candidate) -> [Int] {
        ([candidate.part] + candidate.furtherParts).flatMap { part in
            let devices = ranking.layout.cells[part.cell].devices
            return devices.indices.filter { part.devices >> $0 & 1 == 1 }.map { devices[$0] }
        }.sorted()
    }
}

extension NodeState {
    /// - Returns: indices of the devices that are not as they were.
    fileprivate mutating func change(
        _ placement: PlacementCycle.Placement, by sign: Int, used: [DeviceID: ByteCount]
    ) -> [Int] {
        grantedCPUMilli = max(0, grantedCPUMilli + sign * placement.cpuMilli)
        grantedMemory =
            sign > 0 ? grantedMemory.adding(placement.memory) : grantedMemory.subtracting(placement.memory)
        let members = groups[placement.group, default: 0] + sign
        groups[placement.group] = members > 0 ? members : nil
        return placement.grants.compactMap { grant in
            guard let d = devices.firstIndex(where: { $0.device.id == grant.device }) else { return nil }
            devices[d].change(grant, by: sign, used: used[grant.device] ?? .zero)
            return d
        }
    }
}

extension DeviceState {
    /// What the request gets of this device.
    func grant(for request: PlacementRequest, _ exchange: ExchangeTable) -> DeviceGrant {
        let ask = DeviceAsk(request, on: device, exchange)
        return DeviceGrant(
            device: device.id, vendor: device.vendor, quota: ask.whole ? device.memory : request.vram,
            computeMilli: ask.whole || ask.compute == 0 ? nil : Int(ask.compute), whole: ask.whole ? true : nil)
    }

    mutating func change(_ grant: DeviceGrant, by sign: Int, used: ByteCount) {
        let isWhole = grant.whole == true
        granted = sign > 0 ? granted.adding(grant.quota) : granted.subtracting(grant.quota)
        grantedCompute = max(0, grantedCompute + sign * (isWhole ? Self.wholeCompute : grant.computeMilli ?? 0))
        holders = max(0, holders + sign)
        if isWhole { isHeldWhole = sign > 0 }
        driverUsed = driverUsed.map { sign > 0 ? $0.adding(used) : $0.subtracting(used) }
        segmentUsed = sign > 0 ? segmentUsed.adding(used) : segmentUsed.subtracting(used)
    }
}
