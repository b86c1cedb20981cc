import HCSModel

/// What was refused, so that what asks for as much or more is not looked at: where a request fits nowhere, one with more
/// of something fits nowhere either. Right as long as room only becomes less.
struct RefusedRequests {
    /// Apart from amounts, and from what decides nothing of whether it fits.
    private struct Kind: Hashable {
        var first: PlacementRequest
        var precision: Precision?
        var others: [PlacementRequest]
    }

    private typealias Demand = SIMD8<UInt64>
    private var known: [Kind: [(demand: Demand, reason: String)]] = [:]
    private let byTenant: Bool
    private let byPriority: Bool

    /// Of one kind; of more the first stay.
    private static let demandLimit = 64

    /// - Parameters:
    ///   - byTenant: tenants find different room.
    ///   - byPriority: higher priority finds more room.
    init(byTenant: Bool, byPriority: Bool) {
        self.byTenant = byTenant
        self.byPriority = byPriority
    }

    mutating func note(_ requests: [PlacementRequest], _ reason: String) {
        let (kind, demand) = split(requests)
        var list = known[kind] ?? []
        list.removeAll { all(demand .<= $0.demand) }
        guard list.count < Self.demandLimit else { return }
        known[kind] = list + [(demand, reason)]
    }

    /// Why the unit need not be looked at; nil = nothing like it was refused.
    func reason(for requests: [PlacementRequest]) -> String? {
        guard !known.isEmpty else { return nil }
        let (kind, demand) = split(requests)
        return known[kind]?.first { all($0.demand .<= demand) }?.reason
    }

    private func split(_ requests: [PlacementRequest]) -> (Kind, Demand) {
        var first = requests[0]
        let asked = first.placement
        var demand = Demand()
        demand[0] = first.vram.bytes
        demand[1] = UInt64(clamping: asked.devices)
        demand[2] = UInt64(clamping: asked.cpuMilli)
        demand[3] = asked.memory.bytes
        var precision: Precision?
        switch asked.compute {
        case nil: break
        case .share(let thousandths): demand[4] = UInt64(clamping: thousandths)
        case .teraflops(let amount, let of):
            // Bits of positive numbers are in the order of the numbers.
            demand[4] = amount.bitPattern
            precision = of
        }
        if byPriority { demand[5] = UInt64(clamping: 10_000 - asked.priority) }
        first.vram = .zero
        first.placement.devices = 1
        first.placement.cpuMilli = 0
        first.placement.memory = .zero
        first.placement.compute = nil
        first.placement.priority = 0
        first.placement.gang = nil
        first.placement.prefer = []
        first.placement.avoid = []
        first.placement.strategy = .pack
        if !byTenant { first.placement.tenant = PlacementSpec.defaultTenant }
        return (Kind(first: first, precision: precision, others: requests.dropFirst().map(\.ofAnyGang)), demand)
    }
}
