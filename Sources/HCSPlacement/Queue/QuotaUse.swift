package import HCSModel

/// What each tenant has, in all and in each pool; says how much more it may have.
package struct QuotaUse: QuotaCheck {
    private struct TenantPool: Hashable {
        var tenant: String
        var pool: String
    }

    private(set) var total: [String: Amounts] = [:]
    private var byPool: [TenantPool: Amounts] = [:]
    /// The part of `total` that is room kept for what waits: for limits and guarantees it counts, for the order it does not.
    private var kept: [String: Amounts] = [:]
    private struct Ending {
        var tenant: String
        var amounts: Amounts
        var byPool: [String: Amounts]
    }

    /// What was asked to end and has not, beyond what its workload was given since: that starts only when the old attempt
    /// has ended. For limits it counts, since it still runs; for guarantees and the order it does not: ending it once more
    /// makes no room.
    private var endings: [WorkloadID: Ending] = [:]
    private var ending: [String: Amounts] = [:]
    private var endingByPool: [TenantPool: Amounts] = [:]
    /// Tenants that have something else than when that was last asked.
    private var changed: Set<String> = []
    private let policy: QueuePolicy
    private let known: [String: QueuePolicy.Tenant]
    private let pools: [String: [DeviceID: String]]

    package init(policy: QueuePolicy, input: QueueInput) {
        self.policy = policy
        known = Dictionary(policy.tenants.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        pools = input.pools
        for work in input.placed { add(work.placement, of: work.request.placement.tenant) }
        guard !input.draining.isEmpty else { return }
        for work in input.draining { end(work.placement, of: work.id, work.tenant) }
        for work in input.placed { succeed(work.id, with: work.placement) }
    }

    private func tenant(_ name: String) -> QueuePolicy.Tenant? { known[name] ?? policy.tenant(name) }

    mutating func takeChanged() -> Set<String> {
        defer { changed = [] }
        return changed
    }

    package mutating func add(_ placement: PlacementCycle.Placement, of tenant: String) {
        changed.insert(tenant)
        total[tenant, default: .zero] += Amounts(placement)
        for (pool, amounts) in inPools(placement) {
            byPool[TenantPool(tenant: tenant, pool: pool), default: .zero] += amounts
        }
    }

    package mutating func remove(_ placement: PlacementCycle.Placement, of tenant: String) {
        changed.insert(tenant)
        total[tenant] = (total[tenant] ?? .zero) - Amounts(placement)
        for (pool, amounts) in inPools(placement) {
            let key = TenantPool(tenant: tenant, pool: pool)
            byPool[key] = (byPool[key] ?? .zero) - amounts
        }
    }

    package mutating func keep(_ placement: PlacementCycle.Placement, of tenant: String) {
        add(placement, of: tenant)
        kept[tenant, default: .zero] += Amounts(placement)
    }

    mutating func letGo(_ placement: PlacementCycle.Placement, of tenant: String) {
        remove(placement, of: tenant)
        kept[tenant] = (kept[tenant] ?? .zero) - Amounts(placement)
    }

    // MARK: What ends

    /// It was asked to end; where it counted as placed it was removed.
    package mutating func end(_ placement: PlacementCycle.Placement, of id: WorkloadID, _ tenant: String) {
        var all = withdraw(id) ?? Ending(tenant: tenant, amounts: .zero, byPool: [:])
        all.amounts += Amounts(placement)
        for (pool, amounts) in inPools(placement) { all.byPool[pool, default: .zero] += amounts }
        insert(all, of: id)
    }

    /// A workload that still ends elsewhere was given a place: the larger of both counts.
    package mutating func succeed(_ id: WorkloadID, with placement: PlacementCycle.Placement) {
        guard var rest = withdraw(id) else { return }
        rest.amounts = rest.amounts - Amounts(placement)
        for (pool, amounts) in inPools(placement) { rest.byPool[pool] = (rest.byPool[pool] ?? .zero) - amounts }
        insert(rest, of: id)
    }

    func isEnding(_ id: WorkloadID) -> Bool { endings[id] != nil }

    /// As if the old attempts of these had ended.
    package func onceEnded(_ ids: some Sequence<WorkloadID>) -> QuotaUse {
        var use = self
        for id in ids { _ = use.withdraw(id) }
        return use
    }

    /// As if all had ended that is to end.
    var onceAllEnded: QuotaUse {
        guard !endings.isEmpty else { return self }
        var use = self
        use.endings = [:]
        use.ending = [:]
        use.endingByPool = [:]
        return use
    }

    private mutating func insert(_ part: Ending, of id: WorkloadID) {
        endings[id] = part
        ending[part.tenant, default: .zero] += part.amounts
        for (pool, amounts) in part.byPool {
            endingByPool[TenantPool(tenant: part.tenant, pool: pool), default: .zero] += amounts
        }
    }

    private mutating func withdraw(_ id: WorkloadID) -> Ending? {
        guard let part = endings.removeValue(forKey: id) else { return nil }
        ending[part.tenant] = (ending[part.tenant] ?? .zero) - part.amounts
        for (pool, amounts) in part.byPool {
            let key = TenantPool(tenant: part.tenant, pool: pool)
            endingByPool[key] = (endingByPool[key] ?? .zero) - amounts
        }
        return part
    }

    // MARK: Limits

    /// What a placement takes of each pool: its devices there, and CPU and memory with the first of them.
    private func inPools(_ placement: PlacementCycle.Placement) -> [(String, Amounts)] {
        guard let known = pools[placement.node], !known.isEmpty else { return [] }
        var parts: [String: PlacementCycle.Placement] = [:]
        for grant in placement.grants {
            guard let pool = known[grant.device] else { continue }
            parts[
                pool,
                default: PlacementCycle.Placement(
                    node: placement.node, grants: [], cpuMilli: placement.cpuMilli, memory: placement.memory)
            ].grants.append(grant)
        }
        return parts.map { ($0.key, Amounts($0.value)) }
    }

    func share(of tenant: String, capacity: Amounts) -> Double {
        ((total[tenant] ?? .zero) - (kept[tenant] ?? .zero)).dominantShare(of: capacity)
            / (self.tenant(tenant)?.weight ?? 1)
    }

    /// Why the tenant may not have `more`; nil = it may.
    package func objection(to more: Amounts, for tenant: String) -> String? {
        self.tenant(tenant).flatMap { Self.excess($0.quota.limit, total[tenant], ending[tenant], more, tenant) }
    }

    /// Why the tenant may not have `more` in a pool, whatever it has in others.
    private func objection(to more: Amounts, of tenant: String, in pool: String, _ limit: AmountBound) -> String? {
        let key = TenantPool(tenant: tenant, pool: pool)
        return Self.excess(limit, byPool[key], endingByPool[key], more, tenant, " in pool \(pool)")
    }

    private static func excess(
        _ limit: AmountBound, _ held: Amounts?, _ ending: Amounts?, _ more: Amounts, _ tenant: String,
        _ place: String = ""
    ) -> String? {
        let some = (held ?? .zero) + more
        if let bound = limit.exceeded(by: some) { return "tenant \(tenant) would pass its limit of \(bound)\(place)" }
        guard let ending, let bound = limit.exceeded(by: some + ending) else { return nil }
        return "tenant \(tenant) would pass its limit of \(bound)\(place) until what is being stopped has ended"
    }

    /// Why the tenant passes its limit, over everything or in a pool, with what it has.
    func excess(of tenant: String) -> String? {
        if let why = objection(to: .zero, for: tenant) { return why }
        for (pool, quota) in (self.tenant(tenant)?.poolQuotas ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let why = objection(to: .zero, of: tenant, in: pool, quota.limit) { return why }
        }
        return nil
    }

    /// Why the tenant may not have a placement: over everything, or in the pools that it is in.
    package func objection(to placement: PlacementCycle.Placement, of tenant: String) -> String? {
        if let why = objection(to: Amounts(placement), for: tenant) { return why }
        guard let quotas = self.tenant(tenant)?.poolQuotas, !quotas.isEmpty else { return nil }
        for (pool, amounts) in inPools(placement).sorted(by: { $0.0 < $1.0 }) {
            if let limit = quotas[pool]?.limit, let why = objection(to: amounts, of: tenant, in: pool, limit) {
                return why
            }
        }
        return nil
    }

    /// nil = the tenant may have what is asked for in that pool.
    package func objection(to request: PlacementRequest, inPool pool: String?) -> String? {
        let tenant = request.placement.tenant
        guard let known = self.tenant(tenant) else { return nil }
        if let allowed = known.pools, !(pool.map(allowed.contains) ?? false) {
            return "in no pool of tenant \(tenant)"
        }
        let asked = Amounts(asking: request)
        if let why = objection(to: asked, for: tenant) { return why }
        guard let pool, let quota = known.poolQuotas[pool] else { return nil }
        return objection(to: asked, of: tenant, in: pool, quota.limit)
    }

    /// Whether `more` is within what the tenant is guaranteed: over everything, or in the pool that is asked for.
    func isEntitled(to more: Amounts, tenant: String, pool: String?) -> Bool {
        guard let known = self.tenant(tenant) else { return false }
        let whole = known.quota.guarantee
        if !whole.isEmpty, whole.holds((total[tenant] ?? .zero) + more) { return true }
        guard let pool, let part = known.poolQuotas[pool]?.guarantee, !part.isEmpty else { return false }
        return part.holds((byPool[TenantPool(tenant: tenant, pool: pool)] ?? .zero) + more)
    }

    /// Whether what is placed is within its tenant's guarantee: nobody else takes it away.
    func isCovered(_ placement: PlacementCycle.Placement, of tenant: String) -> Bool {
        guard let known = self.tenant(tenant) else { return false }
        let whole = known.quota.guarantee
        if !whole.isEmpty, whole.holds(total[tenant] ?? .zero) { return true }
        return inPools(placement).contains { pool, _ in
            guard let part = known.poolQuotas[pool]?.guarantee, !part.isEmpty else { return false }
            return part.holds(byPool[TenantPool(tenant: tenant, pool: pool)] ?? .zero)
        }
    }
}
