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
        guard policy.preemption, preemptionsLeft > 0, searchLooksLeft > 0,
            book.restsUntil[unit.key] ?? .min <= input.now
        else { return false }
        if let known = inVain.reason(for: unit.requests) {
            note(unit, isCutOff: known == Self.cutOffNote)
            return false
        }
        let candidates = victims(for: unit)
        guard !candidates.isEmpty else {
            inVain.note(unit.requests, "")
            note(unit, isCutOff: false)
            return false
        }
        if !draining.isEmpty || book.claims[unit.key] != nil {
            var present = future(for: unit.key, without: [])
            if let placements = Self.fit(unit.requests, in: &present, looks: &searchLooksLeft) {
                claim(placements, for: unit, ending: [])
                return true
            }
        }
        preemptionsLeft -= 1
        let looks = min(Self.searchLimit, searchLooksLeft)
        let search = VictimSearch.run(self, for: unit, among: candidates, looks: looks)
        searchLooksLeft -= looks - search.looks
        guard let chosen = search.choice else {
            inVain.note(unit.requests, search.isCutOff ? Self.cutOffNote : "")
            note(unit, isCutOff: search.isCutOff)
            // So long that all of them have their turn.
            let resting = book.restsUntil.values.count { $0 > input.now }
            let turns = Int64(resting / Self.preemptionsAtOnce) * 1000
            book.restsUntil[unit.key] = input.now + max(Self.searchRestMilliseconds, turns)
            return false
        }
        claim(chosen.placements, for: unit, ending: chosen.victims.flatMap(\.works))
        return true
    }

    private static let cutOffNote = "cut off"
    /// The longest grace there is (WorkloadSpec).
    private static let longestEnd: Int64 = 3_600_000

    private mutating func note(_ unit: QueueUnit, isCutOff: Bool) {
        if isCutOff { book.cutOff.insert(unit.key) } else { book.cutOff.remove(unit.key) }
    }

    private mutating func claim(
        _ placements: [PlacementCycle.Placement], for unit: QueueUnit, ending works: [PlacedWork]
    ) {
        note(unit, isCutOff: false)
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
        }
        forget(works)
        // Beside what was ended for it all that ends on its nodes: some of that is its room.
        let waitsFor = draining.filter { nodes.contains($0.placement.node) && comesFree($0) }
        let last = waitsFor.reduce(input.now) { max($0, min($1.endsByMilliseconds, input.now + Self.longestEnd)) }
        keep(
            QueueBook.Claim(
                kind: .preemption, tenant: unit.tenant, placements: placements, waitsFor: Set(waitsFor.map(\.id)),
                sinceMilliseconds: input.now, untilMilliseconds: last + Self.victimSlackMilliseconds, reason: reason),
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
}
