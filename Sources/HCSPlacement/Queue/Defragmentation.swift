import HCSModel

/// The fewest moves that make a unit fit which fits nowhere now.
package struct Defragmentation: Equatable, Sendable {
    package struct Move: Equatable, Sendable {
        package var work: PlacedWork
        package var to: PlacementCycle.Placement
    }

    package enum Outcome: Equatable, Sendable {
        case fitsNow
        /// Moves, all at once, each to a place that is free now; then where the unit goes once they have ended.
        case moves([Move], then: [PlacementCycle.Placement])
        case none
    }

    package var outcome: Outcome
    /// No smaller plan exists, or for `none`: none exists with so many moves. False where the search was cut off.
    package var isProven: Bool

    /// Searches sets of one, two … `policy.defragmentation.moves` workloads. Work of gangs, and what its policy never
    /// starts again, stays. Depth first by size, so the first plan that is found is one of the smallest.
    package static func plan(
        for key: UnitKey, _ input: QueueInput, policy: QueuePolicy, book: QueueBook, room: PlacementCycle
    ) -> Defragmentation? {
        var cycle = QueueCycle(input, policy: policy, book: book, room: room)
        guard let unit = cycle.gather().first(where: { $0.key == key }) else { return nil }
        for (other, claim) in book.claims.sorted(by: { $0.key < $1.key }) where other != key {
            for placement in claim.placements { cycle.room.reserve(placement) }
        }
        cycle.room.quota = cycle.use
        if QueueCycle.fit(unit.requests, in: &cycle.room) != nil {
            return Defragmentation(outcome: .fitsNow, isProven: true)
        }
        var search = Search(unit: unit, room: cycle.room, use: cycle.use, draining: cycle.draining)
        let groups = search.groups(of: cycle.placed.filter { $0.mayRestart && GangKey($0.request) == nil })
        for size in 1...max(1, policy.defragmentation.moves) {
            for group in groups {
                for set in Subsets(count: group.count, size: size) {
                    guard search.budget > 0 else { return Defragmentation(outcome: .none, isProven: false) }
                    if let outcome = search.outcome(of: set.map { group[$0] }) {
                        return Defragmentation(outcome: outcome, isProven: true)
                    }
                }
            }
        }
        return Defragmentation(outcome: .none, isProven: true)
    }

    /// One room serves all tries: what a try changes it takes back, since a copy of a large pool costs more than the try.
    private struct Search {
        let unit: QueueUnit
        var room: PlacementCycle
        let use: QuotaUse
        let draining: [DrainingWork]
        var budget = QueueCycle.searchLimit

        /// What may be moved together. A single workload goes to one node, and only what leaves that node helps: so
        /// each node by itself, and only such as would have room without all that may go. A gang's nodes are open.
        mutating func groups(of movable: [PlacedWork]) -> [[PlacedWork]] {
            let sorted = movable.sorted { ($0.sinceMilliseconds, $0.id) > ($1.sinceMilliseconds, $1.id) }
            guard unit.members.count == 1 else { return fit(after: sorted) == nil ? [] : [sorted] }
            return Dictionary(grouping: sorted, by: \.placement.node).sorted { $0.key < $1.key }.map(\.value)
                .filter { fit(after: $0) != nil }
        }

        /// Where the unit goes once these and all that drains have ended.
        private mutating func fit(after gone: [PlacedWork]) -> [PlacementCycle.Placement]? {
            for work in draining { room.release(work.placement, freeing: work.used) }
            for work in gone { room.release(work.placement, freeing: work.used) }
            defer {
                for work in gone.reversed() { room.reserve(work.placement, using: work.used) }
                for work in draining.reversed() { room.reserve(work.placement, using: work.used) }
            }
            return QueueCycle.fit(unit.requests, in: &room)
        }

        /// Tries every order, and for each both the best place anywhere and the best place elsewhere.
        mutating func outcome(of set: [PlacedWork]) -> Outcome? {
            guard fit(after: set) != nil else {
                budget -= 1
                return nil
            }
            for order in Self.orders(set) {
                for elsewhere in [false, true] {
                    budget -= 1
                    if let outcome = outcome(of: order, elsewhere: elsewhere) { return outcome }
                }
            }
            return nil
        }

        private mutating func outcome(of order: [PlacedWork], elsewhere: Bool) -> Outcome? {
            // What moves leaves its tenant's account first.
            var use = use
            for work in order { use.remove(work.placement, of: work.request.placement.tenant) }
            var moves: [Move] = []
            let before = room.quota
            defer {
                for move in moves.reversed() { room.release(move.to) }
                room.quota = before
            }
            for work in order {
                let avoided: Set<String> = elsewhere ? [work.placement.node] : []
                room.quota = use
                guard let to = room.canPlace(work.request, avoiding: avoided) else { return nil }
                room.reserve(to)
                use.add(to, of: work.request.placement.tenant)
                moves.append(Move(work: work, to: to))
            }
            room.quota = use
            return fit(after: order).map { .moves(moves, then: $0) }
        }

        private static func orders(_ works: [PlacedWork]) -> [[PlacedWork]] {
            guard works.count > 1 else { return [works] }
            return works.indices.flatMap { i in
                var rest = works
                let first = rest.remove(at: i)
                return orders(rest).map { [first] + $0 }
            }
        }
    }
}
