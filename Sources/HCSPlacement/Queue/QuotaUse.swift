import HCSModel

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
        guard let known = self.tenant(tenant) else { return nil }
        return known.quota.limit.exceeded(by: (total[tenant] ?? .zero) + more).map {
            "tenant \(tenant) would pass its limit of \($0)"
        }
    }

    /// Why the tenant may not have a placement: over everything, or in the pools that it is in.
    package func objection(to placement: PlacementCycle.Placement, of tenant: String) -> String? {
        if let why = objection(to: Amounts(placement), for: tenant) { return why }
        guard let quotas = self.tenant(tenant)?.poolQuotas, !quotas.isEmpty else { return nil }
        for (pool, amounts) in inPools(placement).sorted(by: { $0.0 < $1.0 }) {
            let use = (byPool[TenantPool(tenant: tenant, pool: pool)] ?? .zero) + amounts
            if let bound = quotas[pool]?.limit.exceeded(by: use) {
                return "tenant \(tenant) would pass its limit of \(bound) in pool \(pool)"
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
        let use = (byPool[TenantPool(tenant: tenant, pool: pool)] ?? .zero) + asked
        return quota.limit.exceeded(by: use).map { "tenant \(tenant) would pass its limit of \($0) in pool \(pool)" }
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
