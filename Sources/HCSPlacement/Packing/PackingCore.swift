/// Puts shapes on nodes, one at a time: the pure core of placement, the same for replay and scheduler.
///
/// Invariant: a shape that fits somewhere is placed. What is placed depends only on nodes, policy, mix and the calls so
/// far. A node's rank for a shape is reckoned when the node has changed since the shape was last asked for, once for
/// each pair of node state and shape.
package struct PackingCore: Sendable {
    package let policy: PackingPolicy
    private var nodes: [PackingNode]
    private var stateOf: [Int32]

    private var table = PackingStateTable()
    private var values: PackingValues
    private var memo: RankMemo

    private var shapes: [KnownShape] = []
    private var slotOf: [PackingShape: Int] = [:]
    private var nextSerial: UInt32 = 0
    private var index: ShapeIndex

    /// Nodes in the order in which they changed; a shape's `seen` counts from the first change ever.
    private var changes: [Int32] = []
    private var forgotten = 0
    private var stamps: [Int]
    private var stamp = 0
    private var changesAtPrices = 0

    /// A shape apart from memory: work that differs in memory alone shares its ranks.
    private struct KnownShape: Sendable {
        var shape: PackingShape
        var serial: UInt32
        var seen: Int
        var lastUsed: Int
        /// Nodes from here on may have ranks by prices that were valid before `prices`.
        var refreshed = 0
        var prices: UInt32
    }

    /// Shapes with ranks kept for all nodes; the one that was not asked for longest makes room.
    package static let shapeLimit = 512
    /// Ranks that one decision brings to new prices beside those of changed nodes.
    private static let refreshLimit = 32

    package init(nodes: [PackingNode], policy: PackingPolicy = .standard, mix: WorkloadMix) {
        precondition(nodes.count < RankKey.nodeLimit, "packing knows at most a million nodes")
        self.policy = policy
        self.nodes = nodes
        values = PackingValues(policy: policy, mix: mix, nodes: nodes)
        memo = RankMemo(nodeCount: nodes.count)
        index = ShapeIndex(memory: nodes.map(\.memory))
        stamps = Array(repeating: -1, count: nodes.count)
        stateOf = []
        stateOf.reserveCapacity(nodes.count)
        for node in nodes {
            let state = PackingState(model: node.model, cpu: node.cpu, free: node.free)
            stateOf.append(table.number(of: state))
            values.supplied(state)
        }
        values.updatePrices()
    }

    package var nodeCount: Int { nodes.count }

    /// What is free of a node now.
    package func node(_ index: Int) -> PackingNode { nodes[index] }

    /// What the core holds, in bytes.
    package var byteCount: Int {
        index.byteCount + memo.byteCount + values.byteCount + table.byteCount
            + nodes.count * (MemoryLayout<PackingNode>.stride + 32 + PackingNode.deviceLimit * 2 + 12)
            + changes.capacity * 4 + shapes.count * 2 * MemoryLayout<KnownShape>.stride
    }

    /// Reserves room for the shape; nil = it fits nowhere.
    package mutating func place(_ shape: PackingShape) -> PackingPlacement? {
        guard !nodes.isEmpty else { return nil }
        renewPrices()
        let slot = slot(of: shape.withoutMemory)
        update(slot)
        refresh(slot)
        var looks = 0
        while true {
            let best = index.best(shape: slot, memory: shape.memory)
            guard best != RankKey.refused else { return nil }
            let node = RankKey.node(of: best)
            let rank = self.rank(of: stateOf[node], for: slot)
            // New prices may have made the best one worse.
            let key = key(of: node, rank)
            looks += 1
            guard key != best, looks < Self.refreshLimit else {
                return take(shape, on: node, position: rank.position)
            }
            index.set(shape: slot, node: node, key)
        }
    }

    /// Gives back what a placement took.
    package mutating func release(_ shape: PackingShape, _ placement: PackingPlacement) {
        let i = placement.node
        nodes[i].cpu += shape.cpu
        nodes[i].memory += shape.memory
        for d in nodes[i].free.indices where placement.devices >> d & 1 == 1 {
            nodes[i].free[d] += shape.share
            precondition(nodes[i].free[d] <= PackingShape.wholeDevice, "more was given back than taken")
        }
        changed(i, PackingState(model: nodes[i].model, cpu: nodes[i].cpu, free: nodes[i].free))
    }

    // MARK: Ranks

    private mutating func slot(of shape: PackingShape) -> Int {
        if let slot = slotOf[shape] { return slot }
        let serial = nextSerial
        nextSerial &+= 1
        let known = KnownShape(shape: shape, serial: serial, seen: -1, lastUsed: 0, prices: values.priceSerial)
        var slot = shapes.count
        if slot < Self.shapeLimit {
            shapes.append(known)
            index.addShape()
        } else {
            slot = shapes.indices.min { shapes[$0].lastUsed < shapes[$1].lastUsed } ?? 0
            slotOf[shapes[slot].shape] = nil
            shapes[slot] = known
        }
        slotOf[shape] = slot
        return slot
    }

    /// Brings the ranks of the shape in `slot` up to date.
    private mutating func update(_ slot: Int) {
        let now = forgotten + changes.count
        let seen = shapes[slot].seen
        shapes[slot].seen = now
        shapes[slot].lastUsed = now
        guard seen >= forgotten else {
            var keys = Array(repeating: RankKey.refused, count: nodes.count)
            for node in nodes.indices { keys[node] = key(of: node, for: slot) }
            index.fill(shape: slot) { keys[$0] }
            shapes[slot].refreshed = nodes.count
            shapes[slot].prices = values.priceSerial
            return
        }
        stamp += 1
        var i = changes.count
        while i > seen - forgotten {
            i -= 1
            let node = Int(changes[i])
            guard stamps[node] != stamp else { continue }
            stamps[node] = stamp
            index.set(shape: slot, node: node, key(of: node, for: slot))
        }
    }

    /// Brings some ranks to the present prices. A few at a time, so that no decision pays for all nodes: prices move
    /// slowly.
    private mutating func refresh(_ slot: Int) {
        if shapes[slot].refreshed == nodes.count {
            guard shapes[slot].prices != values.priceSerial else { return }
            shapes[slot].prices = values.priceSerial
            shapes[slot].refreshed = 0
        }
        let start = shapes[slot].refreshed
        let end = min(nodes.count, start + Self.refreshLimit)
        for node in start..<end {
            index.set(shape: slot, node: node, key(of: node, for: slot))
        }
        shapes[slot].refreshed = end
    }

    private mutating func key(of node: Int, for slot: Int) -> Int64 {
        let rank = rank(of: stateOf[node], for: slot)
        return key(of: node, rank)
    }

    private func key(of node: Int, _ rank: Rank) -> Int64 {
        guard rank.fits else { return RankKey.refused }
        return RankKey.make(score: rank.score, tie: table.ties[Int(stateOf[node])], node: node)
    }

    private mutating func rank(of state: Int32, for slot: Int) -> Rank {
        let key = RankMemo.Key(state: state, shape: shapes[slot].serial, prices: values.priceSerial)
        let place = memo.place(of: key)
        if let rank = memo.rank(at: place, of: key) { return rank }
        let rank = values.rank(of: table.states[Int(state)], for: shapes[slot].shape)
        memo.set(place, key, rank)
        return rank
    }

    // MARK: Changes

    private mutating func take(_ shape: PackingShape, on i: Int, position: Int) -> PackingPlacement {
        let before = table.states[Int(stateOf[i])]
        var devices: UInt16 = 0
        nodes[i].cpu -= shape.cpu
        nodes[i].memory -= shape.memory
        if shape.devices > 0 {
            // Of equal devices the first ones are taken.
            let end = before.fitting(shape.share)
            let taken = shape.devices == 1 ? position..<position + 1 : end - Int(shape.devices)..<end
            for p in taken {
                let value = before.free[p]
                for d in nodes[i].free.indices where nodes[i].free[d] == value && devices >> d & 1 == 0 {
                    devices |= 1 << d
                    nodes[i].free[d] -= shape.share
                    break
                }
            }
        }
        changed(i, before.placing(shape, at: position))
        return PackingPlacement(node: i, devices: devices)
    }

    private mutating func changed(_ node: Int, _ state: PackingState) {
        values.moved(from: table.states[Int(stateOf[node])], to: state)
        stateOf[node] = table.number(of: state)
        index.setMemory(node: node, nodes[node].memory)
        if changes.count >= 4 * nodes.count + 1024 {
            let half = changes.count / 2
            changes.removeFirst(half)
            forgotten += half
        }
        changes.append(Int32(node))
        if table.isFull { startTableAnew() }
    }

    private mutating func startTableAnew() {
        table = PackingStateTable()
        memo.removeAll()
        for i in nodes.indices {
            stateOf[i] = table.number(
                of: PackingState(model: nodes[i].model, cpu: nodes[i].cpu, free: nodes[i].free))
        }
    }

    /// Prices follow the free supply after as many changes as there are nodes.
    private mutating func renewPrices() {
        let now = forgotten + changes.count
        guard values.hasPrices, now - changesAtPrices >= max(64, nodes.count) else { return }
        changesAtPrices = now
        values.updatePrices()
    }
}
