import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import HCSStore
import Logging
import Testing

/// The room that placement decides in is kept between decisions; the next decision sees what was told since.
@Suite struct RoomTests {
    private struct Pool {
        var state: ClusterState
        var makers: [String: ReportMaker] = [:]
        var monotonic: Int64 = 1_000_000
        var now: Int64 = 1_700_000_000_000

        init() {
            state = ClusterState(
                StoredState(revision: .zero, nodes: [], workloads: []),
                settings: SchedulerSettings(margin: .zero), monotonic: monotonic, now: now)
        }

        mutating func report(
            _ node: String, _ devices: [DeviceReport], workloads: [WorkloadObservation] = [],
            leases: [LeaseObservation]? = nil
        ) throws {
            var maker = makers[node] ?? ReportMaker(node: node)
            let report = maker.make(devices, workloads: workloads, leases: leases)
            makers[node] = maker
            try state.receive(report, monotonic: monotonic, now: now)
        }

        /// Where a request of that size would go; nil = nowhere.
        mutating func target(_ gibibytes: UInt64 = 40) throws -> String? {
            let plan = try state.plan(spec("probe", vram: gibibytes), monotonic: monotonic)
            let kept = state.placementCycle(monotonic: monotonic).snapshot
            #expect(kept == state.snapshot(monotonic: monotonic))
            return plan.node
        }

        mutating func submit(_ name: String, _ gibibytes: UInt64 = 40) throws -> WorkloadID {
            var generator = SplitMix64(state: UInt64(name.utf8.reduce(7) { $0 * 31 + Int($1) }))
            let id = WorkloadID.random(using: &generator)
            try state.submit(spec(name, vram: gibibytes), id: id, monotonic: monotonic, now: now)
            return id
        }
    }

    /// Two nodes with a device each, n1 first in line.
    private func pool() throws -> Pool {
        var pool = Pool()
        try pool.report("n1", [gpu("a")])
        try pool.report("n2", [gpu("b")])
        #expect(try pool.target() == "n1")
        return pool
    }

    @Test func `a device that is not well any more gets nothing, and something again when it is`() throws {
        var pool = try pool()
        try pool.report("n1", [gpu("a", score: 0)])
        #expect(try pool.target() == "n2")
        try pool.report("n1", [gpu("a")])
        #expect(try pool.target() == "n1")
    }

    @Test func `a cordon is seen, and its end`() throws {
        var pool = try pool()
        for target in ["n1", "a"] {
            let node = target == "a" ? "n1" : nil
            _ = try pool.state.cordon(
                CordonRequest(target: target == "a" ? "a" : "n1", node: node, reason: "x", by: "ada", drain: false),
                monotonic: pool.monotonic, now: pool.now)
            #expect(try pool.target() == "n2")
            _ = try pool.state.uncordon(
                UncordonRequest(target: target == "a" ? "a" : "n1", node: node, by: "ada"), monotonic: pool.monotonic,
                now: pool.now)
            #expect(try pool.target() == "n1")
        }
    }

    @Test func `a new node, a new device and a changed one are seen, and a node that is forgotten is gone`() throws {
        var pool = try pool()
        try pool.report("n0", [gpu("c", memory: 100)])
        #expect(try pool.target(90) == "n0")
        try pool.report("n2", [gpu("b"), gpu("d", memory: 200)])
        #expect(try pool.target(150) == "n2")
        try pool.report("n0", [gpu("c", memory: 300)])
        #expect(try pool.target(250) == "n0")
        pool.monotonic += 20_000
        _ = try pool.state.forget(
            "n0", ForgetRequest(reason: "gone", by: "ada"), monotonic: pool.monotonic, now: pool.now)
        #expect(try pool.target(250) == nil)
    }

    @Test func `a node that falls silent gets nothing without anybody telling, and something when it is back`() throws {
        var pool = try pool()
        pool.monotonic += ClusterState.silenceLimitMilliseconds - 1_000
        try pool.report("n2", [gpu("b")])
        #expect(try pool.target() == "n1")
        pool.monotonic += 1_001
        #expect(try pool.target() == "n2")
        pool.monotonic += 3_000
        #expect(try pool.target() == "n2")
        try pool.report("n1", [gpu("a")])
        #expect(try pool.target() == "n1")
        // Both, and one of them for the second time.
        pool.monotonic += ClusterState.silenceLimitMilliseconds + 1
        #expect(try pool.target() == nil)
        try pool.report("n1", [gpu("a")])
        #expect(try pool.target() == "n1")
        pool.monotonic += ClusterState.silenceLimitMilliseconds + 1
        #expect(try pool.target() == nil)
    }

    @Test func `what the driver counts, local leases and what nobody knows of are seen`() throws {
        var pool = try pool()
        try pool.report("n1", [gpu("a", used: 60)])
        #expect(try pool.target() == "n2")
        var leased = gpu("a")
        leased.localGranted = .gibibytes(50)
        try pool.report("n1", [leased])
        #expect(try pool.target() == "n2")
        var generator = SplitMix64(state: 3)
        let stranger = WorkloadObservation(
            id: .random(using: &generator), attempt: 1, phase: .running,
            usage: [
                DeviceUsage(
                    device: DeviceID("a"), used: .zero, peak: .zero, quota: .gibibytes(70), denied: 0)
            ])
        try pool.report("n1", [gpu("a")], workloads: [stranger])
        #expect(try pool.target() == "n2")
        try pool.report("n1", [gpu("a")])
        #expect(try pool.target() == "n1")
    }

