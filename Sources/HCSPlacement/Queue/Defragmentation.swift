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
    /// - Parameter looks: places that are looked for, one for each member of a gang; beyond it is cut off.
    package static func plan(
        for key: UnitKey, _ input: QueueInput, policy: QueuePolicy, book: QueueBook, room: PlacementCycle,
        looks: Int = QueueCycle.searchLimit
    ) -> Defragmentation? {
        guard var search = Search(for: key, input, policy, book, room, looks: looks) else { return nil }
        if search.fitsNow() { return Defragmentation(outcome: .fitsNow, isProven: true) }
        let groups = search.groups()
        for size in 1...max(1, policy.defragmentation.moves) {
            for group in groups {
                for set in Subsets(count: group.count, size: size) {
                    guard search.looks > 0 else { return Defragmentation(outcome: .none, isProven: false) }
                    if let outcome = search.outcome(of: set.map { group[$0] }) {
                        return Defragmentation(outcome: outcome, isProven: true)
                    }
                }
            }
        }
        return Defragmentation(outcome: .none, isProven: search.looks > 0)
    }

    /// Whether moves that were found before still make room; where they go is decided anew, and smaller plans are not looked
    /// for. nil = they do not, or what moves is no longer where it was.
    package static func again(
        _ moves: [Move], for key: UnitKey, _ input: QueueInput, policy: QueuePolicy, book: QueueBook,
        room: PlacementCycle
    ) -> Defragmentation? {
        guard var search = Search(for: key, input, policy, book, room, looks: QueueCycle.searchLimit) else {
            return nil
        }
        if search.fitsNow() { return Defragmentation(outcome: .fitsNow, isProven: true) }
        let works = moves.compactMap { move in
            search.movable.first { $0.id == move.work.id && $0.placement == move.work.placement }
        }
        guard works.count == moves.count, let outcome = search.outcome(of: works) else { return nil }
        return Defragmentation(outcome: outcome, isProven: false)
    }

    package var moves: [Move] {
        if case .moves(let moves, _) = outcome { moves } else { [] }
    }

    /// Two rooms serve all tries: what a try changes it takes back, since a copy of a large pool costs more than the try.
    private struct Search {
        private let requests: [PlacementRequest]
        private let goesToOne: Bool
        /// As it is, for what moves.
        private var room: PlacementCycle
        /// As it is once all that drains has ended, for the unit.
        private var later: PlacementCycle
        private let use: QuotaUse
        /// Places that may still be looked for: one for each member of a gang.
        private(set) var looks: Int
        let movable: [PlacedWork]

        /// nil = the unit does not wait, or not as a whole.
        init?(
            for key: UnitKey, _ input: QueueInput, _ policy: QueuePolicy, _ book: QueueBook, _ room: PlacementCycle,
            looks: Int
        ) {
            var cycle = QueueCycle(input, policy: policy, book: book, room: room)
            guard let unit = cycle.gather().first(where: { $0.key == key }) else { return nil }
            for (other, claim) in book.claims.sorted(by: { $0.key < $1.key }) where other != key {
                for placement in claim.placements { cycle.room.reserve(placement) }
            }
            cycle.room.quota = cycle.use
            requests = unit.requests
            goesToOne = requests.count == 1 || QueueCycle.goTogether(requests)
            self.looks = looks
            use = cycle.use
            movable = cycle.placed.filter { $0.mayRestart && GangKey($0.request) == nil }
            self.room = cycle.room
            later = cycle.room
            for work in cycle.draining { later.release(work.placement, freeing: work.used) }
        }

        mutating func fitsNow() -> Bool { QueueCycle.fit(requests, in: &room) != nil }

        /// What may be moved together. A single workload goes to one node, as a gang does that asks for it, and only what
        /// leaves that node helps: so each node by itself, and only such as would have room without all that may go. The
        /// nodes of another gang are open.
        mutating func groups() -> [[PlacedWork]] {
            let sorted = movable.sorted { ($0.sinceMilliseconds, $0.id) > ($1.sinceMilliseconds, $1.id) }
            guard goesToOne else { return fit(after: sorted) == nil ? [] : [sorted] }
            return Dictionary(grouping: sorted, by: \.placement.node).sorted { $0.key < $1.key }.map(\.value)
                .filter { group in
                    // A look at each node is beside those that a search has.
                    let left = looks
                    defer { looks = left }
                    return fit(after: group) != nil
                }
        }

        /// Where the unit goes once these and all that drains have ended.
        private mutating func fit(after gone: [PlacedWork]) -> [PlacementCycle.Placement]? {
            for work in gone { later.release(work.placement, freeing: work.used) }
            defer { for work in gone.reversed() { later.reserve(work.placement, using: work.used) } }
            return QueueCycle.fit(
                requests, in: &later, looks: &looks, on: goesToOne ? gone.first?.placement.node : nil)
        }

        /// Tries every order, and for each both the best place anywhere and the best place elsewhere.
        mutating func outcome(of set: [PlacedWork]) -> Outcome? {
            guard fit(after: set) != nil else { return nil }
            for order in Self.orders(set) {
                for elsewhere in [false, true] {
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
                for move in moves.reversed() {
                    room.release(move.to)
                    later.release(move.to)
                }
                room.quota = before
                later.quota = before
            }
            for work in order {
                let avoided: Set<String> = elsewhere ? [work.placement.node] : []
                room.quota = use
                looks -= 1
                guard let to = room.canPlace(work.request, avoiding: avoided) else { return nil }
                room.reserve(to)
                later.reserve(to)
                use.add(to, of: work.request.placement.tenant)
                moves.append(Move(work: work, to: to))
            }
            later.quota = use
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
