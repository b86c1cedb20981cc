package import HCSModel

/// Looks for single changes with which a request that fits nowhere would fit. Pure; every answer was placed.
package struct PlanSearch {
    private var cycle: PlacementCycle
    private let request: PlacementRequest
    /// How many go together with it to one node, itself included; they change with it.
    private let members: Int
    private var found: [PlacementChange] = []
    /// Places that may be looked for, where several go together.
    private var looks = 4 * QueueCycle.searchLimit

    /// Running workloads that are looked at, the ones with least to lose first.
    package static let endLimit = 256
    /// Changes that are proposed.
    package static let changeLimit = 12

    /// - Parameter running: what may be proposed to end; only what has a lower priority than the request is.
    /// - Returns: the smallest change first; none where no single change helps, or the request fits.
    package static func changes(
        for request: PlacementRequest, in cycle: PlacementCycle, running: [PlacedWork] = []
    ) -> [PlacementChange] {
        var search = PlanSearch(cycle: cycle, request: request)
        guard search.place(request) == nil else { return [] }
        search.relaxAmounts()
        search.dropConditions()
        search.end(running.filter { $0.request.placement.priority < request.placement.priority })
        return Array(search.found.sorted { ($0.cost, $0.text) < ($1.cost, $1.text) }.prefix(changeLimit))
    }

    private init(cycle: PlacementCycle, request: PlacementRequest) {
        self.cycle = cycle
        self.request = request
        members = QueueCycle.together(with: request).count
    }

    /// Where it would go, beside those that change with it.
    private mutating func place(_ request: PlacementRequest) -> PlacementCycle.Placement? {
        guard members > 1 else { return cycle.canPlace(request) }
        return QueueCycle.fit(Array(repeating: request, count: members), in: &cycle, looks: &looks)?.first
    }

    private mutating func fits(_ request: PlacementRequest, on node: String? = nil) -> Bool {
        guard members > 1 else { return cycle.fits(request, on: node) }
        return QueueCycle.fit(Array(repeating: request, count: members), in: &cycle, looks: &looks, on: node) != nil
    }

    // MARK: Amounts

    private mutating func relaxAmounts() {
        let placement = request.placement
        relax(.vram, from: Int(clamping: request.vram.bytes >> 20)) {
            $0.vram = .mebibytes(UInt64($1))
        } words: {
            "fits with --vram \(Self.size(mebibytes: $0))"
        }
        switch placement.compute {
        case nil: break
        case .share(let share):
            relax(.compute, from: share) {
                $0.placement.compute = .share($1)
            } words: {
                "fits with --share \(AmountBound.decimal($0))"
            }
        case .teraflops(let amount, let precision):
            // In tenths: what is less than a tenth of a TFLOPS is not worth a line.
            relax(.compute, from: Int(min(amount * 10, 1e9))) {
                $0.placement.compute = .teraflops(Double($1) / 10, precision)
            } words: {
                "fits with --tflops \($0 / 10)\($0 % 10 == 0 ? "" : ".\($0 % 10)")"
            }
        }
        relax(.devices, from: placement.devices) {
            $0.placement.devices = $1
            if $1 == 1, $0.placement.interconnect != .any { $0.placement.interconnect = .sameNode }
        } words: {
            "fits with \($0) device\($0 == 1 ? "" : "s") instead of \(placement.devices)"
        }
        relax(.cpu, from: placement.cpuMilli, least: 0) {
            $0.placement.cpuMilli = $1
        } words: {
            "fits with --cpu \(AmountBound.decimal($0))"
        }
        relax(.memory, from: Int(clamping: placement.memory.bytes >> 20), least: 0) {
            $0.placement.memory = .mebibytes(UInt64($1))
        } words: {
            "fits with --memory \(Self.size(mebibytes: $0))"
        }
    }

    /// The largest amount below `asked` with which it fits: what fits with more fits with less.
    private mutating func relax(
        _ kind: PlacementChange.Kind, from asked: Int, least: Int = 1,
        _ set: (inout PlacementRequest, Int) -> Void, words: (Int) -> String
    ) {
        guard asked > least else { return }
        func changed(_ amount: Int) -> PlacementRequest {
            var request = request
            set(&request, amount)
            return request
        }
        guard fits(changed(least)) else { return }
        var low = least
        var high = asked
        while low + 1 < high {
            let middle = low + (high - low) / 2
            if fits(changed(middle)) { low = middle } else { high = middle }
        }
        let amount = kind == .vram || kind == .memory ? Self.round(mebibytes: low) : low
        propose(kind, changed(amount), cost: Double(asked - amount) / Double(asked), words(amount))
    }

    /// A whole number of GiB where that loses less than a tenth.
    private static func round(mebibytes: Int) -> Int {
        let whole = mebibytes / 1024 * 1024
        return whole * 10 > mebibytes * 9 ? whole : mebibytes
    }

    private static func size(mebibytes: Int) -> String {
        mebibytes % 1024 == 0 ? "\(mebibytes / 1024)Gi" : "\(mebibytes)Mi"
    }

    // MARK: Conditions

    /// A condition that is dropped counts as half of the request: there is no measure for it.
    private static let conditionCost = 0.5

    private mutating func dropConditions() {
        let placement = request.placement
        for (i, term) in placement.require.enumerated() {
            drop(.require, "fits if '--require \(term)' were dropped") { $0.placement.require.remove(at: i) }
        }
        if placement.interconnect != .any, placement.interconnect != .sameNode || members > 1 {
            drop(.interconnect, "fits without --interconnect \(placement.interconnect.rawValue)") {
                $0.placement.interconnect = .any
            }
        }
        if let pool = placement.pool {
            drop(.pool, "fits outside of pool \(pool)") { $0.placement.pool = nil }
        }
        if placement.wholeDevices, request.vram > .zero {
            drop(.whole, "fits without --whole") { $0.placement.wholeDevices = false }
        }
    }

    private mutating func drop(
        _ kind: PlacementChange.Kind, _ text: String, _ change: (inout PlacementRequest) -> Void
    ) {
        var request = request
        change(&request)
        propose(kind, request, cost: Self.conditionCost, text)
    }

    private mutating func propose(
        _ kind: PlacementChange.Kind, _ request: PlacementRequest, cost: Double, _ text: String
    ) {
        guard let placement = place(request) else { return }
        found.append(
            PlacementChange(
                kind: kind, text: text, cost: cost, node: placement.node, devices: placement.grants.map(\.device)))
    }

    // MARK: Ends

    /// The end of another's work costs more than any change of the request.
    private static let endCost = 1.0

    private mutating func end(_ running: [PlacedWork]) {
        let order = running.sorted {
            ($0.request.placement.priority, $0.size, $0.id) < ($1.request.placement.priority, $1.size, $1.id)
        }
        for work in order.prefix(Self.endLimit) {
            cycle.release(work.placement, freeing: work.used)
            // Only its own node has more room now.
            let placement = fits(request, on: work.placement.node) ? place(request) : nil
            cycle.reserve(work.placement, using: work.used)
            guard let placement else { continue }
            let priority = work.request.placement.priority
            found.append(
                PlacementChange(
                    kind: .end, text: "fits if workload \(work.name) (priority \(priority)) ended",
                    cost: Self.endCost, node: placement.node, devices: placement.grants.map(\.device),
                    workload: work.id))
            return
        }
    }
}

extension PlacedWork {
    /// Bytes of device memory that are lost to it.
    fileprivate var size: UInt64 { placement.grants.reduce(ByteCount.zero) { $0.adding($1.quota) }.bytes }
}
