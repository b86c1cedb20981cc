package import HCSModel

/// Filter, score, reserve. Pure: the snapshot in, decisions out; equal input gives equal output.
package struct PlacementCycle: Sendable {
    package private(set) var snapshot: ClusterSnapshot
    private let plugins: PluginRegistry
    private var nodeIndex: [String: Int]

    package init(snapshot: ClusterSnapshot, plugins: PluginRegistry = .standard) {
        self.snapshot = snapshot
        self.plugins = plugins
        nodeIndex = Dictionary(
            snapshot.nodes.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { a, _ in a })
    }

    /// What a request was given: all of it on one node.
    package struct Placement: Sendable, Equatable {
        package var node: String
        package var grants: [DeviceGrant]
        package var cpuMilli: Int
        package var memory: ByteCount
        /// `PlacementRequest.spreadGroup`.
        package var group: String

        package init(
            node: String, grants: [DeviceGrant], cpuMilli: Int = 0, memory: ByteCount = .zero,
            group: String = PlacementSpec.defaultTenant
        ) {
            self.node = node
            self.grants = grants
            self.cpuMilli = cpuMilli
            self.memory = memory
            self.group = group
        }
    }

    package enum Decision: Sendable {
        case placed(Placement)
        case refused([PlacementVerdict])
    }

    /// Chooses the best node and devices and reserves what is asked for there.
    /// - Parameter nodes: names of nodes that will not do.
    package mutating func place(_ request: PlacementRequest, avoiding nodes: Set<String> = []) -> Decision {
        guard let placement = choose(request, avoiding: nodes) else { return .refused(verdicts(for: request)) }
        reserve(placement)
        return .placed(placement)
    }

    /// As `place`, and nothing is reserved.
    package mutating func canPlace(_ request: PlacementRequest, avoiding nodes: Set<String> = []) -> Placement? {
        choose(request, avoiding: nodes)
    }

    /// Takes what a placement says, whether it fits or not: to take back a `release`.
    package mutating func reserve(_ placement: Placement) { change(placement, by: 1, freeing: [:]) }

    /// Gives back what a placement took.
    /// - Parameter used: device memory that its processes will free beside, in the driver's and the segments' count.
    package mutating func release(_ placement: Placement, freeing used: [DeviceID: ByteCount] = [:]) {
        change(placement, by: -1, freeing: used)
    }

    private mutating func change(_ placement: Placement, by sign: Int, freeing used: [DeviceID: ByteCount]) {
        guard let n = nodeIndex[placement.node] else { return }
        snapshot.nodes[n].grantedCPUMilli += sign * placement.cpuMilli
        let memory = snapshot.nodes[n].grantedMemory
        snapshot.nodes[n].grantedMemory =
            sign > 0 ? memory.adding(placement.memory) : memory.subtracting(placement.memory)
        snapshot.nodes[n].groups[placement.group, default: 0] += sign
        for grant in placement.grants {
            guard let d = snapshot.nodes[n].devices.firstIndex(where: { $0.device.id == grant.device }) else {
                continue
            }
            snapshot.nodes[n].devices[d].change(grant, by: sign, freeing: used[grant.device] ?? .zero)
        }
    }

    private func choose(_ request: PlacementRequest, avoiding nodes: Set<String>) -> Placement? {
        var best: (node: Int, devices: [Int], score: Double)?
        for n in snapshot.nodes.indices where !nodes.contains(snapshot.nodes[n].name) {
            let node = snapshot.nodes[n]
            let scored = node.devices.indices.filter { !isRefused(request, node.devices[$0], node) }
                .map { (device: $0, score: totalScore(request, node.devices[$0], node)) }
                .sorted {
                    ($1.score, node.devices[$0.device].device.id) < ($0.score, node.devices[$1.device].device.id)
                }
                .prefix(request.placement.devices)
            guard scored.count == request.placement.devices else { continue }
            let score = scored.reduce(0) { $0 + $1.score }
            if best.map({ score > $0.score }) ?? true { best = (n, scored.map(\.device), score) }
        }
        guard let best else { return nil }
        let node = snapshot.nodes[best.node]
        return Placement(
            node: node.name, grants: best.devices.sorted().map { node.devices[$0].grant(for: request) },
            cpuMilli: request.placement.cpuMilli, memory: request.placement.memory, group: request.spreadGroup)
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

extension DeviceState {
    /// What the request gets of this device.
    func grant(for request: PlacementRequest) -> DeviceGrant {
        let whole = request.placement.wholeDevices
        return DeviceGrant(
            device: device.id, vendor: device.vendor, quota: whole ? device.memory : request.vram,
            computeMilli: whole ? nil : computeShare(of: request), whole: whole ? true : nil)
    }

    /// Thousandths of this device that the compute asked for is; nil = none is asked for. More than 1000 where it has
    /// less, and where nobody knows how much it has.
    func computeShare(of request: PlacementRequest) -> Int? {
        switch request.placement.compute {
        case nil: return nil
        case .share(let thousandths): return thousandths
        case .teraflops(let amount, let precision):
            guard let peak = device.fingerprint.tflops[precision], peak > 0 else { return Int(Int16.max) }
            return max(1, Int(min(Double(Int16.max), (amount / peak * 1000).rounded(.up))))
        }
    }

    mutating func change(_ grant: DeviceGrant, by sign: Int, freeing used: ByteCount) {
        let isWhole = grant.whole == true
        granted = sign > 0 ? granted.adding(grant.quota) : granted.subtracting(grant.quota)
        grantedCompute = max(0, grantedCompute + sign * (isWhole ? Self.wholeCompute : grant.computeMilli ?? 0))
        holders = max(0, holders + sign)
        if isWhole { isHeldWhole = sign > 0 }
        driverUsed = driverUsed?.subtracting(used)
        segmentUsed = segmentUsed.subtracting(used)
    }
}
