package import HCSModel

/// Where the members of a unit find places beside each other.
extension QueueCycle {
    /// Whether the members go to one node: one of a gang asks for it.
    package static func goTogether(_ requests: [PlacementRequest]) -> Bool {
        requests.count > 1 && requests.contains { $0.placement.gang != nil && $0.placement.interconnect == .sameNode }
    }

    /// As many requests as go together with this one, itself included, each asking for the same: what a plan looks at before
    /// the others of a gang are known.
    package static func together(with request: PlacementRequest) -> [PlacementRequest] {
        let gang = Array(repeating: request, count: request.placement.gang?.size ?? 1)
        return goTogether(gang) ? gang : [request]
    }

    /// Where all members would go, within the quota that the room has; nil = they do not fit. The room stays as it was.
    package static func fit(_ requests: [PlacementRequest], in room: inout PlacementCycle) -> [PlacementCycle
        .Placement]?
    {
        var looks = Int.max
        return fit(requests, in: &room, looks: &looks)
    }

    /// - Parameters:
    ///   - looks: one less for each place that was looked for.
    ///   - node: for members that go together: the only one that is looked at.
    package static func fit(
        _ requests: [PlacementRequest], in room: inout PlacementCycle, looks: inout Int, on node: String? = nil
    ) -> [PlacementCycle.Placement]? {
        guard !goTogether(requests) else {
            return fitTogether(requests, in: &room, looks: &looks, on: node).placements
        }
        let places = seat(requests, in: &room, looks: &looks) { $0.canPlace($1) }.places
        return places.count == requests.count ? places : nil
    }

    /// A look sets so many ranks of nodes, or counts as more: of more kinds of members than ranks are kept for, each look is
    /// at every node.
    private static let ranksPerLook = 128

    /// Finds places for one after the other, up to the first that has none, or that its tenant may not have.
    private static func seat(
        _ requests: [PlacementRequest], in room: inout PlacementCycle, looks: inout Int,
        find: (inout PlacementCycle, PlacementRequest) -> PlacementCycle.Placement?
    ) -> (places: [PlacementCycle.Placement], objection: String?) {
        var done: [PlacementCycle.Placement] = []
        let quota = room.quota
        defer {
            for placement in done.reversed() { room.release(placement) }
            room.quota = quota
        }
        for request in requests {
            let before = room.ranksSet
            let found = find(&room, request)
            looks -= 1 + (room.ranksSet - before) / ranksPerLook
            guard let placement = found else { break }
            // What a whole device or TFLOPS come to is known only now.
            if let use = room.quota as? QuotaUse,
                let why = use.objection(to: placement, of: request.placement.tenant)
            {
                return (done, why)
            }
            room.reserve(placement)
            done.append(placement)
            guard done.count < requests.count, var use = room.quota as? QuotaUse else { continue }
            use.add(placement, of: request.placement.tenant)
            room.quota = use
        }
        return (done, nil)
    }

    // MARK: On one node

    private typealias Together = (placements: [PlacementCycle.Placement]?, objection: String?)

    /// One node for all of them: the first on which all find places, the largest member first. Of members that are alike and
    /// take one device each none is missed; of others an arrangement may be.
    private static func fitTogether(
        _ requests: [PlacementRequest], in room: inout PlacementCycle, looks: inout Int, on node: String?
    ) -> Together {
        let order = largestFirst(requests)
        let sorted = order.map { requests[$0] }
        let names: [String]
        if let node {
            names = [node]
        } else {
            // A node that sums rule out costs far less than a place that is looked for.
            looks -= room.snapshot.nodes.count / 16
            names = room.nodes(forAllOf: sorted)
        }
        let isSimple = sorted.allSatisfy { $0.placement.devices == 1 && $0 == sorted[0] }
        var objection: String?
        for name in names where looks > 0 {
            for widest in isSimple ? [false] : [false, true] {
                let found = seat(sorted, in: &room, looks: &looks) { $0.canPlace($1, on: name, widest: widest) }
                objection = objection ?? found.objection
                guard found.places.count == requests.count else { continue }
                let placements = zip(order, found.places).sorted { $0.0 < $1.0 }.map(\.1)
                return (placements, nil)
            }
        }
        return (nil, objection)
    }

    private static func largestFirst(_ requests: [PlacementRequest]) -> [Int] {
        func size(_ i: Int) -> (Int, Int, UInt64, Int) {
            let asked = requests[i].placement
            let compute = Amounts(asking: requests[i]).computeMilli
            return (asked.wholeDevices ? 1 : 0, asked.devices, requests[i].vram.bytes, max(compute, asked.cpuMilli))
        }
        return requests.indices.sorted { a, b in
            let (first, second) = (size(a), size(b))
            return first == second ? a < b : first > second
        }
    }

