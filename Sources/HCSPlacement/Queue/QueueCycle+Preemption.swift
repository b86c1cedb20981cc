import HCSModel

extension QueueCycle {
    /// What is ended as one.
    struct Victim: Equatable {
        var key: UnitKey
        var works: [PlacedWork]
        var priority: Int
        /// Run time that a restart would lose, summed over its workloads.
        var lostMilliseconds: Int64

        var tenant: String { works[0].request.placement.tenant }

        func costsLess(than other: Victim) -> Bool {
            (priority, works.count, lostMilliseconds, works[0].id)
                < (other.priority, other.works.count, other.lostMilliseconds, other.works[0].id)
        }
    }

    /// Ends the least that makes room for a unit, and keeps the room for it. False where nothing may be ended, or
    /// nothing helps.
    mutating func preempt(for unit: QueueUnit) -> Bool {
        guard policy.preemption, preemptionsLeft > 0, book.restsUntil[unit.key] ?? .min <= input.now,
            inVain.reason(for: unit.requests) == nil
        else { return false }
        let candidates = victims(for: unit)
        guard !candidates.isEmpty else {
            inVain.note(unit.requests, "")
            return false
        }
        if !draining.isEmpty || book.claims[unit.key] != nil {
            var present = future(for: unit.key, without: [])
            if let placements = Self.fit(unit.requests, in: &present) {
                claim(placements, for: unit, ending: [])
                return true
            }
        }
        preemptionsLeft -= 1
        guard let chosen = leastHarm(for: unit, among: candidates) else {
            inVain.note(unit.requests, "")
            // So long that all of them have their turn.
            let resting = book.restsUntil.values.count { $0 > input.now }
            let turns = Int64(resting / Self.preemptionsAtOnce) * 1000
            book.restsUntil[unit.key] = input.now + max(Self.searchRestMilliseconds, turns)
            return false
        }
        claim(chosen.placements, for: unit, ending: chosen.victims.flatMap(\.works))
        return true
    }

    private mutating func claim(
        _ placements: [PlacementCycle.Placement], for unit: QueueUnit, ending works: [PlacedWork]
    ) {
        let grace = works.reduce(0) { max($0, $1.graceSeconds) }
        let nodes = Set(placements.map(\.node)).sorted()
        let names = works.map(\.name).sorted()
        let reason =
            names.isEmpty
            ? "waits for the end of what is being stopped on \(Self.list(nodes))"
            : "takes the place of \(Self.list(names)) on \(Self.list(nodes)), once ended"
        for work in works {
            decisions.append(
                .preempt(
                    work.id, reason: "preempted by \(unit.name) of tenant \(unit.tenant), priority \(unit.priority)"))
            forget(work)
        }
        // Where nothing was ended for it, it waits for all that is being ended: some of that is its room.
        let waitsFor = works.isEmpty ? draining.map(\.id) : works.map(\.id)
        keep(
            QueueBook.Claim(
                kind: .preemption, tenant: unit.tenant, placements: placements, waitsFor: Set(waitsFor),
                sinceMilliseconds: input.now,
                untilMilliseconds: input.now + Int64(grace) * 1000 + Self.victimSlackMilliseconds, reason: reason),
            for: unit)
    }

    // MARK: Who may be ended

    /// Of strictly lower priority, or of a tenant that has borrowed what the unit's tenant is guaranteed. What could
    /// not be started again is left alone, and so is what its tenant is guaranteed, but for the tenant's own work.
    private mutating func victims(for unit: QueueUnit) -> [Victim] {
        let asked = unit.requests.reduce(Amounts.zero) { $0 + Amounts(asking: $1) }
        let entitled = use.isEntitled(
            to: asked, tenant: unit.tenant, pool: unit.requests.first?.placement.pool)
        let all = allVictims()
        // The first has the lowest priority.
        guard let first = all.first, entitled || first.priority < unit.priority else { return [] }
        return all.filter { victim in
            guard victim.key != unit.key else { return false }
            let isOwn = victim.tenant == unit.tenant
            guard victim.priority < unit.priority || entitled && !isOwn else { return false }
            return isOwn || !victim.works.contains { use.isCovered($0.placement, of: victim.tenant) }
        }
    }

    /// All that could be started again, the cheapest first.
    private mutating func allVictims() -> [Victim] {
        if let knownVictims { return knownVictims }
        let groups = Dictionary(grouping: placed) { UnitKey($0.id, $0.request) }
        let all = groups.filter { $0.value.allSatisfy(\.mayRestart) }.map { key, works in
            Victim(
                key: key, works: works.sorted { $0.id < $1.id },
                priority: works.reduce(Int.min) { max($0, $1.request.placement.priority) },
                lostMilliseconds: works.reduce(Int64(0)) { $0 + max(0, input.now - $1.sinceMilliseconds) })
        }.sorted { $0.costsLess(than: $1) }
        knownVictims = all
        return all
    }

    /// Whether a set may be ended together: none of them is within its tenant's guarantee once the others are gone.
    private func mayEnd(_ victims: [Victim], for unit: QueueUnit) -> Bool {
        guard victims.count > 1 else { return true }
        var use = use
        for victim in victims {
            for work in victim.works {
                let tenant = work.request.placement.tenant
                if tenant != unit.tenant, use.isCovered(work.placement, of: tenant) { return false }
                use.remove(work.placement, of: tenant)
            }
        }
        return true
    }

    // MARK: The least harm

    struct Choice {
        var victims: [Victim]
        var placements: [PlacementCycle.Placement]
    }

