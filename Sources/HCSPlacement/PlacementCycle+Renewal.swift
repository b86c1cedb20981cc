package import HCSModel

/// A cycle may be kept and brought up to date: it then decides as one that is made anew from the same snapshot for the
/// same typical work, but that prices of scarce room follow in their own time.
extension PlacementCycle {
    /// Nodes where something was reserved or released since the last `renew`, which may be as they were again.
    package var changedNodes: [String] { changed.map { snapshot.nodes[$0].name } }

    /// Takes in what is known of nodes now: what was reserved there and is not in `states` is gone.
    /// - Returns: false where the cycle has to be made anew, and decides nothing more: a node came, or what devices are
    ///   has changed.
    package mutating func renew(_ states: some Sequence<NodeState>, revision: Revision) -> Bool {
        for state in states {
            guard let n = index(of: state.name) else { return false }
            changed.remove(n)
            let old = snapshot.nodes[n]
            guard state != old else { continue }
            guard Self.isAlike(old, state) else { return false }
            setNode(n, state)
        }
        snapshot.revision = revision
        quota = nil
        return true
    }

    /// Whether only that has changed which is not built upon.
    private static func isAlike(_ old: NodeState, _ new: NodeState) -> Bool {
        guard old.devices.count == new.devices.count, old.cpuMilli == new.cpuMilli, old.numaNodes == new.numaNodes,
            old.software == new.software
        else { return false }
        return zip(old.devices, new.devices).allSatisfy { $0.device == $1.device && $0.pool == $1.pool }
    }
}
