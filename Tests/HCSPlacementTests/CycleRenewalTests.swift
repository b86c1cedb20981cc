import HCSModel
import HCSPlacement
import Testing

/// A cycle that is kept takes in what changed; these compare it with one that is made anew from the same snapshot.
@Suite struct CycleRenewalTests {
    private struct World {
        var generator: SplitMix64
        let kinds: [PlacementRequest]

        init(seed: UInt64) {
            generator = SplitMix64(state: seed)
            kinds = (1...8).map { i in
                PlacementRequest(
                    runtime: .cuda, vram: .gibibytes(UInt64(4 * i)),
                    placement: PlacementSpec(
                        devices: i % 4 == 3 ? 2 : 1, cpuMilli: 500 * i, memory: .gibibytes(i % 2 == 0 ? 4 : 0),
                        prefer: i == 5 ? [PlacementTerm(.node, .equal, "n4")] : [],
                        strategy: i == 6 ? .spread : .pack, pool: i == 7 ? "lab" : nil))
            }
        }

        mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: values.indices, using: &generator)] }

        mutating func nodes() -> [NodeState] {
            (0..<10).map { n in
                NodeState(
                    name: "n\(n)",
                    devices: (0..<pick([1, 2, 4])).map { d in
                        var state = device("n\(n)-d\(d)", memory: pick([16, 40]), model: pick(["T4", "A10"]))
                        state.pool = n % 3 == 0 ? "lab" : nil
                        return state
                    }, cpuMilli: 16000, memory: .gibibytes(64))
            }
        }

        /// What a report, an operator or time may change.
        mutating func disturb(_ node: inout NodeState) {
            let d = Int.random(in: node.devices.indices, using: &generator)
            switch pick([0, 1, 2, 3, 4, 5, 6]) {
            case 0: node.devices[d].health = DeviceHealth(score: pick([100, 90, 70, 30, nil]), reasons: [])
            case 1: node.devices[d].cordon = pick([nil, "cordoned by ada: x"])
            case 2: node.devices[d].blocked = pick([nil, "gone"])
            case 3: node.notReady = pick([nil, "silent for 12 s", "silent for 13 s"])
            case 4: node.devices[d].driverUsed = pick([nil, .gibibytes(1), .gibibytes(9), .gibibytes(30)])
            case 5: node.grantedCPUMilli = pick([0, 8000, 15500])
            default: node.groups["default"] = pick([nil, 1, 3])
            }
        }

        mutating func events(_ cycle: inout PlacementCycle, _ live: inout [PlacementCycle.Placement], count: Int) {
            for _ in 0..<count {
                switch pick([0, 0, 0, 1, 1, 2, 2]) {
                case 0:
                    let request = pick(kinds)
                    if case .placed(let placement) = cycle.place(request) { live.append(placement) }
                case 1:
                    if !live.isEmpty { cycle.release(live.remove(at: Int.random(in: live.indices, using: &generator))) }
                default:
                    var node = pick(cycle.snapshot.nodes)
                    disturb(&node)
                    let revision = cycle.snapshot.revision
                    let isRenewed = cycle.renew([node], revision: revision)
                    #expect(isRenewed)
                }
            }
        }
    }

    private func expectEqual(
        _ kept: inout PlacementCycle, _ policy: PackingPolicy, typical: [PlacementRequest], _ kinds: [PlacementRequest]
    ) {
        var anew = PlacementCycle(snapshot: kept.snapshot, policy: policy, typical: typical)
        for request in kinds {
            let expected = anew.canPlace(request)
            #expect(kept.canPlace(request) == expected)
            #expect(kept.fits(request) == (expected != nil))
            #expect(kept.summary(of: request) == anew.summary(of: request))
            #expect(kept.verdicts(for: request).map(\.fits) == anew.verdicts(for: request).map(\.fits))
        }
    }

    /// Typical work of single devices has no prices, which follow in their own time.
    @Test(arguments: PackingPolicy.allCases, UInt64(1)...6)
    func `a cycle that is kept decides as one that is made anew`(_ policy: PackingPolicy, _ seed: UInt64) {
        var world = World(seed: seed)
        let typical = world.kinds.filter { $0.placement.devices == 1 && $0.placement.pool == nil }
        var cycle = PlacementCycle(
            snapshot: ClusterSnapshot(revision: .zero, nodes: world.nodes()), policy: policy, typical: typical)
        var live: [PlacementCycle.Placement] = []
        for _ in 0..<50 {
            world.events(&cycle, &live, count: 3)
            expectEqual(&cycle, policy, typical: typical, world.kinds)
        }
    }

    /// After so many changes prices are set anew, and so few nodes take them in at once.
    @Test(arguments: UInt64(1)...4)
    func `prices of a cycle that is kept are those of one made anew whenever they are set`(_ seed: UInt64) {
        var world = World(seed: seed)
        var cycle = PlacementCycle(
            snapshot: ClusterSnapshot(revision: .zero, nodes: world.nodes()), policy: .stranded, typical: world.kinds)
        var live: [PlacementCycle.Placement] = []
        for _ in 0..<4 {
            world.events(&cycle, &live, count: 40)
            // Placements that nobody decided, so that no decision renews prices in between.
            for i in 0..<80 {
                let node = cycle.snapshot.nodes[i % 10]
                let grant = DeviceGrant(device: node.devices[0].device.id, vendor: .nvidia, quota: .mebibytes(64))
                cycle.reserve(.init(node: node.name, grants: [grant], cpuMilli: 10))
            }
            expectEqual(&cycle, .stranded, typical: world.kinds, world.kinds)
        }
    }

    @Test func `what was placed in a cycle and is not so after all is gone with the next renewal`() {
        let nodes = [
            NodeState(name: "n1", devices: [device("a")], cpuMilli: 4000),
            NodeState(name: "n2", devices: [device("b")], cpuMilli: 4000),
        ]
        var cycle = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: nodes))
        let request = PlacementRequest(runtime: .cuda, vram: .gibibytes(80), placement: PlacementSpec(cpuMilli: 1000))
        func node(_ cycle: inout PlacementCycle) -> String? { cycle.canPlace(request)?.node }
        #expect(node(&cycle) == "n1")
        _ = cycle.place(request)
        #expect(cycle.changedNodes == ["n1"])
        _ = cycle.place(request)
        #expect(node(&cycle) == nil)
        var isRenewed = cycle.renew([nodes[1]], revision: Revision(7))
        #expect(isRenewed && node(&cycle) == "n2" && cycle.changedNodes == ["n1"])
        #expect(cycle.snapshot.revision == Revision(7))
        isRenewed = cycle.renew([nodes[0]], revision: Revision(8))
        #expect(isRenewed && cycle.changedNodes.isEmpty)
        #expect(cycle.snapshot == ClusterSnapshot(revision: Revision(8), nodes: nodes))
    }

    @Test func `a renewal is seen in why a request is refused`() {
        var node = NodeState(name: "n1", devices: [device("a")])
        node.devices[0].cordon = "cordoned by ada: x"
        var cycle = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: [node]))
        func why() -> String {
            guard case .refused(let refusal) = cycle.place(PlacementRequest(runtime: .cuda, vram: .gibibytes(8)))
            else { return "placed" }
            return refusal.summary
        }
        #expect(why() == "no device fits: none of 1 that run cuda (cordon)")
        node.devices[0].cordon = nil
        node.devices[0].granted = .gibibytes(80)
        let isRenewed = cycle.renew([node], revision: .zero)
        #expect(isRenewed && why() == "no device fits: none of 1 that run cuda (device-memory)")
    }

    @Test func `what a cycle is built on makes it one to be made anew`() {
        let node = NodeState(
            name: "n1", devices: [device("a"), device("b")], cpuMilli: 4000, numaNodes: 1)
        func renewed(_ change: (inout NodeState) -> Void) -> Bool {
            var cycle = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: [node]))
            var other = node
            change(&other)
            return cycle.renew([other], revision: .zero)
        }
        #expect(renewed { $0.devices[0].granted = .gibibytes(1) })
        #expect(!renewed { $0.name = "n2" })
        #expect(!renewed { $0.devices.removeLast() })
        #expect(!renewed { $0.devices[1].device.memory = .gibibytes(40) })
        #expect(!renewed { $0.devices[1].device.id = DeviceID("c") })
        #expect(!renewed { $0.devices[1].pool = "lab" })
        #expect(!renewed { $0.cpuMilli = 8000 })
        #expect(!renewed { $0.numaNodes = 2 })
        #expect(!renewed { $0.software = [HostFacts.Software(name: "CUDA", version: "13.0")] })
    }
}
