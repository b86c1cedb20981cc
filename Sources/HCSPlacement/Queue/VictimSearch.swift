import HCSModel

/// Whom to end for a unit: the lowest priority that is enough; then the fewest workloads; then the least run time lost.
/// Exact up to three victims of one node; beyond that, and for gangs, none of the set can be spared while the others' and
/// the unit's own places stay.
struct VictimSearch {
    typealias Victim = QueueCycle.Victim

    struct Choice {
        var victims: [Victim]
        var placements: [PlacementCycle.Placement]
    }

    struct Result {
        var choice: Choice?
        /// Not all was tried: a search that goes on might find somebody.
        var isCutOff = false
        /// What is left of them.
        var looks: Int
    }

    private let cycle: QueueCycle
    private let unit: QueueUnit
    private let requests: [PlacementRequest]
    private var looks: Int
    private var isCutOff = false
    private var isTogether: Bool { QueueCycle.goTogether(requests) }
    /// A part of the looks, for single sets.
    private var exactLooks: Int

    static let exactLimit = 4_000

    /// - Parameters:
    ///   - candidates: the cheapest first.
    ///   - looks: places that may be looked for: one for each member of a gang.
    static func run(
        _ cycle: borrowing QueueCycle, for unit: QueueUnit, among candidates: [Victim], looks: Int
    ) -> Result {
        var search = VictimSearch(
            cycle: copy cycle, unit: unit, requests: unit.requests, looks: looks,
            exactLooks: min(exactLimit, looks / 4))
        let choice = search.leastHarm(among: candidates)
        return Result(choice: choice, isCutOff: choice == nil && search.isCutOff, looks: search.looks)
    }

    private init(cycle: QueueCycle, unit: QueueUnit, requests: [PlacementRequest], looks: Int, exactLooks: Int) {
        self.cycle = cycle
        self.unit = unit
        self.requests = requests
        self.looks = looks
        self.exactLooks = exactLooks
    }

    /// Ends as few priorities as are enough, and of these the least.
    private mutating func leastHarm(among candidates: [Victim]) -> Choice? {
        let ends = candidates.indices.filter {
            $0 + 1 == candidates.count || candidates[$0 + 1].priority != candidates[$0].priority
        }.map { $0 + 1 }
        // One room for all priorities, and what a try changes it takes back: a copy of a large pool costs more than that.
        var room = cycle.future(for: unit.key, without: [])
        var use = room.quota as? QuotaUse ?? cycle.use
        var gone = 0
        func end(_ count: Int) {
            while gone < count {
                for work in candidates[gone].works {
                    room.release(work.placement, freeing: work.used)
                    use.remove(work.placement, of: work.request.placement.tenant)
                }
                gone += 1
            }
            while gone > count {
                gone -= 1
                for work in candidates[gone].works.reversed() {
                    room.reserve(work.placement, using: work.used)
                    use.add(work.placement, of: work.request.placement.tenant)
                }
            }
            room.quota = use
        }
        // More of them make more room: the first priority that is enough is found by halves.
        var low = 0
        var high = ends.count
        var known: (level: Int, placements: [PlacementCycle.Placement])?
        while low < high {
            let middle = low == 0 && high == ends.count ? ends.count - 1 : (low + high) / 2
            guard hasLooks else { return nil }
            end(ends[middle])
            if let found = QueueCycle.fit(requests, in: &room, looks: &looks) {
                known = (middle, found)
                high = middle
            } else if middle == ends.count - 1 {
                return nil
            } else {
                low = middle + 1
            }
        }
        for level in low..<ends.count {
            guard hasLooks else { return nil }
            end(ends[level])
            let placements =
                known.flatMap { $0.level == level ? $0.placements : nil }
                ?? QueueCycle.fit(requests, in: &room, looks: &looks)
            guard let placements else { continue }
            let allowed = Array(candidates[..<ends[level]])
            let few = exact(among: allowed)
            let lean = spared(Choice(victims: allowed, placements: placements))
            let found = [few, lean].compactMap(\.self).min { Self.harm($0.victims) < Self.harm($1.victims) }
            if let found { return found }
        }
        return nil
    }

    private var hasLooks: Bool {
        mutating get {
            if looks <= 0 { isCutOff = true }
            return looks > 0
        }
    }

    private static func harm(_ victims: [Victim]) -> (Int, Int, Int64) {
        (
            victims.reduce(Int.min) { max($0, $1.priority) }, victims.reduce(0) { $0 + $1.works.count },
            victims.reduce(0) { $0 + $1.lostMilliseconds }
        )
    }

