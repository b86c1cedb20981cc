import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

// Swift Testing has an ExitStatus of its own.
private typealias ExitStatus = HCSModel.ExitStatus

/// Nodes that vanish, stores that are lost, clocks that jump, two nodes that look the same.
@Suite struct AwkwardMomentTests {
    private let clock = JumpingClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func granted(_ scheduler: Scheduler, _ node: String, _ device: String = "a") async -> ByteCount? {
        await scheduler.devices().items.first { $0.node == node && $0.device.id == DeviceID(device) }?.ledger.granted
    }

    @Test func `a report of a host with more processors than there can be is refused`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        for count in [Int.max, Int.min, -1, 65_537] {
            var report = reports.make([gpu("a")])
            report.host.cpuCount = count
            await #expect(throws: APIProblem.self) { _ = try await scheduler.receive(report) }
        }
        _ = try await scheduler.receive(reports.make([gpu("a")]))
    }

    @Test func `deleting a moved workload that was never handed out does not wait for its old node`() async throws {
        let scheduler = try await open()
        var old = ReportMaker(node: "n1")
        var new = ReportMaker(node: "n2")
        _ = try await scheduler.receive(old.make([gpu("a")]))
        let view = try await scheduler.submit(spec("w"))
        _ = try await scheduler.receive(new.make([gpu("b")]))
        _ = try await scheduler.receive(old.make([gpu("a", score: 0)]))
        #expect(try await scheduler.view("w").node == "n2")
        #expect(try await scheduler.view("w").message.contains("waits until attempt 1 on n1 has ended"))

        #expect(try await scheduler.delete("w").phase == .deleted)
        #expect(await granted(scheduler, "n2", "b") == .zero)
        #expect(await granted(scheduler, "n1") == .gibibytes(8), "what may still run there counts")
        let orders = await scheduler.assignments(node: "n1", after: .zero, wait: .zero).workloads
        #expect(orders.map(\.desired) == [.stop], "should the node come back, it ends the old attempt")
        let ended = WorkloadObservation(id: view.id, attempt: 1, phase: .ended, exit: ExitStatus(signal: 15))
        _ = try await scheduler.receive(old.make([gpu("a", score: 0)], workloads: [ended]))
        #expect(await granted(scheduler, "n1") == .zero)
        #expect(try await scheduler.view("w").phase == .deleted)
    }

    @Test func `devices of the same id on two nodes have two ledgers and each its own faults`()
        async throws
    {
        let scheduler = try await open()
        var one = ReportMaker(node: "n1")
        var two = ReportMaker(node: "n2")
        _ = try await scheduler.receive(one.make([gpu("a")]))
        _ = try await scheduler.submit(spec("w", vram: 60))
        _ = try await scheduler.receive(two.make([gpu("a")]))
        #expect(await granted(scheduler, "n1") == .gibibytes(60))
        #expect(await granted(scheduler, "n2") == .zero)
        #expect(try await scheduler.submit(spec("second", vram: 60)).node == "n2")
        _ = try await scheduler.receive(two.make([gpu("a", score: 0)]))
        let first = try await scheduler.view("w")
        #expect(first.node == "n1" && first.phase == .assigned && first.attempt == 1)
        #expect(try await scheduler.view("second").phase == .queued)
    }

    @Test func `what an agent runs and the scheduler does not know counts in the ledger until it ends`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let id = try #require(WorkloadID("00000000-0000-4000-8000-000000000009"))
        let usage = DeviceUsage(
            device: DeviceID("a"), used: .zero, peak: .zero, quota: .gibibytes(60), denied: 0)
        var orphan = WorkloadObservation(id: id, attempt: 1, phase: .running, usage: [usage])
        _ = try await scheduler.receive(reports.make([gpu("a")], workloads: [orphan]))
        #expect(await granted(scheduler, "n1") == .gibibytes(60))
        #expect(try await scheduler.submit(spec("w", vram: 40)).phase == .queued)
        orphan.phase = .ended
        _ = try await scheduler.receive(reports.make([gpu("a")], workloads: [orphan]))
        #expect(try await scheduler.view("w").phase == .assigned)
    }

    @Test func `an agent whose clock was set back is heard again when its last process is silent`() async throws {
        let scheduler = try await open()
        var before = ReportMaker(start: 5_000_000_000_000)
        _ = try await scheduler.receive(before.make([gpu("a")]))
        var after = ReportMaker(start: 1_000)
        await #expect { try await scheduler.receive(after.make([gpu("a")])) } throws: {
            ($0 as? APIProblem)?.status == 409
        }
        clock.monotonic.advance(by: ClusterState.silenceLimitMilliseconds + 1)
        _ = try await scheduler.receive(after.make([gpu("a")]))
        _ = try await scheduler.receive(after.make([gpu("a")]))
        #expect(await scheduler.nodes().items.map(\.state) == [.ready])
    }

    @Test func `a clock that is set back does not stretch a back-off beyond the longest`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        let view = try await scheduler.submit(spec("w", restart: .onFailure))
        let ended = WorkloadObservation(id: view.id, attempt: 1, phase: .ended, exit: ExitStatus(code: 1))
        _ = try await scheduler.receive(reports.make([gpu("a")], workloads: [ended]))
        #expect(try await scheduler.view("w").phase == .queued)
        clock.wall.advance(by: -86_400_000)
        try await scheduler.tick()
        #expect(try await scheduler.view("w").attempt == 2)
    }

    @Test func `a workload that failed does not come back beside a new one of its name`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b")]))
        let first = try await scheduler.submit(spec("w"))
        let ended = WorkloadObservation(id: first.id, attempt: 1, phase: .ended, exit: ExitStatus(code: 1))
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b")], workloads: [ended]))
        let second = try await scheduler.submit(spec("w", restart: .never))
        #expect(first.grants == second.grants)
        _ = try await scheduler.receive(reports.make([gpu("a", score: 0), gpu("b")]))
        #expect(try await scheduler.view(first.id.text).phase == .failed)
        #expect(await scheduler.workloads(all: false).items.map(\.id) == [second.id])
    }

    @Test func `what has priority is placed first, and plan refuses what submit refuses`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.submit(spec("early", vram: 60))
        var urgent = spec("urgent", vram: 60)
        urgent.placement.priority = 5
        _ = try await scheduler.submit(urgent)
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 80)]))
        #expect(try await scheduler.view("urgent").phase == .assigned)
        #expect(try await scheduler.view("early").phase == .queued)
        var pooled = spec("pooled")
        pooled.placement.pool = "a"
        await #expect(throws: APIProblem.self) { try await scheduler.submit(pooled) }
        await #expect(throws: APIProblem.self) { try await scheduler.plan(pooled) }
        #expect(await scheduler.workloads(all: true).items.count == 2)
    }

    @Test func `polls for nodes that nobody knows leave nothing behind`() async throws {
        let scheduler = try await open()
        for i in 0..<50 {
            _ = await scheduler.assignments(node: "nobody-\(i)", after: .zero, wait: .milliseconds(1))
        }
        #expect(await scheduler.polledNodes == 0)
    }

    /// Planned anew at every submit, 2,000 took half a minute; the limit catches that and measures nothing.
    @Test(.timeLimit(.minutes(1)))
    func `thousands of waiting workloads are not all planned anew by each submit`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let devices = (0..<64).map { gpu("d\($0)", memory: 1) }
        for i in 0..<2_000 { _ = try await scheduler.submit(spec("w\(i)", vram: 8)) }
        _ = try await scheduler.receive(reports.make(devices))
        _ = try await scheduler.receive(reports.make(devices))
        #expect(await scheduler.workloads(all: false).items.allSatisfy { $0.phase == .queued })
    }
}

/// Wall and monotonic time that go their own ways.
private struct JumpingClock: SchedulerClock {
    let monotonic = ManualClock()
    let wall = ManualClock(1_700_000_000_000)

    func monotonicMilliseconds() -> Int64 { monotonic.monotonicMilliseconds() }
    func wallMilliseconds() -> Int64 { wall.wallMilliseconds() }
}
