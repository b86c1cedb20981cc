package import HCSModel

/// Filter, score, reserve. Pure: the snapshot in, decisions out; equal input gives equal output.
package struct PlacementCycle: Sendable {
    package private(set) var snapshot: ClusterSnapshot
    private let plugins: PluginRegistry

    package init(snapshot: ClusterSnapshot, plugins: PluginRegistry = .standard) {
        self.snapshot = snapshot
        self.plugins = plugins
    }

    package struct Placement: Sendable, Equatable {
        package var node: String
        package var grant: DeviceGrant

        package init(node: String, grant: DeviceGrant) {
            self.node = node
            self.grant = grant
        }
    }

    package enum Decision: Sendable {
        case placed(Placement)
        case refused([PlacementVerdict])
    }

    /// Chooses the best device and reserves the memory there for the rest of this cycle.
    package mutating func place(_ request: PlacementRequest) -> Decision {
        var best: (node: Int, device: Int, score: Double)?
        for n in snapshot.nodes.indices {
            let node = snapshot.nodes[n]
            for d in node.devices.indices where !isRefused(request, node.devices[d], node) {
                let score = totalScore(request, node.devices[d], node)
                guard let current = best else {
                    best = (n, d, score)
                    continue
                }
                let tie = score == current.score
                let earlier = node.devices[d].device.id < snapshot.nodes[current.node].devices[current.device].device.id
                if score > current.score || (tie && earlier) { best = (n, d, score) }
            }
        }
        guard let best else { return .refused(verdicts(for: request)) }
        let chosen = snapshot.nodes[best.node].devices[best.device]
        snapshot.nodes[best.node].devices[best.device].granted = chosen.granted.adding(request.vram)
        return .placed(
            Placement(
                node: snapshot.nodes[best.node].name,
                grant: DeviceGrant(device: chosen.device.id, vendor: chosen.device.vendor, quota: request.vram)))
    }

    /// For every device, whether the request fits there now and every objection.
    package func verdicts(for request: PlacementRequest) -> [PlacementVerdict] {
        snapshot.nodes.flatMap { node in
            node.devices.map { device in
                let reasons = plugins.filters.compactMap { $0.objection(to: request, on: device, of: node) }
                return PlacementVerdict(
                    node: node.name, device: device.device.id, vendor: device.device.vendor, model: device.device.model,
                    fits: reasons.isEmpty, reasons: reasons,
                    score: reasons.isEmpty ? totalScore(request, device, node) : nil)
            }
        }
    }

    private func isRefused(_ request: PlacementRequest, _ device: DeviceState, _ node: NodeState) -> Bool {
        plugins.filters.contains { $0.objection(to: request, on: device, of: node) != nil }
    }

    private func totalScore(_ request: PlacementRequest, _ device: DeviceState, _ node: NodeState) -> Double {
        plugins.scores.reduce(0) { $0 + $1.weight * $1.score(request, on: device, of: node) }
    }

    /// One sentence over all verdicts: what stands in the way, by how many devices.
    package static func summary(of verdicts: [PlacementVerdict], for request: PlacementRequest) -> String {
        guard !verdicts.isEmpty else { return "no node has reported a device" }
        let fitting = verdicts.count { $0.fits }
        if fitting > 0 { return "fits on \(fitting) of \(verdicts.count) devices" }
        let ofRuntime = verdicts.filter { request.runtime.vendors.contains($0.vendor) }
        guard !ofRuntime.isEmpty else {
            return "none of the \(verdicts.count) devices runs \(request.runtime.rawValue)"
        }
        let others = verdicts.count - ofRuntime.count
        let tail = others > 0 ? "; \(others) of other vendors" : ""
        return "no device fits: none of \(ofRuntime.count) that run \(request.runtime.rawValue)\(tail)"
    }
}