    // MARK: What may be ended together

    /// Whether a set may be ended together: none of them is within its tenant's guarantee once the others are gone. A part
    /// of a set that may may too.
    private func mayEnd(_ victims: [Victim]) -> Bool {
        guard victims.count > 1 else { return true }
        var use = cycle.use
        return victims.allSatisfy { leave($0, &use) }
    }

    /// Takes a victim out of the account; false, and it may not be ended beside those that are out, where one of its
    /// workloads is within its tenant's guarantee.
    private func leave(_ victim: Victim, _ use: inout QuotaUse) -> Bool {
        for work in victim.works {
            let tenant = work.request.placement.tenant
            if tenant != unit.tenant, use.isCovered(work.placement, of: tenant) { return false }
            use.remove(work.placement, of: tenant)
        }
        return true
    }

    private mutating func choice(_ victims: [Victim]) -> Choice? {
        guard mayEnd(victims) else { return nil }
        var room = cycle.future(for: unit.key, without: victims.flatMap(\.works))
        guard let placements = QueueCycle.fit(requests, in: &room, looks: &looks), mayTake(placements, from: victims)
        else { return nil }
        return Choice(victims: victims, placements: placements)
    }

    /// From whom is not of lower priority a unit takes only what its tenant is guaranteed in fact: a whole device comes to
    /// more than it asks for, and whoever took more would be the next to lose it.
    private func mayTake(_ placements: [PlacementCycle.Placement], from victims: [Victim]) -> Bool {
        guard victims.contains(where: { $0.priority >= unit.priority }) else { return true }
        var rest = cycle.use
        for work in victims.flatMap(\.works) where work.request.placement.tenant == unit.tenant {
            rest.remove(work.placement, of: unit.tenant)
        }
        return rest.isEntitled(
            to: placements.reduce(Amounts.zero) { $0 + Amounts($1) }, tenant: unit.tenant,
            pool: requests.first?.placement.pool)
    }

    // MARK: Few

    /// The best of all sets of one, two and three victims that share a node.
    private mutating func exact(among allowed: [Victim]) -> Choice? {
        var room = cycle.future(for: unit.key, without: [])
        var best: Choice?
        var sets = 50 * Self.exactLimit
        func consider(_ set: [Victim]) {
            sets -= 1
            guard exactLooks > 0, best.map({ Self.harm(set) < Self.harm($0.victims) }) ?? true else { return }
            let works = set.flatMap(\.works)
            for work in works { room.release(work.placement, freeing: work.used) }
            var left = exactLooks
            // Members that go together fit nowhere now: only on a node that somebody leaves.
            let nodes = isTogether ? Set(works.map(\.placement.node)).sorted().map { $0 as String? } : [nil]
            let fits = nodes.contains { QueueCycle.fit(requests, in: &room, looks: &left, on: $0) != nil }
            looks -= exactLooks - left
            exactLooks = left
            for work in works.reversed() { room.reserve(work.placement, using: work.used) }
            if fits, let found = choice(set) { best = found }
        }
        for victim in allowed where exactLooks > 0 { consider([victim]) }
        var onNode: [String: [Victim]] = [:]
        for victim in allowed {
            for node in Set(victim.works.map(\.placement.node)) { onNode[node, default: []].append(victim) }
        }
        let groups = onNode.sorted { $0.key < $1.key }.map(\.value)
        for size in 2...3 {
            // One more victim is worse than any of these, unless gangs count.
            if let best, best.victims.allSatisfy({ $0.works.count == 1 }) { return best }
            for group in groups {
                var subsets = Subsets(count: group.count, size: size)
                while exactLooks > 0, sets > 0, let set = subsets.next() { consider(set.map { group[$0] }) }
            }
        }
        return best
    }

    // MARK: None that can be spared

