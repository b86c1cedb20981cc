import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import HCSTestSupport
import Logging
import Testing

@Suite struct EventTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func all(_ scheduler: Scheduler, _ filter: EventFilter = EventFilter()) async -> [FleetEvent] {
        var after: UInt64 = 0
        var found: [FleetEvent] = []
        while true {
            let page = await scheduler.events(after: after, limit: 500, wait: .zero, filter: filter)
            found += page.items
            after = page.next
            if page.atEnd { return found }
        }
    }

    private func soft(_ penalty: Double) -> [HealthReason] {
        [
            HealthReason(
                factor: "temperature", penalty: penalty, detail: "91 °C", source: "vendor-library",
                sinceMilliseconds: 3)
        ]
    }

    @Test func `a band that changes is told with both scores and the first reasons, and only then`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        for report in [gpu("a"), gpu("a", score: 90), gpu("a", score: 50, reasons: soft(0.5)), gpu("a", score: 88)] {
            _ = try await scheduler.receive(reports.make([report]))
        }
        let told = await all(scheduler, EventFilter(kinds: [.deviceHealth]))
        #expect(told.map(\.severity) == [.warning, .info])
        #expect(
            told.map(\.health) == [
                .init(oldScore: 90, oldBand: .healthy, newScore: 50, newBand: .suspect, reasons: soft(0.5)),
                .init(oldScore: 50, oldBand: .suspect, newScore: 88, newBand: .healthy, reasons: []),
            ])
        #expect(told.allSatisfy { $0.node == "n1" && $0.device == DeviceID("a") && $0.simulated })
    }

    @Test func `a fault is told when it is latched and when it is cleared`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        for score in [100, 0, 0, 100] { _ = try await scheduler.receive(reports.make([gpu("a", score: score)])) }
        let told = await all(scheduler, EventFilter(kinds: [.faultLatched, .faultCleared]))
        #expect(told.map(\.kind) == [.faultLatched, .faultCleared])
        #expect(told.map(\.severity) == [.critical, .info])
        #expect(told.map { $0.fault?.detail } == ["Xid 79", "Xid 79"])
    }

    @Test func `devices that come and go are told, but not those that a young agent has yet to find`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b")]))
        _ = try await scheduler.receive(reports.make([gpu("a", blocked: "its library does not list it"), gpu("b")]))
        var young = ReportMaker(start: 2, age: 500)
        _ = try await scheduler.receive(young.make([]))
        _ = try await scheduler.receive(young.make([gpu("b", score: nil)]))
        young.age = ClusterState.youngAgentMilliseconds
        _ = try await scheduler.receive(young.make([gpu("b"), gpu("c")]))
        _ = try await scheduler.receive(young.make([gpu("c")]))
        let told = await all(scheduler, EventFilter(kinds: [.deviceAppeared, .deviceLost, .deviceHealth]))
        #expect(
            told.map { "\($0.kind.rawValue) \($0.device?.uuid ?? "")" } == [
                "device-appeared a", "device-appeared b", "device-lost a", "device-appeared c", "device-lost b",
            ])
    }

    @Test func `a node that falls silent, comes back and was booted again is told`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([]))
        clock.advance(by: ClusterState.silenceLimitMilliseconds + 1)
        try await scheduler.tick()
        try await scheduler.tick()
        reports.boot = "another"
        _ = try await scheduler.receive(reports.make([]))
        let told = await all(scheduler).filter { $0.node == "n1" }
        #expect(told.map(\.kind) == [.nodeReady, .nodeUnreachable, .nodeRebooted, .nodeReady])
    }

    @Test func `a workload's way is told by its phases`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        let view = try await scheduler.submit(spec("w", restart: .never))
        _ = try await scheduler.receive(
            reports.make([gpu("a")], workloads: [.init(id: view.id, attempt: 1, phase: .running)]))
        let ended = WorkloadObservation(id: view.id, attempt: 1, phase: .ended, exit: .init(code: 3))
        _ = try await scheduler.receive(reports.make([gpu("a")], workloads: [ended]))
        let told = await all(scheduler, EventFilter(kinds: [.workload]))
        #expect(
            told.map { $0.message.split(separator: ":")[0] } == ["w queued", "w assigned", "w running", "w failed"])
        #expect(told.map(\.severity) == [.info, .info, .info, .warning])
        #expect(told.suffix(3).allSatisfy { $0.device == DeviceID("a") && $0.workload == view.id && $0.simulated })
    }

    @Test func `escapes are told when they begin and end, however their size changes`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        func escape(_ pid: Int32, _ bytes: UInt64) -> Escape {
            Escape(
                kind: .unmanaged, device: DeviceID("a"), bytes: .gibibytes(bytes), pid: pid, startTime: 1, uid: 0,
                commandLine: "train", sinceMilliseconds: 7)
        }
        for escapes in [[escape(5, 1)], [escape(5, 2)], []] {
            _ = try await scheduler.receive(reports.make([gpu("a")], escapes: escapes))
        }
        let told = await all(scheduler, EventFilter(kinds: [.escapeStarted, .escapeEnded]))
        #expect(told.map(\.kind) == [.escapeStarted, .escapeEnded])
        _ = try await scheduler.receive(reports.make([gpu("a")], escapes: (10..<110).map { escape($0, 1) }))
        let many = await all(scheduler, EventFilter(kinds: [.escapeStarted]))
        #expect(many.count == 1 + 32 + 1 && many.last?.message.hasPrefix("and 68 more") == true)
    }

    @Test func `what a report says cannot break a terminal or fill the memory`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let long = HealthReason(
            factor: "x", penalty: 1, detail: "\u{1B}[2J" + String(repeating: "x", count: 100_000), source: "s",
            sinceMilliseconds: 0)
        let many = (0..<50).map { _ in long }
        _ = try await scheduler.receive(reports.make([gpu("a", score: 0, reasons: many)]))
        for event in await all(scheduler, EventFilter(kinds: [.deviceHealth, .faultLatched])) {
            let texts = [event.message, event.fault?.detail ?? ""] + (event.health?.reasons ?? []).map(\.detail)
            #expect(texts.allSatisfy { $0.count <= 512 && !$0.contains("\u{1B}") })
            #expect(event.health?.reasons.count ?? 0 <= 3)
        }
    }

    // MARK: Reading

    @Test func `a waiting reader gets the next event that it wants, and only that`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let start = await scheduler.events(after: 0, limit: 500, wait: .zero, filter: EventFilter()).next
        async let answer = scheduler.events(
            after: start, limit: 10, wait: .seconds(60), filter: EventFilter(node: "n1", severity: .critical))
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        var other = ReportMaker(node: "n2")
        _ = try await scheduler.receive(other.make([gpu("b", score: 0)]))
        _ = try await scheduler.receive(reports.make([gpu("a", score: 0)]))
        let page = await answer
        #expect(page.items.map(\.kind) == [.deviceHealth, .faultLatched])
        #expect(!page.gap && page.next > start)
    }

    @Test func `a reader that nothing wakes is answered when its time is over`() async throws {
        let scheduler = try await open()
        let page = await scheduler.events(after: 1, limit: 10, wait: .milliseconds(20), filter: EventFilter())
        #expect(page.items.isEmpty && page.next == 1 && !page.gap && page.atEnd)
    }

    @Test func `more readers than are kept are answered, and none spins`() async throws {
        let scheduler = try await open()
        await withTaskGroup(of: EventPage.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    await scheduler.events(after: 1, limit: 1, wait: .seconds(600), filter: EventFilter())
                }
            }
            var answered = 0
            while answered < 36, await group.next() != nil { answered += 1 }
            #expect(answered == 36)
            await scheduler.releaseLongPolls()
        }
    }

    @Test func `pages lead through all events, whatever their size and filter`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make((0..<40).map { gpu("d\($0)") }))
        for filter in [EventFilter(), EventFilter(kinds: [.nodeReady]), EventFilter(device: DeviceID("d7"))] {
            let whole = await all(scheduler, filter)
            #expect(!whole.isEmpty)
            for limit in [1, 3, 500] {
                var after: UInt64 = 0
                var found: [FleetEvent] = []
                while true {
                    let page = await scheduler.events(after: after, limit: limit, wait: .zero, filter: filter)
                    #expect(page.items.count <= limit && !page.gap)
                    found += page.items
                    after = page.next
                    if page.atEnd { break }
                }
                #expect(found == whole)
            }
        }
    }

    @Test func `a reader that is too slow notices what it missed, and the memory stays bounded`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        var after: UInt64 = 0
        for round in 0..<(FleetEvent.kept / 100) {
            let score = round % 2 == 0 ? 100 : 0
            _ = try await scheduler.receive(reports.make((0..<100).map { gpu("d\($0)", score: score) }))
            if round == 0 {
                after = await scheduler.events(after: 0, limit: 10, wait: .zero, filter: EventFilter()).next
            }
        }
        let slow = await scheduler.events(after: after, limit: 10, wait: .zero, filter: EventFilter())
        #expect(slow.gap && slow.items.count == 10)
        let on = await scheduler.events(after: slow.next, limit: 10, wait: .zero, filter: EventFilter())
        #expect(!on.gap)
        let fresh = await scheduler.events(after: 0, limit: 10, wait: .zero, filter: EventFilter())
        #expect(!fresh.gap && fresh.items[0].sequence > 10)
    }

    // MARK: Restart

    @Test func `after a restart events go on where they were, numbers are new, and a reader sees the seam`()
        async throws
    {
        let store = MemoryStore()
        let first = try await open(store)
        var reports = ReportMaker()
        _ = try await first.receive(reports.make([gpu("a", score: 0)]))
        try await first.tick()
        let before = await all(first)
        // Told and never stored: the next process does not know it.
        _ = try await first.receive(reports.make([gpu("a", score: 100)]))
        let lost = await first.events(after: 0, limit: 500, wait: .zero, filter: EventFilter()).next

        let second = try await open(store)
        let kept = await second.events(after: 0, limit: 500, wait: .zero, filter: EventFilter())
        #expect(kept.items == before && !kept.atEnd)
        let seam = await second.events(after: kept.next, limit: 500, wait: .zero, filter: EventFilter())
        #expect(seam.gap && seam.items.map(\.kind) == [.schedulerStarted])
        #expect((seam.items.first?.sequence ?? 0) > lost, "a number is never given twice")
        let reader = await second.events(after: lost, limit: 500, wait: .zero, filter: EventFilter())
        #expect(reader.gap && reader.items.map(\.kind) == [.schedulerStarted])
        let filtered = await second.events(
            after: lost, limit: 500, wait: .seconds(60), filter: EventFilter(kinds: [.escapeStarted]))
        #expect(filtered.gap, "the seam is told whatever is filtered, and at once")
    }

    @Test func `after a restart only what changed meanwhile is told`() async throws {
        let store = MemoryStore()
        let first = try await open(store)
        var reports = ReportMaker()
        let devices = [gpu("a", score: 0), gpu("b", score: 70), gpu("c")]
        _ = try await first.receive(reports.make(devices))
        try await first.tick()
        let second = try await open(store)
        _ = try await second.receive(reports.make(devices))
        #expect(await all(second).last?.kind == .schedulerStarted)
        _ = try await second.receive(reports.make([gpu("a"), gpu("b", score: 70), gpu("c")]))
        let told = await all(second, EventFilter(kinds: [.deviceHealth, .faultCleared])).suffix(2)
        #expect(told.map(\.kind) == [.deviceHealth, .faultCleared] && told.allSatisfy { $0.device == DeviceID("a") })
    }
}
