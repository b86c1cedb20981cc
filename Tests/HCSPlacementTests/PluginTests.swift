import HCSModel
import HCSPlacement
import Testing

/// A request and a device that one filter refuses, and the words.
struct Refusal: Sendable, CustomTestStringConvertible {
    var filter: String
    var request: PlacementRequest
    var device: DeviceState
    var node: NodeState
    var words: String

    init(
        _ filter: String, _ words: String, vram: UInt64 = 8, placement: PlacementSpec = PlacementSpec(),
        device: DeviceState = HCSPlacementTests.device("a"), node: (inout NodeState) -> Void = { _ in },
        with change: (inout DeviceState) -> Void = { _ in }
    ) {
        self.filter = filter
        self.words = words
        request = PlacementRequest(runtime: .cuda, vram: .gibibytes(vram), placement: placement)
        var device = device
        change(&device)
        self.device = device
        var state = NodeState(name: "n1", devices: [device])
        node(&state)
        self.node = state
    }

    var testDescription: String { "\(filter): \(words)" }
}

private func term(_ text: String) -> PlacementTerm {
    do { return try PlacementTerm(parsing: text) } catch { preconditionFailure("\(text): \(error)") }
}

private let refusals: [Refusal] = [
    Refusal("runtime", "runtime cuda runs on NVIDIA, this is Huawei Ascend", device: device("a", .ascend)),
    Refusal("node-ready", "node n1 is not ready: silent for 12 s", node: { $0.notReady = "silent for 12 s" }),
    Refusal("blocked", "not offered by its agent: vanished", device: device("a", blocked: "vanished")),
    Refusal("cordon", "cordoned by ada: ticket 7", with: { $0.cordon = "cordoned by ada: ticket 7" }),
    Refusal("health", "health 59 (suspect)", device: device("a", score: 59)),
    Refusal("pool", "asks for pool lab, this is in no pool", placement: PlacementSpec(pool: "lab")),
    Refusal(
        "pool", "asks for pool lab, this is in pool prod", placement: PlacementSpec(pool: "lab"),
        with: { $0.pool = "prod" }),
    Refusal(
        "require", "requires model=*A100*, this is model-a",
        placement: PlacementSpec(require: [term("model=*A100*"), term("vendor=nvidia")])),
    Refusal(
        "require", "requires vendor!=nvidia, this is nvidia",
        placement: PlacementSpec(require: [term("vendor!=nvidia")])),
    Refusal("require", "requires node=n2, this is n1", placement: PlacementSpec(require: [term("node=n2")])),
    Refusal(
        "require", "requires driver>=550, its driver version is not known",
        placement: PlacementSpec(require: [term("driver>=550")])),
    Refusal(
        "require", "requires driver>=550, this is 535.104.05",
        placement: PlacementSpec(require: [term("driver>=550")]), with: { $0.device.driverVersion = "535.104.05" }),
    Refusal(
        "require", "requires runtime<=12.2, this is 12.10", placement: PlacementSpec(require: [term("runtime<=12.2")]),
        node: { $0.software = [.init(name: "CUDA", version: "12.10"), .init(name: "CANN", version: "8.0")] }),
    Refusal(
        "cpu", "asks for 4.5 cores, 2 cores of 8 cores of n1 are free", placement: PlacementSpec(cpuMilli: 4500),
        node: {
            $0.cpuMilli = 8000
            $0.grantedCPUMilli = 6000
        }),
    Refusal(
        "host-memory", "asks for 16Gi of host memory, 4Gi of 64Gi of n1 is free",
        placement: PlacementSpec(memory: .gibibytes(16)),
        node: {
            $0.memory = .gibibytes(64)
            $0.grantedMemory = .gibibytes(60)
        }),
    Refusal(
        "holders", "is given whole to another workload",
        with: {
            $0.holders = 1
            $0.isHeldWhole = true
        }),
    Refusal(
        "holders", "asks for it whole, 1 other workload has a share of it",
        placement: PlacementSpec(wholeDevices: true),
        device: device("a", granted: 4)),
    Refusal(
        "holders", "asks for it whole, 9Gi of it is in use", placement: PlacementSpec(wholeDevices: true),
        device: device("a", used: 9)),
    Refusal(
        "holders", "is shared by 256 workloads already, the most there can be", with: { $0.holders = 256 }),
    Refusal(
        "device-memory",
        "asks for 8Gi, 4Gi of 80Gi is free (10Gi granted, 75Gi in use by the driver's count, 1Gi kept as margin)",
        device: device("a", granted: 10, used: 75), with: { $0.margin = .gibibytes(1) }),
    Refusal(
        "device-memory", "asks for 8Gi, 2Gi of 80Gi is free (0 granted, 78Gi in use by its workloads' count)",
        with: { $0.segmentUsed = .gibibytes(78) }),
    Refusal("device-memory", "asks for 90Gi, the whole device has 80Gi", vram: 90),
    Refusal(
        "compute", "asks for 50 % of its compute, 30 % is free", placement: PlacementSpec(compute: .share(500)),
        with: { $0.grantedCompute = 700 }),
    Refusal(
        "compute",
        "asks for 10 TFLOPS fp16, how much of this device that is nobody knows: model-a has no published fp16 (not in the catalogue)",
        placement: PlacementSpec(compute: .teraflops(10, .fp16))),
    Refusal(
        "compute", "asks for 624 TFLOPS fp16, which is 2.0 of this device",
        placement: PlacementSpec(compute: .teraflops(624, .fp16)), with: { $0.device.fingerprint = a100 }),
    Refusal(
        "compute", "asks for 156 TFLOPS fp16 (50 % of it), 40 % is free",
        placement: PlacementSpec(compute: .teraflops(156, .fp16)),
        with: {
            $0.device.fingerprint = a100
            $0.grantedCompute = 600
        }),
]

