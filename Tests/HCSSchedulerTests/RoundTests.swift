import HCSAPI
import HCSModel
import HCSPlacement
import HCSStore
import Testing

@testable import HCSScheduler

/// When all that waits is decided on, and what is kept from one time to the next.
@Suite struct RoundTests {
    private struct Pool {
        var state: ClusterState
        var makers: [String: ReportMaker] = [:]
        var random = SplitMix64(state: 11)
        var monotonic: Int64 = 1_000_000
        var now: Int64 = 1_700_000_000_000

        init(_ policy: QueuePolicy = QueuePolicy()) {
            state = ClusterState(
                StoredState(revision: .zero, nodes: [], workloads: []),
                settings: SchedulerSettings(margin: .zero, queue: policy), monotonic: monotonic, now: now)
        }

        mutating func report(
            _ node: String = "n1", _ workloads: [WorkloadObservation] = []
        ) throws {
            var maker = makers[node] ?? ReportMaker(node: node)
            let report = maker.make([gpu("gpu-\(node)")], workloads: workloads)
            makers[node] = maker
            try state.receive(report, monotonic: monotonic, now: now)
        }

        mutating func submit(_ name: String, _ gibibytes: UInt64, tenant: String = "default") throws -> WorkloadID {
            let id = WorkloadID.random(using: &random)
            var spec = spec(name, vram: gibibytes)
            spec.placement.tenant = tenant
            try state.submit(spec, id: id, monotonic: monotonic, now: now)
            return id
        }

        mutating func tick(after seconds: Int64 = 1) {
            monotonic += 1000
            now += seconds * 1000
            state.tick(monotonic: monotonic, now: now)
        }

        func phase(_ id: WorkloadID) -> WorkloadPhase? { state.workloads[id]?.phase }
    }

    private func seen(_ id: WorkloadID, _ phase: WorkloadObservation.Phase) -> WorkloadObservation {
        WorkloadObservation(id: id, attempt: 1, phase: phase)
    }

    @Test func `hundreds of deletes make no round, and the next tick gives away what they freed`() throws {
        var pool = Pool(QueuePolicy(reservation: .init(afterSeconds: 60, atOnce: 1, holdSeconds: 3600)))
        try pool.report()
        let running = try pool.submit("running", 50)
        try pool.report("n1", [seen(running, .running)])
        // Room is kept for it where `running` is, so that nothing goes beside that.
        let big = try pool.submit("big", 80)
        pool.tick(after: 61)
        let small = try pool.submit("small", 20)
        let before = pool.state.rounds
        let others = try (0..<300).map { try pool.submit("w\($0)", 70) }
        #expect(pool.state.rounds == before, "each looks at its own work only")
        pool.tick()
        #expect(pool.phase(small) == .queued && pool.state.waits[big] == .reserved)
        let rounds = pool.state.rounds
        for id in others + [big, running] { pool.state.delete(id, now: pool.now) }
        #expect(pool.state.rounds == rounds)
        pool.tick()
        #expect(pool.state.rounds == rounds + 1)
        #expect(pool.phase(small) == .assigned)
        #expect(pool.phase(running) == .stopping)
        // What was asked to end frees its room when that is told, and at once.
        let next = try pool.submit("next", 60)
        #expect(pool.phase(next) == .queued)
        try pool.report("n1", [seen(running, .ended), seen(small, .running)])
        #expect(pool.phase(next) == .assigned)
    }

