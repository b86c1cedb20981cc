import HCSModel
import HCSPlacement
import Testing

@Suite struct PlanSearchTests {
    private func ask(_ gibibytes: UInt64, _ placement: PlacementSpec = PlacementSpec()) -> PlacementRequest {
        PlacementRequest(runtime: .cuda, vram: .gibibytes(gibibytes), placement: placement)
    }

    private func cycle(_ nodes: [NodeState]) -> PlacementCycle {
        PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: nodes))
    }

    private func texts(_ request: PlacementRequest, _ nodes: [NodeState], running: [PlacedWork] = []) -> [String] {
        PlanSearch.changes(for: request, in: cycle(nodes), running: running).map(\.text)
    }

    @Test func `what fits needs no change`() {
        #expect(texts(ask(8), [NodeState(name: "n1", devices: [device("a")])]) == [])
    }

    @Test func `less device memory, in a size that the command line takes`() {
        #expect(
            texts(ask(8), [NodeState(name: "n1", devices: [device("a", memory: 10, granted: 4)])])
                == ["fits with --vram 6Gi"])
        var odd = device("a", memory: 10)
        odd.granted = .mebibytes(8700)
        #expect(texts(ask(8), [NodeState(name: "n1", devices: [odd])]) == ["fits with --vram 1540Mi"])
    }

    @Test func `fewer devices, less memory on each, or without the link: the smallest change first`() {
        let nodes = [
            NodeState(
                name: "n1",
                devices: (0..<4).map {
                    device("d\($0)", memory: 10, granted: $0 == 3 ? 1 : 0, model: "x", numaNode: $0 / 2)
                },
                numaNodes: 2)
        ]
        let request = ask(10, PlacementSpec(devices: 4))
        #expect(texts(request, nodes) == ["fits with --vram 9Gi", "fits with 3 devices instead of 4"])
        let joined = ask(9, PlacementSpec(devices: 4, interconnect: .sameNUMA))
        #expect(texts(joined, nodes) == ["fits with 2 devices instead of 4", "fits without --interconnect same-numa"])
    }

    @Test func `a gang for one node changes as a whole, and may go to several`() {
        let nodes = ["n1", "n2"].map { name in
            NodeState(name: name, devices: (0..<2).map { device("\(name)-\($0)", memory: 10) }, cpuMilli: 8000)
        }
        var asked = PlacementSpec(interconnect: .sameNode, gang: Gang(name: "g", size: 4))
        #expect(texts(ask(4, asked), nodes) == [])
        // Two fit on a node, each on a device of its own.
        #expect(texts(ask(6, asked), nodes) == ["fits with --vram 5Gi", "fits without --interconnect same-node"])
        asked.cpuMilli = 3000
        #expect(texts(ask(4, asked), nodes) == ["fits with --cpu 2", "fits without --interconnect same-node"])
    }

    @Test func `less compute, CPU or host memory`() {
        var state = device("a")
        state.grantedCompute = 750
        state.device.fingerprint = a100
        let node = NodeState(name: "n1", devices: [state], cpuMilli: 3500, memory: .gibibytes(20))
        #expect(texts(ask(8, PlacementSpec(compute: .share(500))), [node]) == ["fits with --share 0.25"])
        #expect(texts(ask(8, PlacementSpec(compute: .teraflops(100, .fp16))), [node]) == ["fits with --tflops 78"])
        #expect(texts(ask(8, PlacementSpec(cpuMilli: 4000)), [node]) == ["fits with --cpu 3.5"])
        #expect(texts(ask(8, PlacementSpec(memory: .gibibytes(32))), [node]) == ["fits with --memory 20Gi"])
        // Two at once: no single change helps.
        #expect(texts(ask(8, PlacementSpec(compute: .share(500), cpuMilli: 4000)), [node]) == [])
    }

    @Test func `a condition that is dropped`() throws {
        let node = NodeState(name: "n1", devices: [device("a", granted: 1, model: "T4")])
        let terms = [try PlacementTerm(parsing: "model=*H100*"), try PlacementTerm(parsing: "vendor=nvidia")]
        #expect(
            texts(ask(8, PlacementSpec(require: terms)), [node]) == ["fits if '--require model=*H100*' were dropped"])
        #expect(texts(ask(8, PlacementSpec(pool: "lab")), [node]) == ["fits outside of pool lab"])
        #expect(texts(ask(8, PlacementSpec(wholeDevices: true)), [node]) == ["fits without --whole"])
    }

    private func running(
        _ name: String, _ node: String, _ device: String, _ gibibytes: UInt64, priority: Int, used: UInt64 = 0
    )
        throws -> PlacedWork
    {
        let id = try #require(WorkloadID("00000000-0000-4000-8000-00000000000\(name.utf8.count)"))
        return PlacedWork(
            id: id, name: name, request: ask(gibibytes, PlacementSpec(priority: priority)),
            placement: .init(
                node: node,
                grants: [DeviceGrant(device: DeviceID(device), vendor: .nvidia, quota: .gibibytes(gibibytes))]),
            createdMilliseconds: 0, sinceMilliseconds: 0,
            used: used > 0 ? [DeviceID(device): .gibibytes(used)] : [:])
    }

    @Test func `the end of the least work of lower priority, and never of equal or higher`() throws {
        let nodes = [
            NodeState(name: "n1", devices: [device("a", granted: 80, used: 70)]),
            NodeState(name: "n2", devices: [device("b", granted: 80, used: 70)]),
        ]
        let all = [
            try running("x", "n1", "a", 40, priority: 0, used: 35),
            try running("yy", "n2", "b", 30, priority: 0, used: 30),
            try running("zzz", "n2", "b", 10, priority: 0, used: 10), try running("wwww", "n2", "b", 25, priority: 5),
        ]
        let request = ask(20, PlacementSpec(priority: 5))
        let changes = PlanSearch.changes(for: request, in: cycle(nodes), running: all)
        #expect(changes.map(\.text) == ["fits if workload yy (priority 0) ended"])
        #expect(changes.first?.workload == all[1].id)
        #expect(changes.first?.node == "n2")
        #expect(texts(ask(20), nodes, running: all) == [])
        // What its processes use must go too: the driver still counts 70 without that.
        var kept = all
        for i in kept.indices { kept[i].used = [:] }
        #expect(texts(request, nodes, running: kept) == [])
    }

    @Test(arguments: 1...40) func `every change that is proposed is true, and the next larger amount does not fit`(
        _ seed: UInt64
    ) throws {
        var generator = SplitMix64(state: seed)
        func pick<T>(_ values: [T]) -> T { values[Int.random(in: values.indices, using: &generator)] }
        let nodes = (0..<4).map { n in
            NodeState(
                name: "n\(n)",
                devices: (0..<3).map { d in
                    var state = device(
                        "n\(n)-d\(d)", memory: pick([16, 80]), granted: pick([0, 7, 12]), model: pick(["T4", "H100"]))
                    state.grantedCompute = pick([0, 400, 900])
                    return state
                }, cpuMilli: pick([2000, 16000]), memory: .gibibytes(pick([8, 64])))
        }
        let request = ask(
            pick([10, 20, 75]),
            PlacementSpec(
                devices: pick([1, 2, 3]), compute: pick([nil, .share(700)]), cpuMilli: pick([0, 9000]),
                memory: .gibibytes(pick([0, 30])), require: pick([[], [try PlacementTerm(parsing: "model=H100")]])))
        var world = cycle(nodes)
        for change in PlanSearch.changes(for: request, in: world) {
            var changed = request
            var more = request
            let number = change.text.split(separator: " ").last.map(String.init) ?? ""
            switch change.kind {
            case .vram:
                changed.vram = try ByteCount.parse(number)
                more.vram = changed.vram.adding(.gibibytes(2))
            case .devices:
                changed.placement.devices = try #require(Int(change.text.split(separator: " ")[2]))
                more.placement.devices = changed.placement.devices + 1
            case .compute:
                let share = Int(((try #require(Double(number))) * 1000).rounded())
                changed.placement.compute = .share(share)
                more.placement.compute = .share(share + 1)
            case .cpu:
                changed.placement.cpuMilli = Int(((try #require(Double(number))) * 1000).rounded())
                more.placement.cpuMilli = changed.placement.cpuMilli + 1
            case .memory:
                changed.placement.memory = try ByteCount.parse(number)
                more.placement.memory = changed.placement.memory.adding(.gibibytes(1))
            case .require: changed.placement.require = []
            default: Issue.record("nothing of this kind was asked for: \(change)")
            }
            #expect(world.canPlace(changed)?.node == change.node, "\(change.text)")
            #expect(world.canPlace(more) == nil, "\(change.text) is not the least")
        }
    }
}
