import HCSModel
import HCSPlacement
import Testing

/// The cycle keeps ranks and brings them up to date; these compare it with looking at everything anew.
@Suite struct CycleIndexTests {
    @Test func `a request that comes again ranks what has changed, whatever the number of nodes`() {
        for count in [10, 200] {
            let nodes = (0..<count).map { NodeState(name: "n\($0)", devices: [device("d\($0)", memory: 80)]) }
            var cycle = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: nodes))
            let request = PlacementRequest(runtime: .cuda, vram: .gibibytes(1))
            _ = cycle.place(request)
            #expect(cycle.ranksSet == count)
            for _ in 0..<20 { _ = cycle.place(request) }
            #expect(cycle.ranksSet == count + 20)
        }
    }

    private struct World {
        var generator: SplitMix64
        var nodes: [NodeState] = []

        mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: values.indices, using: &generator)] }

        init(seed: UInt64) {
            generator = SplitMix64(state: seed)
            for n in 0..<12 {
                let model = pick(["T4", "A10", "H100"])
                let other = pick([model, model, "V100"])
                var node = NodeState(
                    name: "n\(n)", devices: [], cpuMilli: pick([nil, 8000, 32000]),
                    memory: pick([nil, .gibibytes(64)]), numaNodes: 2)
                for d in 0..<pick([1, 2, 4, 8]) {
                    var state = device(
                        "n\(n)-d\(d)", pick([.nvidia, .nvidia, .nvidia, .hygon]), memory: pick([16, 80]),
                        granted: pick([0, 0, 3]), used: pick([nil, 0, 1, 9]), score: pick([100, 100, 100, 80, 30]),
                        model: d % 3 == 2 ? other : model, numaNode: pick([0, 0, 1, nil]))
                    state.pool = pick([nil, "lab"])
                    state.cordon = pick([nil, nil, nil, nil, nil, "cordoned by ada: x"])
                    state.margin = pick([.zero, .mebibytes(256)])
                    state.device.pci = PCIAddress(domain: UInt32(n), bus: UInt8(d), device: 0, function: 0)
                    state.device.details.links = [
                        DeviceLink(kind: .nvlink, lane: 0, up: pick([true, true, false]), peer: .fabric)
                    ]
                    node.devices.append(state)
                }
                nodes.append(node)
            }
        }

        mutating func request() -> PlacementRequest {
            let devices = pick([1, 1, 1, 2, 3, 4])
            return PlacementRequest(
                runtime: pick([.cuda, .cuda, .cuda, .hip]), vram: .gibibytes(pick([1, 4, 10, 16, 40])),
                placement: PlacementSpec(
                    devices: devices, compute: pick([nil, .share(300)]), wholeDevices: false,
                    cpuMilli: pick([0, 1500]), memory: pick([.zero, .gibibytes(8)]),
                    require: pick([
                        [], [], [PlacementTerm(.model, .equal, "*0*")], [PlacementTerm(.node, .notEqual, "n3")],
                    ]),
                    prefer: pick([[], [], [PlacementTerm(.model, .equal, "T4")]]),
                    interconnect: devices == 1 ? .any : pick([.any, .link, .sameNUMA]),
                    strategy: pick([.pack, .pack, .spread]), pool: pick([nil, nil, "lab"]),
                    tenant: pick(["red", "blue"])))
        }
    }

    @Test(arguments: [PackingPolicy.bestFit, .fragmentation], 1...6)
    func `what was kept up to date decides as what is made anew`(_ policy: PackingPolicy, _ seed: UInt64) {
        var world = World(seed: seed)
        let kinds = (0..<14).map { _ in world.request() }
        func make(_ snapshot: ClusterSnapshot) -> PlacementCycle {
            PlacementCycle(snapshot: snapshot, policy: policy, typical: kinds)
        }
        var cycle = make(ClusterSnapshot(revision: .zero, nodes: world.nodes))
        var live: [PlacementCycle.Placement] = []
        var refused = 0
        for _ in 0..<60 {
            if !live.isEmpty, world.pick([true, false, false, false]) {
                cycle.release(live.remove(at: Int.random(in: live.indices, using: &world.generator)))
            }
            let request = world.pick(kinds)
            var anew = make(cycle.snapshot)
            let expected = anew.canPlace(request)
            // Whether it fits is told device by device, too.
            let verdicts = anew.verdicts(for: request)
            #expect(verdicts.contains { $0.fits } == (expected != nil))
            #expect(
                Set(verdicts.filter { $0.chosen == true }.map(\.device)) == Set((expected?.grants ?? []).map(\.device)))
            switch cycle.place(request) {
            case .placed(let placement):
                #expect(placement == expected)
                live.append(placement)
                check(placement, for: request, cycle.snapshot)
            case .refused:
                refused += 1
                #expect(expected == nil)
            }
        }
        #expect(refused > 0 && live.count > 5, "a test of both: \(refused) refused, \(live.count) live")
        for placement in live { cycle.release(placement) }
        for (before, after) in zip(world.nodes, cycle.snapshot.nodes) {
            #expect(before.devices.map(\.granted) == after.devices.map(\.granted))
            #expect(before.devices.map(\.holders) == after.devices.map(\.holders))
            #expect(before.grantedCPUMilli == after.grantedCPUMilli && before.grantedMemory == after.grantedMemory)
        }
    }

    /// By its own account, apart from the filters.
    private func check(
        _ placement: PlacementCycle.Placement, for request: PlacementRequest, _ snapshot: ClusterSnapshot
    ) {
        guard let node = snapshot.nodes.first(where: { $0.name == placement.node }) else {
            Issue.record("placed on no node")
            return
        }
        #expect(placement.grants.count == request.placement.devices)
        #expect(Set(placement.grants.map(\.device)).count == placement.grants.count)
        if let cpu = node.cpuMilli { #expect(node.grantedCPUMilli <= cpu) }
        if let memory = node.memory { #expect(node.grantedMemory <= memory) }
        for grant in placement.grants {
            guard let state = node.devices.first(where: { $0.device.id == grant.device }) else {
                Issue.record("no device \(grant.device) on \(node.name)")
                continue
            }
            #expect(state.taken.adding(state.margin) <= state.device.memory)
            #expect(state.grantedCompute <= 1000)
            #expect(state.health.score ?? 0 >= 60 && state.cordon == nil)
            #expect(request.runtime.vendors.contains(state.device.vendor))
            if let pool = request.placement.pool { #expect(state.pool == pool) }
        }
    }

    @Test func `more kinds of request than are kept make room for each other`() {
        var cycle = PlacementCycle(
            snapshot: ClusterSnapshot(
                revision: .zero, nodes: (0..<3).map { NodeState(name: "n\($0)", devices: [device("d\($0)")]) }))
        for round in 0..<2 {
            for i in 0..<300 {
                let request = PlacementRequest(runtime: .cuda, vram: ByteCount(UInt64(i + 1) << 20))
                let expected = round == 0 ? "d0" : "d1"
                if i == 0, round == 1 { cycle.reserve(full("n0", "d0")) }
                #expect(cycle.canPlace(request)?.grants.first?.device.uuid == expected)
            }
        }
    }

    private func full(_ node: String, _ device: String) -> PlacementCycle.Placement {
        .init(node: node, grants: [DeviceGrant(device: DeviceID(device), vendor: .nvidia, quota: .gibibytes(80))])
    }

    /// The replay and its figures are of this core, so the cycle must choose as it does where both can.
    @Test(arguments: PackingPolicy.allCases) func `on a trace the cycle chooses as the packing core`(
        _ policy: PackingPolicy
    ) {
        let trace = SyntheticTrace.make(nodes: 40, pods: 400, seed: 3)
        var core = PackingCore(
            nodes: trace.nodes, policy: policy, mix: WorkloadMix(trace.pods.filter { $0.devices > 0 }))
        let world = TraceCluster(trace)
        let pods = trace.pods.filter { $0.devices > 0 }
        var cycle = PlacementCycle(
            snapshot: world.snapshot, policy: policy, typical: pods.compactMap { world.request(for: $0) })
        var compared = 0
        for pod in pods {
            let expected = core.place(pod)
            var found: PlacementCycle.Placement?
            if case .placed(let placement) = cycle.place(world.request(for: pod)) { found = placement }
            #expect(found?.node == expected.map { "n\($0.node)" }, "pod \(compared)")
            compared += 1
        }
        #expect(compared > 300)
    }
}