    @Test func `what an agent runs counts by its report no more once it is known`() throws {
        var pool = try pool()
        var generator = SplitMix64(state: 3)
        func submit(_ name: String, _ id: WorkloadID) throws {
            var work = spec(name, vram: 1)
            work.placement.require = [PlacementTerm(.node, .equal, "n2")]
            try pool.state.submit(work, id: id, monotonic: pool.monotonic, now: pool.now)
        }
        // So many alike that one more is nothing untypical, for which the room would be made anew.
        for i in 0..<22 { try submit("w\(i)", .random(using: &generator)) }
        let id = WorkloadID.random(using: &generator)
        let usage = DeviceUsage(device: DeviceID("a"), used: .zero, peak: .zero, quota: .gibibytes(70), denied: 0)
        try pool.report(
            "n1", [gpu("a")], workloads: [WorkloadObservation(id: id, attempt: 1, phase: .running, usage: [usage])])
        #expect(try pool.target(70) == nil)
        try submit("known", id)
        #expect(pool.state.workloads[id]?.node == "n2")
        #expect(try pool.target(70) == "n1")
    }

    @Test func `what was placed, resized and deleted is seen`() throws {
        var pool = try pool()
        let id = try pool.submit("w", 50)
        #expect(pool.state.workloads[id]?.node == "n1")
        #expect(try pool.target() == "n2")
        try pool.state.resize(
            id, to: WorkloadChange(vram: .gibibytes(20)), monotonic: pool.monotonic, now: pool.now)
        #expect(try pool.target(60) == "n1")
        try pool.report("n1", [gpu("a")], workloads: [WorkloadObservation(id: id, attempt: 1, phase: .running)])
        pool.state.delete(id, now: pool.now)
        #expect(try pool.target(70) == "n2")
        try pool.report("n1", [gpu("a")], workloads: [WorkloadObservation(id: id, attempt: 1, phase: .ended)])
        #expect(try pool.target(70) == "n1")
    }

    @Test func `a node that lost work is left alone for a while, and then no more`() throws {
        var pool = try pool()
        let id = try pool.submit("w")
        for _ in 0..<14 {
            pool.monotonic += 5_000
            try pool.report("n1", [gpu("a")])
            try pool.report("n2", [gpu("b")])
        }
        #expect(pool.state.workloads[id]?.node != "n1" || pool.state.workloads[id]?.previous != nil)
        pool.state.delete(id, now: pool.now)
        try pool.report("n1", [gpu("a")], workloads: [WorkloadObservation(id: id, attempt: 1, phase: .ended)])
        #expect(try pool.target(70) == "n2")
        for _ in 0..<14 {
            pool.monotonic += 5_000
            try pool.report("n1", [gpu("a")])
            try pool.report("n2", [gpu("b")])
        }
        #expect(try pool.target() == "n1")
    }

    @Test func `an observed exchange rate is seen`() throws {
        var pool = Pool()
        var card = gpu("a")
        card.device.vendor = .ascend
        card.device.model = "910B3"
        card.device.fingerprint = Fingerprint(
            tflops: [.fp16: 313], bandwidthGBps: 1600, confidence: .datasheet, source: "test")
        try pool.report("n1", [card])
        var wanted = spec("probe")
        wanted.runtime = .acl
        wanted.placement.compute = .teraflops(50, .fp16)
        wanted.placement.workloadClass = .decode
        func share(_ state: inout ClusterState) throws -> Int? {
            try state.plan(wanted, monotonic: pool.monotonic).grants.first?.computeMilli
        }
        var state = pool.state
        let before = try share(&state)
        _ = try state.report(
            ThroughputReport(
                card: "910B3", workloadClass: .decode, precision: .fp16, workload: "llama", unit: "tokens/s",
                throughput: 4000, baseline: .init(card: "A100-80G", throughput: 1000), by: "ada"), now: pool.now)
        let after = try share(&state)
        #expect(before != nil && after != nil && before != after, "\(before ?? 0) \(after ?? 0)")
    }

    @Test func `a change that is refused leaves the room as it was`() async throws {
        let scheduler = try await Scheduler.open(
            store: MemoryStore(), clock: ManualClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero))
        var first = ReportMaker(node: "n1")
        var second = ReportMaker(node: "n2")
        _ = try await scheduler.receive(first.make([gpu("a")]))
        _ = try await scheduler.receive(second.make([gpu("b")]))
        #expect(try await scheduler.submit(spec("v", vram: 50)).node == "n1")
        for _ in 0..<2 {
            await #expect { try await scheduler.submit(spec("v", vram: 50)) } throws: {
                ($0 as? APIProblem)?.status == 409
            }
        }
        #expect(try await scheduler.submit(spec("w", vram: 50)).node == "n2")
        #expect(try await scheduler.submit(spec("x", vram: 50)).phase == .queued)
    }
}