    /// The lowest priority that is enough; then the fewest workloads; then the least run time lost. Exact up to three
    /// victims of one node; beyond that, and for gangs, none of the set can be spared.
    private func leastHarm(for unit: QueueUnit, among candidates: [Victim]) -> Choice? {
        // One room for all priorities, and what a try changes it takes back: a copy of a large pool costs more than that.
        var room = future(for: unit.key, without: [])
        var use = use.onceAllEnded
        var count = 0
        while count < candidates.count {
            let priority = candidates[count].priority
            while count < candidates.count, candidates[count].priority == priority {
                for work in candidates[count].works {
                    room.release(work.placement, freeing: work.used)
                    use.remove(work.placement, of: work.request.placement.tenant)
                }
                count += 1
            }
            room.quota = use
            guard let placements = Self.fit(unit.requests, in: &room) else { continue }
            let allowed = Array(candidates[..<count])
            var budget = Self.searchLimit
            var spare = Self.searchLimit
            let few = exact(for: unit, among: allowed, budget: &budget)
            let lean = spared(Choice(victims: allowed, placements: placements), for: unit, budget: &spare)
            let found = [few, lean].compactMap(\.self).min { Self.harm($0.victims) < Self.harm($1.victims) }
            if let found { return found }
        }
        return nil
    }

    private static func harm(_ victims: [Victim]) -> (Int, Int, Int64) {
        (
            victims.reduce(Int.min) { max($0, $1.priority) }, victims.reduce(0) { $0 + $1.works.count },
            victims.reduce(0) { $0 + $1.lostMilliseconds }
        )
    }

    private func choice(_ victims: [Victim], for unit: QueueUnit) -> Choice? {
        guard mayEnd(victims, for: unit) else { return nil }
        var room = future(for: unit.key, without: victims.flatMap(\.works))
        guard let placements = Self.fit(unit.requests, in: &room), mayTake(placements, from: victims, for: unit) else {
            return nil
        }
        return Choice(victims: victims, placements: placements)
    }

    /// From whom is not of lower priority a unit takes only what its tenant is guaranteed in fact: a whole device comes to
    /// more than it asks for, and whoever took more would be the next to lose it.
    private func mayTake(_ placements: [PlacementCycle.Placement], from victims: [Victim], for unit: QueueUnit) -> Bool
    {
        guard victims.contains(where: { $0.priority >= unit.priority }) else { return true }
        var rest = use
        for work in victims.flatMap(\.works) where work.request.placement.tenant == unit.tenant {
            rest.remove(work.placement, of: unit.tenant)
        }
        return rest.isEntitled(
            to: placements.reduce(Amounts.zero) { $0 + Amounts($1) }, tenant: unit.tenant,
            pool: unit.requests.first?.placement.pool)
    }

    /// The best of all sets of one, two and three victims that share a node.
    private func exact(for unit: QueueUnit, among allowed: [Victim], budget: inout Int) -> Choice? {
        var room = future(for: unit.key, without: [])
        var best: Choice?
        var looks = 50 * Self.searchLimit
        func consider(_ set: [Victim]) {
            looks -= 1
            guard budget > 0, best.map({ Self.harm(set) < Self.harm($0.victims) }) ?? true else { return }
            budget -= 1
            let works = set.flatMap(\.works)
            for work in works { room.release(work.placement, freeing: work.used) }
            let fits = Self.fit(unit.requests, in: &room) != nil
            for work in works.reversed() { room.reserve(work.placement, using: work.used) }
            if fits, let found = choice(set, for: unit) { best = found }
        }
        for victim in allowed { consider([victim]) }
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
                while budget > 0, looks > 0, let set = subsets.next() { consider(set.map { group[$0] }) }
            }
        }
        return best
    }

    /// Starts with all that stand on the nodes that the unit would get, and spares one after the other.
    private func spared(_ all: Choice, for unit: QueueUnit, budget: inout Int) -> Choice? {
        let nodes = Set(all.placements.map(\.node))
        let near = all.victims.filter { $0.works.contains { nodes.contains($0.placement.node) } }
        guard let start = choice(near, for: unit) ?? choice(all.victims, for: unit) ?? lenient(near, for: unit) else {
            return nil
        }
        var chosen = start.victims
        var room = future(for: unit.key, without: chosen.flatMap(\.works))
        // A gang is fitted in member by member, so with less room it may find a place that it passed by with more: until
        // nothing more is spared.
        var count = 0
        while count != chosen.count, budget > 0 {
            count = chosen.count
            for victim in chosen.reversed() where budget > 0 {
                budget -= 1
                let fewer = chosen.filter { $0.key != victim.key }
                for work in victim.works.reversed() { room.reserve(work.placement, using: work.used) }
                room.quota = useWithout(fewer)
                if mayEnd(fewer, for: unit), Self.fit(unit.requests, in: &room) != nil {
                    chosen = fewer
                } else {
                    for work in victim.works { room.release(work.placement, freeing: work.used) }
                }
            }
        }
        return choice(chosen, for: unit)
    }

    private func useWithout(_ victims: [Victim]) -> QuotaUse {
        var use = use.onceAllEnded
        for work in victims.flatMap(\.works) { use.remove(work.placement, of: work.request.placement.tenant) }
        return use
    }

    /// A set that takes from each tenant no more than it has borrowed, cheapest first.
    private func lenient(_ near: [Victim], for unit: QueueUnit) -> Choice? {
        var set: [Victim] = []
        for victim in near where mayEnd(set + [victim], for: unit) { set.append(victim) }
        return choice(set, for: unit)
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