    /// - Parameters:
    ///   - use: without the members' last attempts.
    ///   - leaving: there are such attempts, which end before these start.
    mutating func placeTogether(_ unit: QueueUnit, within use: QuotaUse, leaving: Bool) -> Attempt {
        room.quota = use
        defer { room.quota = nil }
        let found = Self.fitTogether(unit.requests, in: &room, looks: &togetherLooksLeft, on: nil)
        if let placements = found.placements {
            if leaving, let over = excess(of: unit, on: placements) { return .overQuota(over) }
            for placement in placements { room.reserve(placement) }
            return .placed(placements)
        }
        if let why = found.objection { return .overQuota(why) }
        guard togetherLooksLeft > 0 else {
            return .cutOff("the search for a node that takes all \(unit.members.count) members was cut off")
        }
        return .refused(Self.whyNotTogether(unit.requests, in: &room, looks: &togetherLooksLeft))
    }

    private static let nodesTold = 16

    /// Which node comes nearest, and what it lacks.
    private static func whyNotTogether(
        _ requests: [PlacementRequest], in room: inout PlacementCycle, looks: inout Int
    ) -> String {
        let sorted = largestFirst(requests).map { requests[$0] }
        var best: (node: String, places: [PlacementCycle.Placement])?
        for name in room.nodes(widestFor: sorted[0], limit: nodesTold) where looks > 0 {
            let places = seat(sorted, in: &room, looks: &looks) { $0.canPlace($1, on: name) }.places
            if places.count > best?.places.count ?? 0 { best = (name, places) }
        }
        guard let best, best.places.count < requests.count else { return room.refusal(of: sorted[0]).summary }
        for placement in best.places { room.reserve(placement) }
        defer { for placement in best.places.reversed() { room.release(placement) } }
        let lacking = room.objections(to: sorted[best.places.count], on: best.node)
        return
            "no node has room for all \(requests.count) members: \(best.node) comes nearest with \(best.places.count)"
            + (lacking.isEmpty ? "" : ", the next one lacks \(lacking.joined(separator: ", "))")
    }

    // MARK: What is told

    /// Where requests would go now, or in a sentence why they do not fit. The room stays as it was.
    package static func outlook(_ requests: [PlacementRequest], in room: inout PlacementCycle)
        -> (placements: [PlacementCycle.Placement]?, summary: String)
    {
        guard goTogether(requests) else {
            return (room.canPlace(requests[0]).map { [$0] }, room.summary(of: requests[0]))
        }
        var looks = searchLimit
        let found = fitTogether(requests, in: &room, looks: &looks, on: nil)
        guard let placements = found.placements else {
            return (nil, found.objection ?? whyNotTogether(requests, in: &room, looks: &looks))
        }
        let devices = Set(placements.flatMap(\.grants).map(\.device.uuid)).sorted()
        return (
            placements,
            "all \(requests.count) members fit on \(placements[0].node), device\(devices.count == 1 ? "" : "s") "
                + devices.joined(separator: ", ")
        )
    }

    /// For every device whether the first of the requests fits there; of requests that go to one node, on such nodes only
    /// that take all of them.
    package static func verdicts(for requests: [PlacementRequest], in room: inout PlacementCycle) -> [PlacementVerdict]
    {
        var verdicts = room.verdicts(for: requests[0])
        guard goTogether(requests) else { return verdicts }
        let sorted = largestFirst(requests).map { requests[$0] }
        var looks = searchLimit
        let first = fitTogether(requests, in: &room, looks: &looks, on: nil).placements?.first
        let asked = requests.reduce(Amounts.zero) { $0 + Amounts(asking: $1) }
        let limit = (room.quota as? QuotaUse)?.objection(to: asked, for: requests[0].placement.tenant)
        let chosen = Set(first?.grants.map(\.device) ?? [])
        let ofNode = Dictionary(grouping: verdicts.indices.filter { verdicts[$0].fits }) { verdicts[$0].node }
        looks = 4 * searchLimit
        let chosenFirst = ofNode.sorted {
            ($0.key == first?.node ? 0 : 1, $0.key) < ($1.key == first?.node ? 0 : 1, $1.key)
        }
        for (name, indices) in chosenFirst {
            guard looks > 0 else {
                for i in indices {
                    verdicts[i].fits = false
                    verdicts[i].chosen = false
                    verdicts[i].reasons = ["\(name) was not looked at: the search was cut off"]
                }
                continue
            }
            let found = fitTogether(requests, in: &room, looks: &looks, on: name)
            let count = seat(sorted, in: &room, looks: &looks) { $0.canPlace($1, on: name) }.places.count
            for i in indices {
                verdicts[i].chosen = name == first?.node && chosen.contains(verdicts[i].device)
                guard found.placements == nil else { continue }
                verdicts[i].fits = false
                verdicts[i].reasons = [
                    found.objection ?? limit
                        ?? "\(name) has room for \(count) of \(requests.count) members, which go to one node"
                ]
            }
        }
        return verdicts
    }
}
