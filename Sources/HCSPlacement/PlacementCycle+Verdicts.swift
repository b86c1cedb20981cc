package import HCSModel

/// Why a request fits nowhere now.
package struct PlacementRefusal: Sendable, Equatable {
    /// One sentence, without figures that change all the time.
    package var summary: String
}

/// What stood in the way of a request, in words and as the names of filters.
struct PlacementObstacles: Sendable {
    var head: String
    var filters: [String]
    var tail: String

    init(_ head: String, filters: [String] = [], tail: String = "") {
        self.head = head
        self.filters = filters
        self.tail = tail
    }
}

extension PlacementCycle {
    /// For every device whether the request fits there now, every objection, and what it is worth.
    package mutating func verdicts(for request: PlacementRequest) -> [PlacementVerdict] {
        let slot = slot(of: request)
        let view = views[slot]
        let chosen = best(request, avoiding: [])
        var verdicts: [PlacementVerdict] = []
        for n in snapshot.nodes.indices {
            var found = snapshot.nodes[n].devices.map { verdict(on: $0, of: snapshot.nodes[n], request) }
            let fitting = found.indices.filter { found[$0].fits }
            let offer = fitting.isEmpty ? nil : ranking.candidate(n, view, snapshot)
            if !fitting.isEmpty, offer == nil {
                let reason = tooFew(fitting.count, of: snapshot.nodes[n].name, request.placement)
                for d in fitting {
                    found[d].fits = false
                    found[d].reasons = [reason]
                }
            }
            if let offer {
                rate(&found, on: n, offer, request, view)
                if chosen?.node == n, let chosen { for d in devices(of: chosen.candidate) { found[d].chosen = true } }
            }
            verdicts += found
        }
        return verdicts
    }

    private func verdict(on device: DeviceState, of node: NodeState, _ request: PlacementRequest) -> PlacementVerdict {
        let reasons = plugins.filters.compactMap { $0.objection(to: request, on: device, of: node) }
        return PlacementVerdict(
            node: node.name, device: device.device.id, vendor: device.device.vendor, model: device.device.model,
            fits: reasons.isEmpty, reasons: reasons)
    }

    private func tooFew(_ fitting: Int, of node: String, _ placement: PlacementSpec) -> String {
        let devices = "\(fitting) device\(fitting == 1 ? "" : "s") of \(node) fit\(fitting == 1 ? "s" : "")"
        guard fitting >= placement.devices else { return "only \(devices), \(placement.devices) are asked for" }
        let how = placement.interconnect == .link ? "each joined to each by a link of their maker" : "of one NUMA node"
        return "\(devices), but no \(placement.devices) of them are \(how)"
    }

    /// Scores those that fit: a single device by itself, several as the set that the node offers.
    private mutating func rate(
        _ verdicts: inout [PlacementVerdict], on n: Int, _ offer: Candidate, _ request: PlacementRequest,
        _ view: RequestView
    ) {
        let offered = Set(devices(of: offer))
        for cell in ranking.layout.cellsOfNode[n] {
            for (position, d) in ranking.layout.cells[cell].devices.enumerated() where verdicts[d].fits {
                guard request.placement.devices == 1 || offered.contains(d) else { continue }
                let own =
                    request.placement.devices == 1
                    ? ranking.candidate(cell: cell, position: position, view) : offer
                verdicts[d].score = Double(own.worth) / 1000
                verdicts[d].scores = scores(of: own, others: offer.others, d, n, request)
            }
        }
    }

    private func scores(
        of candidate: Candidate, others: Int, _ d: Int, _ n: Int, _ request: PlacementRequest
    ) -> [PlacementScore] {
        let node = snapshot.nodes[n]
        func score(_ plugin: any ScorePlugin) -> PlacementScore {
            let value = plugin.score(request, on: node.devices[d], of: node)
            return PlacementScore(
                name: plugin.name, value: plugin.basis == .wish ? Double(value) : Double(value) / 1000)
        }
        var scores = plugins.scores.filter { $0.basis == .wish }.map(score)
        if request.placement.strategy == .spread {
            scores.append(PlacementScore(name: "spread", value: -Double(others)))
        }
        scores.append(
            PlacementScore(name: "packing", value: Double(candidate.packing * CycleRanking.quantum) / 1000))
        return scores + plugins.scores.filter { $0.basis != .wish }.map(score)
    }

