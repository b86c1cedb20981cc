import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

@Suite struct FleetGuardTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A library that does not answer: a score of 0 that says nothing of the device itself.
    private func mute(_ id: String) -> DeviceReport {
        gpu(
            id, score: 0,
            reasons: [
                HealthReason(
                    factor: "unresponsive", penalty: 1, detail: "missed 3 deadlines", source: "worker",
                    sinceMilliseconds: 5)
            ])
    }

    private func events(_ scheduler: Scheduler, _ kind: FleetEvent.Kind) async -> [FleetEvent] {
        await scheduler.events(after: 0, limit: 500, wait: .zero, filter: EventFilter(kinds: [kind])).items
    }

    /// One workload of 60 GiB on each of the first `count` devices, all running, and as many free devices.
    private func fill(_ scheduler: Scheduler, _ reports: inout ReportMaker, _ count: Int) async throws
        -> [WorkloadObservation]
    {
        _ = try await scheduler.receive(reports.make((0..<count).map { gpu("used-\($0)") }))
        var running: [WorkloadObservation] = []
        for i in 0..<count {
            let view = try await scheduler.submit(spec("w\(i)", vram: 60))
            running.append(WorkloadObservation(id: view.id, attempt: 1, phase: .running))
            clock.advance(by: 1)
        }
        return running
    }

    private func movedCount(_ scheduler: Scheduler) async -> Int {
        await scheduler.workloads(all: false).items.count { $0.attempt == 2 }
    }

    @Test func `a library that fails everywhere moves the work of one device in an hour`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let running = try await fill(scheduler, &reports, 3)
        let failing = (0..<3).map { mute("used-\($0)") } + (0..<3).map { gpu("free-\($0)") }
        for _ in 0..<3 {
            _ = try await scheduler.receive(reports.make(failing, workloads: running))
            clock.advance(by: 2_000)
        }
        #expect(await movedCount(scheduler) == 1)
        #expect(await events(scheduler, .automaticMove).count == 1)
        let held = await events(scheduler, .guardHeld)
        #expect(held.count == 2, "once for each device")
        #expect(held.allSatisfy { $0.severity == .critical && $0.simulated && $0.message.contains("1 of 6") })

        clock.advance(by: FleetGuard.windowMilliseconds - 6_001)
        _ = try await scheduler.receive(reports.make(failing, workloads: running))
        #expect(await movedCount(scheduler) == 1, "the hour is not over")
        clock.advance(by: 1)
        _ = try await scheduler.receive(reports.make(failing, workloads: running))
        #expect(await movedCount(scheduler) == 2)
    }

    @Test func `a hard fault always moves its own device's work, and counts`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let running = try await fill(scheduler, &reports, 3)
        let free = (0..<3).map { gpu("free-\($0)") }
        _ = try await scheduler.receive(
            reports.make([gpu("used-0", score: 0), gpu("used-1", score: 0), mute("used-2")] + free, workloads: running))
        #expect(await movedCount(scheduler) == 2)
        #expect(await events(scheduler, .automaticMove).count == 2)
        #expect(await events(scheduler, .guardHeld).map(\.device) == [DeviceID("used-2")])
    }

    @Test func `a tenth of a large pool may move`() {
        #expect([0, 1, 9, 19, 20, 100].map(FleetGuard.allowance) == [1, 1, 1, 1, 2, 10])
    }

    @Test func `the hour goes on over a restart`() async throws {
        let store = MemoryStore()
        let first = try await open(store)
        var reports = ReportMaker()
        let running = try await fill(first, &reports, 2)
        let failing = [mute("used-0"), mute("used-1"), gpu("free-0"), gpu("free-1")]
        _ = try await first.receive(reports.make(failing, workloads: running))
        #expect(await movedCount(first) == 1)
        clock.advance(by: 60_000)
        let second = try await open(store)
        _ = try await second.receive(reports.make(failing, workloads: running))
        #expect(await movedCount(second) == 1)
        clock.advance(by: FleetGuard.windowMilliseconds - 60_000)
        _ = try await second.receive(reports.make(failing, workloads: running))
        #expect(await movedCount(second) == 2)
    }

    @Test func `an operator's drain is not held`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let running = try await fill(scheduler, &reports, 3)
        _ = try await scheduler.receive(
            reports.make((0..<3).map { gpu("used-\($0)") }, workloads: running))
        for i in 0..<3 {
            _ = try await scheduler.cordon(
                CordonRequest(target: "used-\(i)", reason: "r", by: "ada", drain: true))
        }
        _ = try await scheduler.receive(
            reports.make((0..<3).map { gpu("used-\($0)") } + (0..<3).map { gpu("free-\($0)") }, workloads: running))
        #expect(await movedCount(scheduler) == 3)
    }
}
