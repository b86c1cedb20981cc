package import HCSModel

/// The rules of the queue: pools, tenants with their quotas, preemption, reservations, defragmentation. The default has
/// one tenant, one pool and no quota.
package struct QueuePolicy: Hashable, Sendable {
    package var preemption: Bool
    package var reservation: Reservation
    package var defragmentation: Defragmentation
    package var pools: [Pool]
    package var tenants: [Tenant]

    /// Room is kept for what has waited long, so that smaller work does not pass it for ever.
    package struct Reservation: Hashable, Sendable {
        /// How long it waits first.
        package var afterSeconds: Int64
        /// How many at once; 0 turns it off.
        package var atOnce: Int
        /// After this the room is given up and the next in line has its turn.
        package var holdSeconds: Int64

        package init(afterSeconds: Int64 = 1800, atOnce: Int = 2, holdSeconds: Int64 = 14_400) {
            self.afterSeconds = afterSeconds
            self.atOnce = atOnce
            self.holdSeconds = holdSeconds
        }
    }

    package struct Defragmentation: Hashable, Sendable {
        /// Whether `hcs defrag --run` may move work.
        package var run: Bool
        /// Most moves of one plan.
        package var moves: Int

        package init(run: Bool = false, moves: Int = 3) {
            self.run = run
            self.moves = moves
        }
    }

    /// Devices by the name of their node and their model; `*` stands for any text.
    package struct Pool: Hashable, Sendable {
        package var name: String
        /// Empty = every node.
        package var nodes: [String]
        /// Empty = every model.
        package var models: [String]

        package init(name: String, nodes: [String] = [], models: [String] = []) {
            self.name = name
            self.nodes = nodes
            self.models = models
        }

        package func contains(node: String, model: String) -> Bool {
            (nodes.isEmpty || nodes.contains { NamePattern.matches($0, node) })
                && (models.isEmpty || models.contains { NamePattern.matches($0, model) })
        }
    }

    package struct Quota: Hashable, Sendable {
        /// May be lent while it is not used, and is taken back by preemption.
        package var guarantee: AmountBound
        package var limit: AmountBound

        package init(guarantee: AmountBound = AmountBound(), limit: AmountBound = AmountBound()) {
            self.guarantee = guarantee
            self.limit = limit
        }
    }

    package struct Tenant: Hashable, Sendable {
        package var name: String
        /// Of two tenants that wait, the one with weight 2 gets twice as much.
        package var weight: Double
        /// Pools that it may use; nil = all.
        package var pools: [String]?
        /// Over everything.
        package var quota: Quota
        package var poolQuotas: [String: Quota]

        package init(
            name: String, weight: Double = 1, pools: [String]? = nil, quota: Quota = Quota(),
            poolQuotas: [String: Quota] = [:]
        ) {
            self.name = name
            self.weight = weight
            self.pools = pools
            self.quota = quota
            self.poolQuotas = poolQuotas
        }
    }

    package static let poolLimit = 64
    package static let tenantLimit = 256

    package init(
        preemption: Bool = true, reservation: Reservation = Reservation(),
        defragmentation: Defragmentation = Defragmentation(), pools: [Pool] = [], tenants: [Tenant] = []
    ) {
        self.preemption = preemption
        self.reservation = reservation
        self.defragmentation = defragmentation
        self.pools = pools
        self.tenants = tenants
    }

    /// nil for a tenant that the policy does not know. `default` is always known; a policy that names none knows all.
    package func tenant(_ name: String) -> Tenant? {
        tenants.first { $0.name == name }
            ?? (tenants.isEmpty || name == PlacementSpec.defaultTenant ? Tenant(name: name) : nil)
    }

    package func weight(of tenant: String) -> Double { self.tenant(tenant)?.weight ?? 1 }

    /// The pool that a device is in: the first that takes it.
    package func pool(node: String, model: String) -> String? {
        pools.first { $0.contains(node: node, model: model) }?.name
    }

    /// Why nothing of this spec can ever be placed under this policy; nil = it can.
    package func objection(to spec: PlacementSpec) -> String? {
        guard let tenant = tenant(spec.tenant) else {
            let known = Set(tenants.map(\.name)).union([PlacementSpec.defaultTenant]).sorted()
            return "no tenant '\(spec.tenant)' in the scheduler's policy; there are: "
                + known.prefix(20).joined(separator: ", ")
        }
        guard let pool = spec.pool else { return nil }
        guard pools.contains(where: { $0.name == pool }) else {
            let known = pools.isEmpty ? "none" : pools.map(\.name).sorted().prefix(20).joined(separator: ", ")
            return "no pool '\(pool)' in the scheduler's policy; there are: \(known)"
        }
        guard tenant.pools?.contains(pool) ?? true else {
            return "tenant \(tenant.name) may not use pool \(pool); it may use: "
                + (tenant.pools ?? []).sorted().joined(separator: ", ")
        }
        return nil
    }
}