    // MARK: Summary

    /// Why the request is refused, in one sentence: the same as long as the same kind of thing stands in the way.
    package mutating func refusal(of request: PlacementRequest) -> PlacementRefusal {
        PlacementRefusal(summary: words(for: obstacles(to: request), request))
    }

    /// What stands in the way of a request, but for what its tenant's quota says.
    mutating func obstacles(to request: PlacementRequest) -> PlacementObstacles {
        let count = ranking.layout.deviceCount
        guard count > 0 else { return PlacementObstacles("no node has reported a device") }
        let name = request.runtime.rawValue
        let vendors = request.runtime.vendors
        let ofRuntime = zip(ranking.layout.kinds, ranking.layout.counts).reduce(0) {
            $0 + (vendors.contains($1.0.vendor) ? $1.1 : 0)
        }
        guard ofRuntime > 0 else { return PlacementObstacles("none of the \(count) devices runs \(name)") }
        let slot = slot(of: request)
        let view = views[slot]
        if request.placement.devices > 1, ranking.fitsAnywhere(view) {
            let how: String =
                switch request.placement.interconnect {
                case .any, .sameNode: ""
                case .link: ", each joined to each by a link of their maker"
                case .sameNUMA: ", of one NUMA node"
                }
            return PlacementObstacles("no node has \(request.placement.devices) devices that fit\(how)")
        }
        let objections = ranking.objections(view, plugins.filters, snapshot)
        let names = plugins.filters.map(\.name).filter { $0 != "runtime" && objections.contains($0) }
        let others = count - ofRuntime
        let tail = others > 0 ? "; \(others) of other vendors" : ""
        return PlacementObstacles(
            "no device fits: none of \(ofRuntime) that run \(name)", filters: names, tail: tail)
    }

    /// Alike requests of several tenants have the same obstacles, and each its own quota.
    func words(for obstacles: PlacementObstacles, _ request: PlacementRequest) -> String {
        guard !obstacles.filters.isEmpty else { return obstacles.head }
        let names = obstacles.filters.map { $0 == "quota" ? quotaWords(for: request) : $0 }
        return "\(obstacles.head) (\(names.joined(separator: ", ")))\(obstacles.tail)"
    }

    private static let poolsNamed = 3

    /// Which pools are closed to a request and why, as far as they could have taken it.
    private func quotaWords(for request: PlacementRequest) -> String {
        let vendors = request.runtime.vendors
        let pools = Set(ranking.layout.kinds.filter { vendors.contains($0.vendor) }.map(\.pool)).filter {
            request.placement.pool == nil || request.placement.pool == $0
        }
        let closed = objectionsOfQuota(to: request).filter { pools.contains($0.pool) }.map { pool, why in
            "\(pool.map { "pool \($0)" } ?? "outside of pools"): \(why)"
        }
        guard !closed.isEmpty else { return "quota" }
        let more = closed.count > Self.poolsNamed ? "; and \(closed.count - Self.poolsNamed) more pools" : ""
        return "quota: \(closed.prefix(Self.poolsNamed).joined(separator: "; "))\(more)"
    }

    /// One sentence on where the request stands now: that it fits, or why not.
    package mutating func summary(of request: PlacementRequest) -> String {
        guard let placement = canPlace(request) else { return refusal(of: request).summary }
        let devices = placement.grants.map(\.device.uuid).joined(separator: ", ")
        return "fits on \(placement.node), device\(placement.grants.count == 1 ? "" : "s") \(devices)"
    }
}