    /// Starts with all that stand on the nodes that the unit would get, and spares one after the other. nil, and the search
    /// was cut off, where not each of them had its turn: nobody is ended who was not looked at.
    private mutating func spared(_ all: Choice) -> Choice? {
        let nodes = Set(all.placements.map(\.node))
        let near = all.victims.filter { $0.works.contains { nodes.contains($0.placement.node) } }
        guard let start = choice(near) ?? choice(all.victims) ?? choice(lenient(near)) else { return nil }
        var seating = Seating(start, requests, of: unit.tenant, in: cycle.future(for: unit.key, without: []), cycle.use)
        var chosen = start.victims
        var count = 0
        var isFirst = true
        while count != chosen.count, isFirst || looks > 2 * chosen.count {
            count = chosen.count
            // With less room a gang that is fitted in anew may find places that it passed by with more. Where that is
            // too much to do for each, only members move on whose nodes somebody comes back.
            let anew = chosen.count * requests.count <= looks
            var kept: [Victim] = []
            for victim in chosen.reversed() {
                guard hasLooks || !isFirst else { return nil }
                if !seating.takeBack(victim, anew: anew, looks: &looks) { kept.append(victim) }
            }
            chosen = kept.reversed()
            isFirst = false
        }
        return finish(chosen, seating)
    }

    private func finish(_ chosen: [Victim], _ seating: Seating) -> Choice? {
        guard mayTake(seating.seats, from: chosen) else { return nil }
        return Choice(victims: chosen, placements: seating.seats)
    }

    /// A set that takes from each tenant no more than it has borrowed, cheapest first.
    private func lenient(_ near: [Victim]) -> [Victim] {
        var use = cycle.use
        return near.filter { victim in
            var without = use
            guard leave(victim, &without) else { return false }
            use = without
            return true
        }
    }
}

/// A unit's members at their places, in the room that victims left, some of whom come back.
private struct Seating {
    let requests: [PlacementRequest]
    let tenant: String
    /// Of members that go together.
    private let node: String?
    private(set) var seats: [PlacementCycle.Placement]
    private var room: PlacementCycle
    private var use: QuotaUse

    /// - Parameter room: with the victims still in it.
    init(
        _ choice: VictimSearch.Choice, _ requests: [PlacementRequest], of tenant: String, in room: PlacementCycle,
        _ use: QuotaUse
    ) {
        self.requests = requests
        self.tenant = tenant
        seats = choice.placements
        node = QueueCycle.goTogether(requests) ? choice.placements.first?.node : nil
        self.use = room.quota as? QuotaUse ?? use
        self.room = room
        for victim in choice.victims { leave(victim) }
        for seat in seats { take(seat) }
    }

    /// Lets a victim have its room again where the members find places beside it; else all stays as it was.
    /// - Parameter anew: all members are fitted in anew, not only those on the victim's nodes.
    mutating func takeBack(_ victim: QueueCycle.Victim, anew: Bool, looks: inout Int) -> Bool {
        let nodes = Set(victim.works.map(\.placement.node))
        // Its own tenant's limit holds everywhere; members that go together stay on their node.
        let all = anew || victim.tenant == tenant || node != nil
        let moved = seats.indices.filter { all || nodes.contains(seats[$0].node) }
        for i in moved.reversed() { giveUp(seats[i]) }
        for work in victim.works.reversed() {
            room.reserve(work.placement, using: work.used)
            use.add(work.placement, of: work.request.placement.tenant)
        }
        room.quota = use
        looks -= 1
        guard let places = QueueCycle.fit(moved.map { requests[$0] }, in: &room, looks: &looks, on: node)
        else {
            leave(victim)
            for i in moved { take(seats[i]) }
            return false
        }
        for (i, place) in zip(moved, places) {
            seats[i] = place
            take(place)
        }
        return true
    }

    private mutating func leave(_ victim: QueueCycle.Victim) {
        for work in victim.works {
            room.release(work.placement, freeing: work.used)
            use.remove(work.placement, of: work.request.placement.tenant)
        }
    }

    private mutating func take(_ seat: PlacementCycle.Placement) {
        room.reserve(seat)
        use.add(seat, of: tenant)
    }

    private mutating func giveUp(_ seat: PlacementCycle.Placement) {
        room.release(seat)
        use.remove(seat, of: tenant)
    }
}

/// All sets of `size` of the numbers below `count`, in lexicographic order.
struct Subsets: Sequence, IteratorProtocol {
    private let count: Int
    private var indices: [Int]
    private var isDone: Bool

    init(count: Int, size: Int) {
        self.count = count
        indices = Array(0..<size)
        isDone = size > count
    }

    mutating func next() -> [Int]? {
        guard !isDone else { return nil }
        let set = indices
        var i = indices.count - 1
        while i >= 0, indices[i] == count - indices.count + i { i -= 1 }
        guard i >= 0 else {
            isDone = true
            return set
        }
        indices[i] += 1
        for j in indices.indices where j > i { indices[j] = indices[j - 1] + 1 }
        return set
    }
}
