import HCSModel
import HCSPlacement
import Testing

private func term(_ text: String) throws -> PlacementTerm { try PlacementTerm(parsing: text) }

private func ask(_ gibibytes: UInt64 = 8, _ placement: PlacementSpec) -> PlacementRequest {
    PlacementRequest(runtime: .cuda, vram: .gibibytes(gibibytes), placement: placement)
}

private func cluster(_ nodes: [NodeState], _ plugins: PluginRegistry = .standard()) -> PlacementCycle {
    PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: nodes), plugins: plugins)
}

private func placed(_ decision: PlacementCycle.Decision) -> PlacementCycle.Placement? {
    if case .placed(let placement) = decision { placement } else { nil }
}

extension PlacementCycle {
    mutating fileprivate func devices(_ request: PlacementRequest, avoiding nodes: Set<String> = []) -> [String]? {
        placed(place(request, avoiding: nodes))?.grants.map(\.device.uuid)
    }

    mutating fileprivate func why(_ request: PlacementRequest) -> String? {
        if case .refused(let refusal) = place(request) { refusal.summary } else { nil }
    }
}

@Suite struct CycleChoiceTests {
    @Test func `several devices come from one node, and a node with too few of them says so`() {
        var cycle = cluster([
            NodeState(name: "n1", devices: [device("a"), device("b")]),
            NodeState(name: "n2", devices: [device("c"), device("d"), device("e")]),
        ])
        let three = ask(8, PlacementSpec(devices: 3))
        let verdicts = cycle.verdicts(for: three)
        #expect(verdicts.map(\.fits) == [false, false, true, true, true])
        #expect(verdicts[0].reasons == ["only 2 devices of n1 fit, 3 are asked for"])
        #expect(verdicts.map(\.chosen) == [nil, nil, true, true, true])
        #expect(cycle.devices(three) == ["c", "d", "e"])
        #expect(cycle.devices(ask(79, PlacementSpec(devices: 3))) == nil)
        #expect(cycle.refusal(of: ask(79, PlacementSpec(devices: 3))).summary == "no node has 3 devices that fit")
    }

    @Test func `devices of several models are taken together only where no model has enough`() {
        let mixed = NodeState(
            name: "n1", devices: [device("a", model: "T4"), device("b", model: "A10"), device("c", model: "T4")])
        var cycle = cluster([mixed])
        #expect(cycle.devices(ask(8, PlacementSpec(devices: 2))) == ["a", "c"])
        #expect(cycle.devices(ask(8, PlacementSpec(devices: 3))) == ["a", "b", "c"])
    }

    @Test func `a node of more than 16 devices gives as many as are asked for`() {
        var cycle = cluster([NodeState(name: "n1", devices: (0..<40).map { device("d\($0)", model: "MIG") })])
        for _ in 0..<2 {
            let all = (0..<2).map { _ in cycle.devices(ask(80, PlacementSpec(devices: 16)))?.count }
            #expect(all == [16, 16] || all == [nil, nil])
        }
        #expect(cycle.devices(ask(80, PlacementSpec(devices: 8)))?.count == 8)
        #expect(cycle.devices(ask(1, PlacementSpec())) == nil)
    }

