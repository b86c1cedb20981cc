import HCSModel

/// One pass over all that waits: order, quotas, gangs, reservations, preemption. Pure: input, book and room in,
/// decisions out; equal input gives equal output.
///
/// Order: what has waited beyond the reservation time, oldest first; then by priority; within one by the tenants'
/// dominant shares, each by its weight; within a tenant by age. What fits nowhere does not hold up the rest, except
/// through the room that a reservation keeps.
package struct QueueCycle {
    /// A preemptor that preempted in vain waits so long.
    package static let restMilliseconds: Int64 = 60_000
    /// One that searched for victims in vain searches again after this, later where many do.
    static let searchRestMilliseconds: Int64 = 10_000
    /// A victim gets so long over its grace to end.
    package static let victimSlackMilliseconds: Int64 = 60_000
    /// Units for which victims are searched in one cycle; the next ones have their turn in the next.
    static let preemptionsAtOnce = 8
    package static let nodesLookedAt = 400_000
    private static let leastLooks = 16
    /// Places that one search for victims, or for moves, looks for: one for a workload, one for each member of a gang. So
    /// it costs the same whatever is searched for.
    package static let searchLimit = 32_000
    /// All searches of one cycle together, those for reservations included.
    package static let searchesLimit = 64_000

    let policy: QueuePolicy
    let input: QueueInput

    var book: QueueBook
    var use: QuotaUse
    var room: PlacementCycle
    var decisions: [QueueDecision] = []
    /// What has a place and may keep it.
    var placed: [PlacedWork] { didSet { knownVictims = nil } }
    var draining: [DrainingWork]
    /// What may be ended as one, the cheapest first; nil = not looked for since something changed.
    var knownVictims: [Victim]?
    /// A cycle only fills: what was refused stays refused in it.
    private var refused: RefusedRequests
    /// For which no victims are enough.
    var inVain: RefusedRequests
    var preemptionsLeft = QueueCycle.preemptionsAtOnce
    var searchLooksLeft = QueueCycle.searchesLimit
    /// Places that may be looked for, in this round, for gangs that go to one node.
    var togetherLooksLeft = QueueCycle.searchLimit
    private var looked: Set<[PlacementRequest]> = []
    private var looksLeft = 0

    /// Runs a cycle.
    /// - Parameters:
    ///   - book: what the last cycle left.
    ///   - room: with all that is placed and all that drains in it; afterwards also what was decided and is kept.
    ///   - nodesLookedAt: for requests that are new to the cycle: what comes later in the order has its turn in one of
    ///     the next cycles.
    ///   - searchLooks: places that all searches for victims may look for, one for each member of a gang.
    package static func run(
        _ input: QueueInput, policy: QueuePolicy, book: inout QueueBook, room: inout PlacementCycle,
        nodesLookedAt: Int = QueueCycle.nodesLookedAt, searchLooks: Int = QueueCycle.searchesLimit
    ) -> [QueueDecision] {
        let nodes = room.snapshot.nodes.count
        // Given away and back: a copy of the room would be made in full.
        var cycle = QueueCycle(input, policy: policy, book: book, room: consume room)
        cycle.looksLeft = max(leastLooks, nodesLookedAt / max(1, nodes))
        cycle.searchLooksLeft = searchLooks
        cycle.run()
        book = cycle.book
        room = cycle.room
        return cycle.decisions
    }

    init(_ input: QueueInput, policy: QueuePolicy, book: QueueBook, room: consuming PlacementCycle) {
        self.policy = policy
        self.input = input
        self.book = book
        self.room = room
        placed = input.placed
        draining = input.draining
        use = QuotaUse(policy: policy, input: input)
        let byTenant = !policy.tenants.isEmpty
        refused = RefusedRequests(byTenant: byTenant, byPriority: false)
        inVain = RefusedRequests(byTenant: byTenant, byPriority: true)
    }

    private mutating func run() {
        let units = gather()
        if !input.isPartial { book.keep(Set(units.map(\.key))) }
        for (_, claim) in book.claims.sorted(by: { $0.key < $1.key }) { hold(claim) }
        var waiting: [QueueUnit] = []
        for unit in units where isReady(unit) { waiting.append(unit) }
        let settled = settleOldClaims(of: waiting)
        waiting.removeAll { settled.contains($0.key) }
        let line = Self.line(waiting, policy: policy, book: book, now: input.now)
        for unit in line { serveReserved(unit) }
        let served = Set(line.map(\.key))
        var order = FairOrder(waiting.filter { !served.contains($0.key) })
        let looks = looksLeft
        var passed: Set<UnitKey> = []
        _ = use.takeChanged()
        while let unit = order.next(share: { use.share(of: $0, capacity: input.capacity) }) {
            defer { order.sharesChanged(of: use.takeChanged()) }
            let isKnown = refused.reason(for: unit.requests) != nil || looked.contains(unit.asked)
            // Half of the looks are for those that were passed over before.
            guard isKnown || looksLeft > (book.passedOver.contains(unit.key) ? 0 : looks / 2) else {
                passed.insert(unit.key)
                continue
            }
            book.passedOver.remove(unit.key)
            if !serve(unit) { preemptOrWait(unit) }
        }
        guard !input.isPartial else { return }
        // Only when all of them had their turn do others come.
        book.passedOver.formIntersection(passed)
        if book.passedOver.isEmpty { book.passedOver = passed }
    }

    // MARK: Order

    /// What has a claim, by its age, and what has waited so long that it goes before the rest: as many as may have a
    /// reservation.
    static func line(_ units: [QueueUnit], policy: QueuePolicy, book: QueueBook, now: Int64) -> [QueueUnit] {
        let claimed = units.filter { book.claims[$0.key] != nil }.sorted {
            let a = book.claims[$0.key]?.sinceMilliseconds ?? 0, b = book.claims[$1.key]?.sinceMilliseconds ?? 0
            return (a, $0.key) < (b, $1.key)
        }
        let free = policy.reservation.atOnce - claimed.count { book.claims[$0.key]?.kind == .reservation }
        guard free > 0 else { return claimed }
        func since(_ unit: QueueUnit) -> Int64 { max(unit.queuedMilliseconds, book.gaveUp[unit.key] ?? .min) }
        let late = units.filter {
            book.claims[$0.key] == nil && book.hopelessUntil[$0.key] ?? .min <= now
                && now - since($0) >= policy.reservation.afterSeconds * 1000
        }.sorted { (since($0), $0.key) < (since($1), $1.key) }
        return claimed + late.prefix(free)
    }

    // MARK: Serving

    /// Units in back-off and such as the policy does not allow only get their reason.
    private mutating func isReady(_ unit: QueueUnit) -> Bool {
        if let why = unit.requests.compactMap({ policy.objection(to: $0.placement) }).first {
            wait(unit, .policy, why)
            return false
        }
        if !unit.isDue {
            decisions += unit.members.filter(\.isDue).map {
                .wait(
                    $0.id, .backoff,
                    reason: "waits for another member of \(unit.name), which waits before it is tried again")
            }
            return false
        }
        return true
    }

    private mutating func serve(_ unit: QueueUnit) -> Bool {
        guard refused.reason(for: unit.requests) == nil else { return false }
        if looked.insert(unit.asked).inserted { looksLeft -= unit.members.count }
        switch place(unit) {
        case .placed(let placements):
            take(unit, placements)
            return true
        case .refused(let why):
            refused.note(unit.requests, why)
            return false
        case .overQuota(let why):
            // It holds up nobody's reservation.
            book.hopelessUntil[unit.key] = input.now + Self.restMilliseconds
            wait(unit, .quota, why)
            return true
        case .cutOff(let why):
            // Nobody is ended for want of a place that may be there.
            wait(unit, .room, why)
            return true
        }
    }

    private mutating func preemptOrWait(_ unit: QueueUnit) {
        guard !preempt(for: unit) else { return }
        wait(unit, .room, whyNoRoom(unit))
    }

    /// Without figures that change all the time, as all reasons.
    private func whyNoRoom(_ unit: QueueUnit) -> String {
        let why = refused.reason(for: unit.requests) ?? "no room"
        return why + (book.cutOff.contains(unit.key) ? "; the search for what to end for it was cut off" : "")
    }

    /// A unit that has room kept, or that has waited so long that room is to be kept for it.
    private mutating func serveReserved(_ unit: QueueUnit) {
        guard let claim = book.claims[unit.key] else {
            if !serve(unit) && !preempt(for: unit) && !reserve(for: unit) {
                wait(unit, .room, whyNoRoom(unit))
            }
            return
        }
        book.claims[unit.key] = nil
        letGo(claim)
        switch place(unit) {
        case .placed(let placements): take(unit, placements)
        // Room that comes free some day does not keep it from what it may have now.
        case .refused where claim.kind == .reservation && preempt(for: unit): break
        case .refused, .overQuota, .cutOff: keep(claim, for: unit)
        }
    }

    /// Claims that are over come free before anything is refused for want of their room. Whoever gives one up has its turn
    /// like all others.
    /// - Returns: what was placed.
    private mutating func settleOldClaims(of units: [QueueUnit]) -> Set<UnitKey> {
        var settled: Set<UnitKey> = []
        for unit in Self.line(units, policy: policy, book: book, now: input.now) {
            guard let claim = book.claims[unit.key], isOver(claim) || !isWithinLimits(claim) else { continue }
            book.claims[unit.key] = nil
            letGo(claim)
            if case .placed(let placements) = place(unit) {
                take(unit, placements)
                settled.insert(unit.key)
                continue
            }
            switch claim.kind {
            case .preemption: book.restsUntil[unit.key] = input.now + Self.restMilliseconds
            case .reservation: if input.now >= claim.untilMilliseconds { book.gaveUp[unit.key] = input.now }
            }
        }
        return settled
    }

    private mutating func take(_ unit: QueueUnit, _ placements: [PlacementCycle.Placement]) {
        for (member, placement) in zip(unit.members, placements) {
            decisions.append(.place(member.id, placement))
            use.add(placement, of: unit.tenant)
            use.succeed(member.id, with: placement)
        }
    }

    mutating func wait(_ unit: QueueUnit, _ code: WaitCode, _ reason: String) {
        decisions += unit.members.map { .wait($0.id, code, reason: reason) }
    }

    // MARK: Room

    enum Attempt {
        case placed([PlacementCycle.Placement])
        case refused(String)
        case overQuota(String)
        /// Not all was looked at in this round.
        case cutOff(String)
    }

    /// Places all members or none.
    private mutating func place(_ unit: QueueUnit) -> Attempt {
        let asked = unit.requests.reduce(Amounts.zero) { $0 + Amounts(asking: $1) }
        // Its own last attempts end before it starts.
        let leaving = unit.members.map(\.id).filter(use.isEnding)
        var use = leaving.isEmpty ? use : use.onceEnded(leaving)
        if let why = use.objection(to: asked, for: unit.tenant) { return .overQuota(why) }
        guard !Self.goTogether(unit.requests) else {
            return placeTogether(unit, within: use, leaving: !leaving.isEmpty)
        }
        defer { room.quota = nil }
        var done: [PlacementCycle.Placement] = []
        func undo(_ room: inout PlacementCycle) { for placement in done.reversed() { room.release(placement) } }
        for member in unit.members {
            room.quota = use
            switch placeWithinLimits(member.request, use) {
            case .refused(let why):
                undo(&room)
                return .refused(
                    unit.members.count == 1
                        ? why : "room for \(done.count) of \(unit.members.count) members: \(why)")
            case .placed(let placements):
                done += placements
                // A copy for all tenants: not for one that nobody asks.
                if done.count < unit.members.count {
                    for placement in placements { use.add(placement, of: unit.tenant) }
                }
            case let other:
                undo(&room)
                return other
            }
        }
        if !leaving.isEmpty, let over = excess(of: unit, on: done) {
            undo(&room)
            return .overQuota(over)
        }
        return .placed(done)
    }

    /// Nodes that are tried for a request of which only a place tells what it comes to.
    private static let nodesTried = 8

    /// What a whole device or TFLOPS come to is known only once there is a place: where the best one is beyond the tenant's
    /// limit, one on another node may not be.
    private mutating func placeWithinLimits(_ request: PlacementRequest, _ use: QuotaUse) -> Attempt {
        var tried: Set<String> = []
        var over: String?
        while true {
            switch room.place(request, avoiding: tried) {
            case .refused(let refusal): return over.map { .overQuota($0) } ?? .refused(refusal.summary)
            case .placed(let placement):
                guard let why = use.objection(to: placement, of: request.placement.tenant) else {
                    return .placed([placement])
                }
                room.release(placement)
                tried.insert(placement.node)
                if tried.count == Self.nodesTried { return .overQuota(over ?? why) }
                over = over ?? why
            }
        }
    }

    /// Why the unit's tenant would pass its limit with it, the larger of each member's old and new place counted.
    func excess(of unit: QueueUnit, on placements: [PlacementCycle.Placement]) -> String? {
        var use = use
        for (member, placement) in zip(unit.members, placements) {
            use.add(placement, of: unit.tenant)
            use.succeed(member.id, with: placement)
        }
        return use.excess(of: unit.tenant)
    }

    /// The room as it will be when all that is to end has ended, without what `gone` names; other units' claims are
    /// taken.
    func future(for key: UnitKey, without gone: some Sequence<PlacedWork>) -> PlacementCycle {
        var room = room
        var use = use.onceAllEnded
        for work in gone { use.remove(work.placement, of: work.request.placement.tenant) }
        if let claim = book.claims[key] { for placement in claim.placements { use.letGo(placement, of: claim.tenant) } }
        room.quota = use
        for work in draining where comesFree(work) { room.release(work.placement, freeing: work.used) }
        for work in gone { room.release(work.placement, freeing: work.used) }
        for placement in book.claims[key]?.placements ?? [] { room.release(placement) }
        return room
    }

    /// What should have ended long ago is no room to wait for.
    func comesFree(_ work: DrainingWork) -> Bool {
        work.endsByMilliseconds > input.now - Self.victimSlackMilliseconds
    }

    // MARK: Claims

    private func isOver(_ claim: QueueBook.Claim) -> Bool {
        if input.now >= claim.untilMilliseconds { return true }
        switch claim.kind {
        case .preemption: return !draining.contains { claim.waitsFor.contains($0.id) }
        case .reservation: return !claim.placements.allSatisfy(isInService)
        }
    }

    /// Its place was not lost with a node or a device.
    private func isInService(_ placement: PlacementCycle.Placement) -> Bool {
        guard let node = room.snapshot.nodes.first(where: { $0.name == placement.node }), node.notReady == nil else {
            return false
        }
        return placement.grants.allSatisfy { grant in
            node.devices.contains {
                $0.device.id == grant.device && $0.health.band.acceptsWork && $0.blocked == nil && $0.cordon == nil
            }
        }
    }

    /// What is kept for a unit counts as its tenant's: one guarantee or limit does not keep room twice.
    private mutating func hold(_ claim: QueueBook.Claim) {
        for placement in claim.placements {
            room.reserve(placement)
            use.keep(placement, of: claim.tenant)
        }
    }

    private mutating func letGo(_ claim: QueueBook.Claim) {
        for placement in claim.placements {
            room.release(placement)
            use.letGo(placement, of: claim.tenant)
        }
    }

    /// Whether its tenant may have what is kept, once all has ended that is to end: others were ended for it, and what its
    /// tenant still stops does not make that vain.
    private func isWithinLimits(_ claim: QueueBook.Claim) -> Bool {
        guard !policy.tenants.isEmpty else { return true }
        var use = use.onceAllEnded
        for placement in claim.placements { use.letGo(placement, of: claim.tenant) }
        for placement in claim.placements {
            if use.objection(to: placement, of: claim.tenant) != nil { return false }
            use.add(placement, of: claim.tenant)
        }
        return true
    }

    /// Keeps room for a unit from now on.
    mutating func keep(_ claim: QueueBook.Claim, for unit: QueueUnit) {
        book.claims[unit.key] = claim
        hold(claim)
        wait(unit, claim.kind == .preemption ? .preempting : .reserved, claim.reason)
    }

    /// Keeps the room that is free soonest: of what ends by its own limit first, then of what has run longest. False
    /// where even the empty pool has no room, or where the cycle has searched enough.
    private mutating func reserve(for unit: QueueUnit) -> Bool {
        guard searchLooksLeft > 0 else { return false }
        let ending = placed.sorted {
            ($0.latestEndMilliseconds ?? .max, $0.sinceMilliseconds, $0.id)
                < ($1.latestEndMilliseconds ?? .max, $1.sinceMilliseconds, $1.id)
        }
        func fit(_ count: Int) -> [PlacementCycle.Placement]? {
            var room = future(for: unit.key, without: ending.prefix(count))
            // What ends makes room, and no quota: its tenant may start the next.
            room.quota = use.onceAllEnded
            return Self.fit(unit.requests, in: &room, looks: &searchLooksLeft)
        }
        guard var best = fit(ending.count) else {
            if searchLooksLeft > 0 { book.hopelessUntil[unit.key] = input.now + Self.restMilliseconds }
            return false
        }
        var low = 0
        var high = ending.count
        while low < high {
            let middle = (low + high) / 2
            if let found = fit(middle) {
                best = found
                high = middle
            } else {
                low = middle + 1
            }
        }
        let nodes = Set(best.map(\.node)).sorted()
        let reason = "it has waited long: room is kept for it on \(Self.list(nodes))"
        keep(
            QueueBook.Claim(
                kind: .reservation, tenant: unit.tenant, placements: best, waitsFor: [], sinceMilliseconds: input.now,
                untilMilliseconds: input.now + policy.reservation.holdSeconds * 1000, reason: reason), for: unit)
        return true
    }

    static func list(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
    }
}