/// The unit card's own figures.
let a100 = Fingerprint(tflops: [.fp16: 312], bandwidthGBps: 2039, confidence: .datasheet, source: "test")

@Suite struct PluginTests {
    private let registry = PluginRegistry.standard()

    @Test func `names are unique, and scores and filters have one`() {
        let names = registry.filters.map(\.name)
        let scores = registry.scores.map(\.name)
        #expect(Set(names).count == names.count && !names.contains(""))
        #expect(Set(scores).count == scores.count && !scores.contains(""))
        for filter in registry.filters {
            #expect((filter.basis == .room) == (filter is any RoomFilter), "\(filter.name)")
        }
    }

    @Test(arguments: refusals) func `a filter refuses in words with figures, and no other does`(_ refusal: Refusal) {
        for filter in registry.filters {
            let words = filter.objection(to: refusal.request, on: refusal.device, of: refusal.node)
            #expect(words == (filter.name == refusal.filter ? refusal.words : nil), "\(filter.name)")
        }
        var cycle = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: [refusal.node]))
        guard case .refused = cycle.place(refusal.request) else {
            Issue.record("placed, although \(refusal.filter) refuses")
            return
        }
        let verdict = cycle.verdicts(for: refusal.request).first
        #expect(verdict?.reasons == [refusal.words])
    }

    @Test func `every filter but the quota's has a refusal among these`() {
        #expect(Set(registry.filters.map(\.name)) == Set(refusals.map(\.filter)).union(["quota"]))
    }

    @Test(arguments: refusals) func `a condition is the same whoever asks`(_ refusal: Refusal) {
        let anyone = PlacementRequest(runtime: .acl, vram: .gibibytes(999), placement: PlacementSpec(devices: 3))
        for filter in registry.filters where filter.basis == .condition {
            let one = filter.objection(to: refusal.request, on: refusal.device, of: refusal.node)
            #expect(filter.objection(to: anyone, on: refusal.device, of: refusal.node) == one)
        }
    }

    @Test func `a term matches names with stars whatever their case, and versions by number`() {
        var state = device("a", model: "NVIDIA A100-SXM4-80GB")
        state.device.driverVersion = "535.104.05"
        let node = NodeState(name: "gpu-01", devices: [state], software: [.init(name: "CUDA", version: "12.4.1")])
        let filter = registry.filters.first { $0.name == "require" }
        for (text, holds) in [
            ("model=*a100*", true), ("model=A100*", false), ("model=NVIDIA*80GB", true), ("model!=*H100*", true),
            ("model=*", true), ("model=**SXM**", true), ("node=gpu-*", true), ("node!=gpu-01", false),
            ("driver>=535", true), ("driver>=535.104.6", false), ("driver<=535.104.5", true),
            ("driver=535.104.5", true), ("driver=535*", true), ("runtime>=12.10", false), ("runtime=12.4.1", true),
            ("runtime!=12.4", true), ("vendor=NVIDIA", true), ("vendor=hygon", false),
        ] {
            let request = PlacementRequest(
                runtime: .cuda, vram: .gibibytes(1), placement: PlacementSpec(require: [term(text)]))
            #expect((filter?.objection(to: request, on: state, of: node) == nil) == holds, "\(text)")
        }
    }
}