    @Test func `whole devices are idle ones, all of their memory is given, and nobody else starts there`() {
        var cycle = cluster([NodeState(name: "n1", devices: [device("a"), device("b")])])
        #expect(cycle.devices(ask(1, PlacementSpec())) == ["a"])
        let whole = placed(cycle.place(ask(8, PlacementSpec(wholeDevices: true))))
        #expect(
            whole?.grants == [DeviceGrant(device: DeviceID("b"), vendor: .nvidia, quota: .gibibytes(80), whole: true)])
        #expect(cycle.devices(ask(8, PlacementSpec(wholeDevices: true))) == nil)
        #expect(cycle.devices(ask(78, PlacementSpec())) == ["a"])
        #expect(cycle.devices(ask(2, PlacementSpec())) == nil)
        if let whole { cycle.release(whole) }
        #expect(cycle.devices(ask(8, PlacementSpec(wholeDevices: true))) == ["b"])
    }

    @Test func `a margin keeps room, but not on a device given whole`() {
        var card = device("a", memory: 10)
        card.margin = .gibibytes(1)
        var cycle = cluster([NodeState(name: "n1", devices: [card])])
        #expect(cycle.devices(ask(10, PlacementSpec())) == nil)
        #expect(cycle.canPlace(ask(10, PlacementSpec(wholeDevices: true))) != nil)
        #expect(cycle.devices(ask(9, PlacementSpec())) == ["a"])
        #expect(cycle.devices(ask(1, PlacementSpec())) == nil)
    }

    @Test func `memory that only the segments count is taken`() {
        var card = device("a", memory: 10)
        card.segmentUsed = .gibibytes(7)
        #expect(card.free == .gibibytes(3))
        var cycle = cluster([NodeState(name: "n1", devices: [card])])
        #expect(cycle.devices(ask(4, PlacementSpec())) == nil)
        #expect(cycle.devices(ask(3, PlacementSpec())) == ["a"])
    }

    @Test func `compute and memory are counted apart: what fits both fits`() {
        var cycle = cluster([NodeState(name: "n1", devices: [device("a", memory: 10)])])
        #expect(cycle.devices(ask(5, PlacementSpec(compute: .share(100)))) == ["a"])
        #expect(cycle.devices(ask(1, PlacementSpec(compute: .share(500)))) == ["a"])
        #expect(cycle.devices(ask(1, PlacementSpec(compute: .share(401)))) == nil)
        #expect(cycle.devices(ask(4, PlacementSpec(compute: .share(400)))) == ["a"])
    }

    @Test func `TFLOPS are a share of each card by its own figures`() throws {
        var card = device("a")
        card.device.fingerprint = a100
        var cycle = cluster([NodeState(name: "n1", devices: [card])])
        let grant = placed(cycle.place(ask(8, PlacementSpec(compute: .teraflops(78, .fp16)))))?.grants.first
        #expect(grant?.computeMilli == 250)
    }

    @Test func `CPU and host memory are counted for each workload on the host`() {
        var cycle = cluster([
            NodeState(name: "n1", devices: [device("a")], cpuMilli: 8000, memory: .gibibytes(32))
        ])
        let work = ask(1, PlacementSpec(cpuMilli: 3000, memory: .gibibytes(10)))
        let first = placed(cycle.place(work))
        #expect(first?.cpuMilli == 3000 && first?.memory == .gibibytes(10))
        #expect(cycle.devices(work) != nil)
        #expect(cycle.devices(work) == nil)
        #expect(cycle.devices(ask(1, PlacementSpec(cpuMilli: 2000, memory: .gibibytes(13)))) == nil)
        #expect(cycle.devices(ask(1, PlacementSpec(cpuMilli: 2000, memory: .gibibytes(12)))) != nil)
        if let first { cycle.release(first) }
        #expect(cycle.devices(work) != nil)
    }

    @Test func `preferred devices come before all else, avoided ones last, and either only if they fit`() throws {
        func nodes() -> [NodeState] {
            ["T4", "A10", "H100"].map { NodeState(name: "n-\($0)", devices: [device($0, model: $0)]) }
        }
        var cycle = cluster(nodes())
        let wish = ask(
            50, PlacementSpec(prefer: [try term("model=H100")], avoid: [try term("node=n-T4")]))
        #expect(cycle.devices(wish) == ["H100"])
        #expect(cycle.devices(wish) == ["A10"])
        #expect(cycle.devices(wish) == ["T4"])
        #expect(cycle.devices(wish) == nil)
    }

    @Test func `work that fits a small card is not put on a large one, and goes there when the small is full`() {
        func card(_ id: String, _ memory: UInt64, _ tflops: Double, _ bandwidth: Double) -> DeviceState {
            var state = device(id, memory: memory, model: id)
            state.device.fingerprint = Fingerprint(
                tflops: [.fp16: tflops], bandwidthGBps: bandwidth, confidence: .datasheet, source: "test")
            return state
        }
        for order in [false, true] {
            var nodes = [
                NodeState(name: "n1", devices: [card("H100", 80, 989, 3350)]),
                NodeState(name: "n2", devices: [card("T4", 16, 65, 320)]),
            ]
            if order { nodes.reverse() }
            var cycle = cluster(nodes)
            #expect(cycle.devices(ask(8, PlacementSpec())) == ["T4"])
            #expect(cycle.devices(ask(8, PlacementSpec())) == ["T4"])
            #expect(cycle.devices(ask(8, PlacementSpec())) == ["H100"])
        }
    }

    @Test func `the healthier of two alike devices is taken`() {
        var cycle = cluster([NodeState(name: "n1", devices: [device("a", score: 70), device("b", score: 99)])])
        #expect(cycle.devices(ask(8, PlacementSpec())) == ["b"])
    }

    @Test func `spread goes to the node with fewest of its group, pack does not`() {
        func nodes() -> [NodeState] { (1...3).map { NodeState(name: "n\($0)", devices: [device("d\($0)")]) } }
        var cycle = cluster(nodes())
        let spread = ask(8, PlacementSpec(strategy: .spread, tenant: "red"))
        #expect((0..<3).map { _ in cycle.devices(spread)?.first ?? "" } == ["d1", "d2", "d3"])
        let again = placed(cycle.place(spread))
        #expect(again?.node == "n1" && again?.group == "red")
        // Another tenant's are in nobody's way.
        #expect(cycle.devices(ask(8, PlacementSpec(strategy: .spread, tenant: "blue")))?.first == "d1")
        if let again { cycle.release(again) }
        #expect(cycle.devices(spread)?.first == "d1")
        var pack = cluster(nodes())
        #expect(Set((0..<3).map { _ in pack.devices(ask(8, PlacementSpec()))?.first ?? "" }) == ["d1"])
    }

    @Test func `a gang spreads over its own members, not its tenant's others`() {
        var cycle = cluster((1...2).map { NodeState(name: "n\($0)", devices: [device("d\($0)")]) })
        func member(_ gang: String) -> PlacementRequest {
            ask(8, PlacementSpec(strategy: .spread, gang: Gang(name: gang, size: 2), tenant: "red"))
        }
        #expect(cycle.devices(member("g1")) == ["d1"])
        #expect(cycle.devices(member("g2")) == ["d1"])
        #expect(cycle.devices(member("g1")) == ["d2"])
        #expect(cycle.devices(member("g2")) == ["d2"])
    }

    @Test func `nodes to be avoided are not used, and are no worse afterwards`() {
        var cycle = cluster((1...2).map { NodeState(name: "n\($0)", devices: [device("d\($0)")]) })
        #expect(cycle.devices(ask(8, PlacementSpec()), avoiding: ["n1"]) == ["d2"])
        #expect(cycle.devices(ask(8, PlacementSpec()), avoiding: ["n1", "n2", "n9"]) == nil)
        #expect(cycle.devices(ask(80, PlacementSpec())) == ["d1"])
    }

    private struct Allowed: QuotaCheck {
        var pools: Set<String>
        func objection(to request: PlacementRequest, inPool pool: String?) -> String? {
            pools.contains(pool ?? "-") ? nil : "tenant \(request.placement.tenant) may have no more in \(pool ?? "-")"
        }
    }

    @Test func `a quota closes a pool to its tenant, and opens it again`() {
        var nodes = (1...2).map { NodeState(name: "n\($0)", devices: [device("d\($0)")]) }
        nodes[0].devices[0].pool = "lab"
        nodes[1].devices[0].pool = "prod"
        var cycle = cluster(nodes)
        let work = ask(8, PlacementSpec(tenant: "red"))
        cycle.quota = Allowed(pools: ["prod"])
        #expect(cycle.devices(work) == ["d2"])
        #expect(cycle.devices(ask(8, PlacementSpec(pool: "lab", tenant: "red"))) == nil)
        cycle.quota = Allowed(pools: [])
        #expect(cycle.devices(work) == nil)
        #expect(
            cycle.verdicts(for: work).map(\.reasons) == [
                ["tenant red may have no more in lab"], ["tenant red may have no more in prod"],
            ])
        for tenant in ["red", "blue"] {
            let asks = ask(8, PlacementSpec(tenant: tenant))
            let both =
                "quota: pool lab: tenant \(tenant) may have no more in lab; pool prod: tenant \(tenant) may have no more in prod"
            let one = ask(8, PlacementSpec(pool: "prod", tenant: tenant))
            #expect(cycle.refusal(of: asks).summary == "no device fits: none of 2 that run cuda (\(both))")
            // What alike requests share is kept; whose quota it is, is not.
            #expect(cycle.why(asks) == cycle.refusal(of: asks).summary)
            #expect(
                cycle.why(one)
                    == "no device fits: none of 2 that run cuda (pool, quota: pool prod: tenant \(tenant) may have no more in prod)"
            )
        }
        cycle.quota = Allowed(pools: ["lab", "prod"])
        #expect(cycle.devices(ask(8, PlacementSpec(pool: "lab", tenant: "red"))) == ["d1"])
    }

    // MARK: Topology

    /// Devices 0 and 1 are joined, 1 and 2, and 0 and 2; 3 hangs on 2 alone.
    private func linked() -> NodeState {
        func address(_ i: Int) -> PCIAddress { PCIAddress(domain: 0, bus: UInt8(i + 1), device: 0, function: 0) }
        let pairs = [(0, 1), (1, 2), (0, 2), (2, 3)]
        return NodeState(
            name: "n1",
            devices: (0..<4).map { i in
                var state = device("d\(i)", model: "A100", numaNode: i / 2)
                state.device.pci = address(i)
                state.device.details.links = pairs.filter { $0.0 == i || $0.1 == i }.enumerated().map { lane, pair in
                    DeviceLink(
                        kind: .nvlink, lane: lane, up: true, peer: .device,
                        peerAddress: address(pair.0 == i ? pair.1 : pair.0))
                }
                return state
            }, numaNodes: 2)
    }

    @Test func `nvlink asks for a link between every two`() {
        var cycle = cluster([linked()])
        #expect(cycle.devices(ask(8, PlacementSpec(devices: 3, interconnect: .link))) == ["d0", "d1", "d2"])
        #expect(cycle.canPlace(ask(8, PlacementSpec(devices: 4, interconnect: .link))) == nil)
        #expect(cycle.canPlace(ask(8, PlacementSpec(devices: 4)))?.grants.count == 4)
        #expect(
            cycle.verdicts(for: ask(8, PlacementSpec(devices: 4, interconnect: .link))).first?.reasons
                == ["4 devices of n1 fit, but no 4 of them are each joined to each by a link of their maker"])
        #expect(
            cycle.refusal(of: ask(8, PlacementSpec(devices: 4, interconnect: .link))).summary
                == "no node has 4 devices that fit, each joined to each by a link of their maker")
        // Filled so far that only d3 and d2 are left.
        for d in ["d0", "d1"] {
            cycle.reserve(
                .init(node: "n1", grants: [DeviceGrant(device: DeviceID(d), vendor: .nvidia, quota: .gibibytes(70))]))
        }
        #expect(cycle.devices(ask(8, PlacementSpec(devices: 2, interconnect: .link))) == ["d2", "d3"])
    }

    @Test func `a link that is down joins nothing`() {
        var node = linked()
        for lane in node.devices[3].device.details.links.indices {
            node.devices[3].device.details.links[lane].up = false
        }
        var cycle = cluster([node])
        for d in ["d0", "d1"] {
            cycle.reserve(
                .init(node: "n1", grants: [DeviceGrant(device: DeviceID(d), vendor: .nvidia, quota: .gibibytes(79))]))
        }
        #expect(cycle.devices(ask(8, PlacementSpec(devices: 2, interconnect: .link))) == nil)
    }

    @Test func `same-numa asks for one NUMA node, which must be known unless there is one only`() {
        var cycle = cluster([linked()])
        let pair = ask(50, PlacementSpec(devices: 2, interconnect: .sameNUMA))
        #expect(cycle.devices(ask(50, PlacementSpec(require: []))) == ["d0"])
        #expect(cycle.devices(pair) == ["d2", "d3"])
        #expect(cycle.devices(pair) == nil)
        for (count, fits) in [(nil, false), (2, false), (1, true)] as [(Int?, Bool)] {
            var unknown = cluster([
                NodeState(name: "n1", devices: [device("a", model: "x"), device("b", model: "x")], numaNodes: count)
            ])
            #expect((unknown.canPlace(pair) != nil) == fits)
        }
    }
}
