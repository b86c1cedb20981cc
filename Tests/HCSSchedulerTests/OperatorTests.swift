import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

/// Clearances and nodes that are forgotten.
@Suite struct OperatorTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func told(_ scheduler: Scheduler, _ kinds: Set<FleetEvent.Kind>) async -> [FleetEvent] {
        await scheduler.events(after: 0, limit: 500, wait: .zero, filter: EventFilter(kinds: kinds)).items
    }

    private let repaired = ClearanceRequest(device: "dev-a", reason: "board replaced", by: "ada@host")
    private let scrapped = ForgetRequest(reason: "scrapped", by: "ada@host")
    private let outcomes: Set<FleetEvent.Kind> = [.clearanceRequested, .clearanceApplied, .clearanceRefused]

    @Test(arguments: [true, false])
    func `a clearance goes to its node until the report tells what became of it`(applied: Bool) async throws {
        let scheduler = try await open()
        var one = ReportMaker(node: "n1")
        var two = ReportMaker(node: "n2")
        _ = try await scheduler.receive(one.make([gpu("dev-a", score: 0)]))
        _ = try await scheduler.receive(two.make([gpu("dev-b")]))
        let before = await scheduler.assignments(node: "n1", after: .zero, wait: .zero)
        #expect(before.clearances == nil)
        async let waiting = scheduler.assignments(node: "n1", after: before.revision, wait: .seconds(60))
        let clearance = try await scheduler.requestClearance(repaired)
        #expect(await waiting.clearances == [clearance])
        #expect(await scheduler.assignments(node: "n2", after: .zero, wait: .zero).clearances == nil)
        #expect(await scheduler.devices().items.map(\.clearance) == [clearance, nil])

        let outcome = ClearanceOutcome(id: clearance.id, applied: applied, message: "one latch")
        _ = try await scheduler.receive(two.make([gpu("dev-b")], clearances: [outcome]))
        #expect(await scheduler.clearances().items == [clearance], "another node has no say in it")
        _ = try await scheduler.receive(one.make([gpu("dev-a")], clearances: [outcome]))
        _ = try await scheduler.receive(one.make([gpu("dev-a")], clearances: [outcome]))
        #expect(await scheduler.clearances().items.isEmpty)
        #expect(await scheduler.assignments(node: "n1", after: .zero, wait: .zero).clearances == nil)
        let events = await told(scheduler, outcomes)
        #expect(events.map(\.kind) == [.clearanceRequested, applied ? .clearanceApplied : .clearanceRefused])
        #expect(events.map(\.message) == ["board replaced", "one latch"] && events.allSatisfy { $0.by == "ada@host" })
    }

    @Test func `a clearance survives a restart, and a second one for the device replaces it`() async throws {
        let store = MemoryStore()
        let first = try await open(store)
        var reports = ReportMaker()
        _ = try await first.receive(reports.make([gpu("dev-a", score: 0)]))
        let old = try await first.requestClearance(repaired)
        let second = try await open(store)
        #expect(await second.clearances().items == [old])
        #expect(await second.assignments(node: "n1", after: .zero, wait: .zero).clearances == [old])
        _ = try await second.receive(reports.make([gpu("dev-a", score: 0)]))
        let new = try await second.requestClearance(repaired)
        #expect(new.id != old.id)
        #expect(await second.clearances().items == [new])
        #expect(await store.load().clearances == [new])
    }

    @Test func `a clearance needs a device that is known, and a report few outcomes`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a")]))
        for (device, reason, status) in [
            ("n1", "r", 404), ("other", "r", 404), ("dev-a", "", 400), ("dev-a", "\u{7}", 400),
        ] {
            let request = ClearanceRequest(device: device, reason: reason, by: "ada")
            await #expect { try await scheduler.requestClearance(request) } throws: {
                ($0 as? APIProblem)?.status == status
            }
        }
        let id = try #require(WorkloadID("00000000-0000-4000-8000-000000000009"))
        let flood = (0...APILimits.outcomesPerReport).map { _ in
            ClearanceOutcome(id: id, applied: true, message: "")
        }
        await #expect {
            try await scheduler.receive(reports.make([gpu("dev-a")], clearances: flood))
        } throws: {
            ($0 as? APIProblem)?.status == 400
        }
    }

    // MARK: Forgetting

    @Test func `a node that reports, or may yet, is not forgotten`() async throws {
        let store = MemoryStore()
        let scheduler = try await open(store)
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a")]))
        await #expect { try await scheduler.forget("n1", scrapped) } throws: { ($0 as? APIProblem)?.status == 409 }
        let second = try await open(store)
        await #expect { try await second.forget("n1", scrapped) } throws: { ($0 as? APIProblem)?.status == 409 }
        await #expect { try await second.forget("n2", scrapped) } throws: { ($0 as? APIProblem)?.status == 404 }
        clock.advance(by: ClusterState.silenceLimitMilliseconds + 1)
        _ = try await second.forget("n1", scrapped)
        #expect(await second.nodes().items.isEmpty)
        #expect(await store.load().nodes.isEmpty)
    }

    @Test func `a forgotten node's work goes by its policy, and nothing of the node is left`() async throws {
        let store = MemoryStore()
        let scheduler = try await open(store)
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a"), gpu("dev-b")]))
        for (name, policy) in [("moves", RestartPolicy.onDeviceFault), ("fixed", .never), ("ends", .never)] {
            _ = try await scheduler.submit(spec(name, restart: policy))
        }
        _ = try await scheduler.delete("ends")
        _ = try await scheduler.cordon(CordonRequest(target: "dev-b", reason: "r", by: "a", drain: false))
        _ = try await scheduler.cordon(CordonRequest(target: "n1", reason: "r", by: "a", drain: false))
        _ = try await scheduler.requestClearance(repaired)
        clock.advance(by: ClusterState.silenceLimitMilliseconds + 1)
        let result = try await scheduler.forget("n1", scrapped)
        #expect(
            result
                == ForgetResult(node: "n1", devices: 2, queued: ["moves"], failed: ["fixed"], deleted: ["ends"]))
        #expect(try await scheduler.view("moves").phase == .queued)
        #expect(try await scheduler.view("fixed").phase == .failed)
        #expect(try await scheduler.view("ends").phase == .deleted)
        let stored = await store.load()
        #expect(stored.nodes.isEmpty && stored.cordons.isEmpty && stored.clearances.isEmpty)
        #expect(await told(scheduler, [.nodeForgotten]).map(\.by) == ["ada@host"])
        #expect(try await scheduler.submit(spec("more")).message == "no node has reported a device")
    }

    @Test func `a forgotten node that is back ends what it still runs, and that counts until it has`() async throws {
        let scheduler = try await open()
        var old = ReportMaker(node: "n1")
        _ = try await scheduler.receive(old.make([gpu("dev-a")]))
        let moves = try await scheduler.submit(spec("moves"))
        let fixed = try await scheduler.submit(spec("fixed", restart: .never))
        clock.advance(by: ClusterState.silenceLimitMilliseconds + 1)
        _ = try await scheduler.forget("n1", scrapped)
        var new = ReportMaker(node: "n2")
        _ = try await scheduler.receive(new.make([gpu("dev-b")]))
        #expect(try await scheduler.view("moves").node == "n2")

        let usage = DeviceUsage(device: DeviceID("dev-a"), used: .zero, peak: .zero, quota: .gibibytes(8), denied: 0)
        let running = [moves, fixed].map {
            WorkloadObservation(id: $0.id, attempt: 1, phase: .running, usage: [usage])
        }
        _ = try await scheduler.receive(old.make([gpu("dev-a")], workloads: running))
        let orders = await scheduler.assignments(node: "n1", after: .zero, wait: .zero).workloads
        #expect(orders.map(\.desired) == [.stop, .stop] && orders.map(\.attempt) == [1, 1])
        #expect(await scheduler.devices().items.map(\.ledger.granted) == [.gibibytes(16), .gibibytes(8)])
        let ended = [moves, fixed].map {
            WorkloadObservation(id: $0.id, attempt: 1, phase: .ended, exit: .init(signal: 15))
        }
        _ = try await scheduler.receive(old.make([gpu("dev-a")], workloads: ended))
        #expect(await scheduler.devices().items.map(\.ledger.granted) == [.zero, .gibibytes(8)])
        #expect(await scheduler.assignments(node: "n2", after: .zero, wait: .zero).workloads.map(\.attempt) == [2])
        #expect(try await scheduler.view("fixed").phase == .failed)
    }
}
