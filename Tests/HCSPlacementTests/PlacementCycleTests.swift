import HCSModel
import HCSPlacement
import Testing

func device(
    _ id: String, _ vendor: Vendor = .nvidia, memory: UInt64 = 80, granted: UInt64 = 0, used: UInt64? = nil,
    score: Int? = 100, blocked: String? = nil, model: String? = nil, numaNode: Int? = nil
) -> DeviceState {
    DeviceState(
        device: Device(
            id: DeviceID(id), vendor: vendor, model: model ?? "model-\(id)", index: 0, memory: .gibibytes(memory),
            numaNode: numaNode, simulated: true),
        health: DeviceHealth(score: score, reasons: []), blocked: blocked, granted: .gibibytes(granted),
        holders: granted > 0 ? 1 : 0, driverUsed: used.map(ByteCount.gibibytes))
}

func cycle(_ devices: [DeviceState], notReady: String? = nil) -> PlacementCycle {
    PlacementCycle(
        snapshot: ClusterSnapshot(revision: .zero, nodes: [NodeState(name: "n1", notReady: notReady, devices: devices)])
    )
}

func request(_ gibibytes: UInt64, _ runtime: Runtime = .cuda) -> PlacementRequest {
    PlacementRequest(runtime: runtime, vram: .gibibytes(gibibytes))
}

@Suite struct PlacementCycleTests {
    private func chosen(_ decision: PlacementCycle.Decision) -> String? {
        guard case .placed(let placement) = decision else { return nil }
        return placement.grants.first?.device.uuid
    }

    @Test func `work goes to a device of a maker that runs its runtime`() {
        var cycle = cycle([device("a", .ascend), device("h", .hygon), device("m", .cambricon), device("n", .nvidia)])
        for (runtime, expected) in [(Runtime.cuda, "n"), (.acl, "a"), (.hip, "h"), (.cnrt, "m")] {
            #expect(chosen(cycle.place(request(1, runtime))) == expected)
        }
    }

    @Test func `a card that is shared already is filled before a whole one is broken`() {
        var cycle = cycle([device("a"), device("b", granted: 10), device("c")])
        #expect(chosen(cycle.place(request(20))) == "b")
        #expect(chosen(cycle.place(request(50))) == "b")
        #expect(chosen(cycle.place(request(1))) == "a")
    }

    @Test func `what one cycle gives out it does not give out again`() {
        var cycle = cycle([device("a", memory: 10)])
        #expect(chosen(cycle.place(request(6))) == "a")
        #expect(chosen(cycle.place(request(6))) == nil)
        #expect(chosen(cycle.place(request(4))) == "a")
    }

    @Test func `the larger of granted and driver-reported memory counts as taken`() {
        #expect(device("a", granted: 10, used: 30).free == .gibibytes(50))
        #expect(device("a", granted: 30, used: 10).free == .gibibytes(50))
        #expect(device("a", memory: 10, granted: 30).free == .zero)
    }

    @Test(arguments: [0, 1, 59, nil])
    func `a device below degraded, or of unknown health, gets no work`(score: Int?) {
        var cycle = cycle([device("a", score: score)])
        #expect(chosen(cycle.place(request(1))) == nil)
    }

    @Test(arguments: [60, 84, 85, 100])
    func `a degraded or healthy device does`(score: Int) {
        var cycle = cycle([device("a", score: score)])
        #expect(chosen(cycle.place(request(1))) == "a")
    }

    @Test func `a refusal says for each device every reason, with figures`() throws {
        var cycle = cycle([
            device("a", granted: 70, used: 72), device("b", memory: 40), device("c", .ascend), device("d", score: 0),
            device("e", blocked: "a real device while simulating"),
        ])
        let verdicts = cycle.verdicts(for: request(60))
        let reasons = Dictionary(
            uniqueKeysWithValues: verdicts.map { ($0.device.uuid, $0.reasons.joined(separator: "; ")) })
        #expect(reasons["a"] == "asks for 60Gi, 8Gi of 80Gi is free (70Gi granted, 72Gi in use by the driver's count)")
        #expect(reasons["b"] == "asks for 60Gi, the whole device has 40Gi")
        #expect(reasons["c"] == "runtime cuda runs on NVIDIA, this is Huawei Ascend")
        #expect(reasons["d"] == "health 0 (failed)")
        #expect(reasons["e"] == "not offered by its agent: a real device while simulating")
        guard case .refused(let refusal) = cycle.place(request(60)) else {
            Issue.record("placed")
            return
        }
        #expect(
            refusal.summary
                == "no device fits: none of 4 that run cuda (blocked, health, device-memory); 1 of other vendors")
    }

    @Test func `an unreachable node gets nothing and says so`() {
        var cycle = cycle([device("a")], notReady: "silent for 12 s")
        let verdicts = cycle.verdicts(for: request(1))
        #expect(verdicts.map(\.reasons) == [["node n1 is not ready: silent for 12 s"]])
    }

    @Test func `without devices the reason is that there are none`() {
        var none = cycle([])
        #expect(none.refusal(of: request(1)).summary == "no node has reported a device")
        var nobody = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: []))
        #expect(nobody.refusal(of: request(1)).summary == "no node has reported a device")
        #expect(chosen(nobody.place(request(1))) == nil)
    }

    @Test func `equal input gives equal output, and no device is ever promised more than it has`() {
        for seed in UInt64(1)...50 {
            var generator = SplitMix64(state: seed)
            let devices = (0..<8).map { i in
                device(
                    "d\(i)", memory: UInt64.random(in: 1...100, using: &generator),
                    granted: UInt64.random(in: 0...50, using: &generator))
            }
            let requests = (0..<40).map { _ in request(UInt64.random(in: 1...40, using: &generator)) }
            func run() -> (choices: [String?], snapshot: ClusterSnapshot) {
                var cycle = cycle(devices)
                let choices = requests.map { chosen(cycle.place($0)) }
                return (choices, cycle.snapshot)
            }
            let first = run()
            #expect(first.choices == run().choices)
            for (before, after) in zip(devices, first.snapshot.nodes[0].devices) where after.granted != before.granted {
                #expect(after.granted <= after.device.memory)
            }
        }
    }
}
