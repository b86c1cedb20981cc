/// The rank of every node for each kind of request in use. A request that comes again looks only at the nodes that
/// changed since; the one that was not asked for longest makes room.
struct RankedNodes {
    private var index: ShapeIndex
    private var slots: [Slot] = []
    /// Nodes in the order in which they changed; a slot's `seen` counts from the first change ever.
    private var changes: [Int32] = []
    private var forgotten = 0
    /// By node the number of changes with the one that last gave it room.
    private var growths: [Int]
    private var stamps: [Int]
    private var stamp = 0

    private struct Slot {
        var seen: Int
        var lastUsed: Int
        /// Nodes from here on may have ranks by prices that were valid before `prices`.
        var refreshed: Int
        var prices: UInt32
    }

    static let slotLimit = 256
    /// Ranks that one decision brings to new prices, beside those of changed nodes.
    static let refreshLimit = 32

    enum Stale {
        case all
        case some([Int])
    }

    init(nodeCount: Int) {
        // Memory of the host is one of many things that the ranks follow.
        index = ShapeIndex(memory: Array(repeating: 0, count: nodeCount))
        stamps = Array(repeating: -1, count: nodeCount)
        growths = Array(repeating: 0, count: nodeCount)
    }

    var byteCount: Int { index.byteCount + stamps.count * 16 + changes.capacity * 4 }
    /// Changes ever.
    var changeCount: Int { forgotten + changes.count }

    /// A place for one more request: a new one, or the one that was not asked for longest.
    mutating func makeSlot(prices: UInt32) -> Int {
        let slot = Slot(seen: -1, lastUsed: changeCount, refreshed: stamps.count, prices: prices)
        guard slots.count >= Self.slotLimit else {
            slots.append(slot)
            index.addShape()
            return slots.count - 1
        }
        let oldest = slots.indices.min { slots[$0].lastUsed < slots[$1].lastUsed } ?? 0
        slots[oldest] = slot
        return oldest
    }

    /// The nodes whose ranks are to be set anew, which the caller does. What did not fit on a node that has got no more
    /// room since does not fit.
    mutating func takeStale(_ slot: Int) -> Stale {
        let seen = slots[slot].seen
        slots[slot].seen = changeCount
        slots[slot].lastUsed = changeCount
        guard seen >= forgotten else { return .all }
        stamp += 1
        var stale: [Int] = []
        var i = changes.count
        while i > seen - forgotten {
            i -= 1
            let node = Int(changes[i])
            guard stamps[node] != stamp else { continue }
            stamps[node] = stamp
            guard growths[node] > seen || index.key(shape: slot, node: node) != RankKey.refused else { continue }
            stale.append(node)
        }
        return .some(stale)
    }

    mutating func fill(_ slot: Int, _ keys: [Int64], prices: UInt32) {
        index.fill(shape: slot) { keys[$0] }
        slots[slot].refreshed = stamps.count
        slots[slot].prices = prices
    }

    /// Nodes whose ranks the caller brings to these prices: those of a few where it fits, so that no decision pays for
    /// all nodes. Prices move slowly.
    mutating func takeOutdated(_ slot: Int, prices: UInt32) -> [Int] {
        if slots[slot].refreshed == stamps.count {
            guard slots[slot].prices != prices else { return [] }
            slots[slot].prices = prices
            slots[slot].refreshed = 0
        }
        let start = slots[slot].refreshed
        slots[slot].refreshed = min(stamps.count, start + Self.refreshLimit)
        return (start..<slots[slot].refreshed).filter { index.key(shape: slot, node: $0) != RankKey.refused }
    }

    mutating func set(_ slot: Int, _ node: Int, _ key: Int64) { index.set(shape: slot, node: node, key) }
    func best(_ slot: Int) -> Int64 { index.best(shape: slot, memory: 0) }

    /// - Parameter grew: it may have got room.
    mutating func noteChange(of node: Int, grew: Bool) {
        if changes.count >= 4 * stamps.count + 1024 {
            let half = changes.count / 2
            changes.removeFirst(half)
            forgotten += half
        }
        changes.append(Int32(node))
        if grew { growths[node] = changeCount }
    }
}
