import HCSModel

/// Where everything that waits stands, and what the tenants have.
package struct QueueStanding: Sendable {
    package struct Tenant: Equatable, Sendable {
        package var name: String
        package var use: Amounts
        /// Dominant share of the pool, 0 to 1, before its weight.
        package var share: Double
        /// It has more than it is guaranteed; false where it is guaranteed nothing.
        package var borrows: Bool
    }

    /// Units in the order in which they would be served now, if each got what it asks for.
    package var order: [QueueUnit]
    /// By name.
    package var tenants: [Tenant]

    package init(_ input: QueueInput, policy: QueuePolicy, book: QueueBook) {
        let nowhere = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: []))
        var cycle = QueueCycle(input, policy: policy, book: book, room: nowhere)
        let units = cycle.gather().filter(\.isDue)
        order = QueueCycle.line(units, policy: policy, book: book, now: input.now)
        let served = Set(order.map(\.key))
        var more: [String: Amounts] = [:]
        let use = QuotaUse(policy: policy, input: input)
        var rest = FairOrder(units.filter { !served.contains($0.key) })
        func share(_ tenant: String) -> Double {
            ((use.total[tenant] ?? .zero) + (more[tenant] ?? .zero)).dominantShare(of: input.capacity)
                / policy.weight(of: tenant)
        }
        while let unit = rest.next(share: share) {
            order.append(unit)
            more[unit.tenant, default: .zero] += unit.requests.reduce(Amounts.zero) { $0 + Amounts(asking: $1) }
            rest.sharesChanged(of: [unit.tenant])
        }
        let names = Set(policy.tenants.map(\.name)).union(use.total.keys)
            .union(input.queued.map(\.request.placement.tenant)).union([PlacementSpec.defaultTenant])
        tenants = names.sorted().map { name in
            let total = use.total[name] ?? .zero
            let guarantee = policy.tenant(name)?.quota.guarantee ?? AmountBound()
            return Tenant(
                name: name, use: total, share: total.dominantShare(of: input.capacity),
                borrows: !guarantee.isEmpty && !guarantee.holds(total))
        }
    }
}
