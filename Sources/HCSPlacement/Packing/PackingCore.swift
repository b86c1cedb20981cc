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
    private var memo = RankMemo()

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

    private struct KnownShape: Sendable {
        var shape: PackingShape
        var serial: UInt32
        var seen: Int
        var lastUsed: Int
    }

    /// Shapes with ranks kept for all nodes; the one that was not asked for longest makes room.
    package static let shapeLimit = 512

    package init(nodes: [PackingNode], policy: PackingPolicy = .standard, mix: WorkloadMix) {
        precondition(nodes.count < RankKey.nodeLimit, "packing knows at most a million nodes")
        self.policy = policy
        self.nodes = nodes
        values = PackingValues(policy: policy, mix: mix)
        index = ShapeIndex(nodeCount: nodes.count)
        stamps = Array(repeating: -1, count: nodes.count)
        stateOf = []
        stateOf.reserveCapacity(nodes.count)
        for node in nodes {
            stateOf.append(table.number(of: PackingState(model: node.model, cpu: node.cpu, free: node.free)))
        }
        values.updatePrices(stateOf, of: table)
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
        let slot = slot(of: shape)
        update(slot)
        let best = index.best(shape: slot)
        guard best != RankKey.refused else { return nil }
        let node = RankKey.node(of: best)
        let rank = self.rank(of: stateOf[node], for: slot)
        return take(shape, on: node, position: rank.position)
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
        let known = KnownShape(shape: shape, serial: serial, seen: -1, lastUsed: 0)
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

    private mutating func key(of node: Int, for slot: Int) -> Int64 {
        guard nodes[node].memory >= shapes[slot].shape.memory else { return RankKey.refused }
        let state = stateOf[node]
        let rank = rank(of: state, for: slot)
        guard rank.fits else { return RankKey.refused }
        return RankKey.make(score: rank.score, tie: table.ties[Int(state)], node: node)
    }

    private mutating func rank(of state: Int32, for slot: Int) -> Rank {
        let key = UInt64(UInt32(bitPattern: state)) &<< 32 | UInt64(shapes[slot].serial)
        if let rank = memo[key] { return rank }
        let rank = values.rank(of: state, for: shapes[slot].shape, in: &table)
        memo[key] = rank
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
        stateOf[node] = table.number(of: state)
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
        values.forgetStates()
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
        values.updatePrices(stateOf, of: table)
        memo.removeAll()
        for slot in shapes.indices { shapes[slot].seen = -1 }
    }
}