    @Test func `ends that are told by the hundred make few rounds, and the tick places what they left`() throws {
        var pool = Pool()
        let nodes = (1...150).map { "n\($0)" }
        for node in nodes { try pool.report(node) }
        let first = try nodes.map { _ in try pool.submit("a\(pool.state.workloads.count)", 80) }
        let placed = Dictionary(uniqueKeysWithValues: first.map { (pool.state.workloads[$0]?.node ?? "", $0) })
        let rest = try nodes.map { _ in try pool.submit("b\(pool.state.workloads.count)", 80) }
        for node in nodes { try pool.report(node, [seen(try #require(placed[node]), .running)]) }
        pool.tick()
        let rounds = pool.state.rounds
        for node in nodes { try pool.report(node, [seen(try #require(placed[node]), .ended)]) }
        let most = ClusterState.recordsBetweenTicks / (nodes.count + first.count + rest.count) + 1
        #expect(pool.state.rounds - rounds == UInt64(most))
        #expect(rest.count { pool.phase($0) == .assigned } == most, "one by itself does not wait")
        pool.tick()
        #expect(rest.allSatisfy { pool.phase($0) == .assigned })
    }

    @Test func `orders and sizes that change by the hundred make few rounds too`() throws {
        var pool = Pool()
        try pool.report()
        let ids = try (0..<400).map { try pool.submit("w\($0)", 70) }
        pool.tick()
        let rounds = pool.state.rounds
        for id in ids.dropFirst() {
            try pool.state.resize(
                id, to: WorkloadChange(vram: .gibibytes(60)), monotonic: pool.monotonic, now: pool.now)
        }
        for _ in 0..<200 {
            _ = try pool.state.cordon(
                CordonRequest(target: "n1", reason: "x", by: "ada", drain: false), monotonic: pool.monotonic,
                now: pool.now)
            _ = try pool.state.uncordon(
                UncordonRequest(target: "n1", by: "ada"), monotonic: pool.monotonic, now: pool.now)
        }
        #expect(pool.state.rounds - rounds == UInt64(ClusterState.recordsBetweenTicks / 401 + 1))
    }

    @Test func `a start wakes nobody, an end does`() throws {
        var pool = Pool()
        try pool.report()
        let first = try pool.submit("first", 60)
        let waits = try pool.submit("waits", 60)
        let rounds = pool.state.rounds
        try pool.report("n1", [seen(first, .starting)])
        try pool.report("n1", [seen(first, .running)])
        #expect(pool.phase(first) == .running)
        #expect(pool.state.rounds == rounds)
        pool.state.delete(first, now: pool.now)
        try pool.report("n1", [seen(first, .running)])
        #expect(pool.state.rounds == rounds, "what is only asked to end makes no room")
        try pool.report("n1", [seen(first, .ended)])
        #expect(pool.state.rounds == rounds + 1)
        #expect(pool.phase(waits) == .assigned)
    }

    @Test func `work that nobody knows of wakes those that wait when it has gone`() throws {
        var pool = Pool()
        try pool.report()
        let stranger = WorkloadObservation(
            id: .random(using: &pool.random), attempt: 1, phase: .running,
            usage: [
                DeviceUsage(device: DeviceID("gpu-n1"), used: .zero, peak: .zero, quota: .gibibytes(70), denied: 0)
            ])
        try pool.report("n1", [stranger])
        let waits = try pool.submit("waits", 60)
        try pool.report("n1", [stranger])
        #expect(pool.phase(waits) == .queued)
        try pool.report()
        #expect(pool.phase(waits) == .assigned)
    }

    // MARK: What is kept

    @Test func `the room is made anew when other work has become typical, not for every request`() throws {
        var pool = Pool()
        try pool.report()
        for i in 0..<40 { _ = try pool.submit("a\(i)", 1) }
        func typical() -> [PlacementRequest: Int] { pool.state.keptRoom?.typical ?? [:] }
        let before = typical()
        #expect(before.count == 1)
        for i in 0..<4 { _ = try pool.submit("b\(i)", 2) }
        #expect(typical() == before, "one in eleven is something else")
        for i in 4..<8 { _ = try pool.submit("b\(i)", 2) }
        #expect(typical().count == 2, "one in six is")
        #expect(typical().values.reduce(0, +) > 40)
    }

    @Test func `after a drain the room keeps no quota of that time`() throws {
        var pool = Pool(
            QueuePolicy(tenants: [.init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(40))))]))
        try pool.report("n1")
        let work = try pool.submit("w", 40, tenant: "a")
        try pool.report("n1", [seen(work, .running)])
        try pool.report("n2")
        _ = try pool.state.cordon(
            CordonRequest(target: "n1", reason: "x", by: "ada", drain: true), monotonic: pool.monotonic, now: pool.now)
        #expect(pool.state.workloads[work]?.node == "n2")
        #expect(pool.state.keptRoom != nil && pool.state.keptRoom?.cycle.quota == nil)
        #expect(pool.state.placementCycle(monotonic: pool.monotonic).quota == nil)
    }
}
