import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

// Swift Testing has an ExitStatus of its own.
private typealias ExitStatus = HCSModel.ExitStatus

/// Work that was given to a node which does not tell of it.
@Suite struct ReservationTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero, reservationMilliseconds: 30_000))
    }

    private func orders(_ scheduler: Scheduler, _ node: String) async -> [String] {
        await scheduler.assignments(node: node, after: .zero, wait: .zero).workloads.map {
            "\($0.desired.rawValue) \($0.attempt)"
        }
    }

    /// Two nodes report every 5 s, and only those.
    private func pass(
        _ seconds: Int, _ scheduler: Scheduler, _ makers: inout [ReportMaker],
        telling: (String) -> [WorkloadObservation] = { _ in [] }
    ) async throws {
        for _ in 0..<(seconds / 5) {
            clock.advance(by: 5_000)
            for i in makers.indices {
                let node = makers[i].node
                _ = try await scheduler.receive(makers[i].make([gpu("\(node)-a")], workloads: telling(node)))
            }
            try await scheduler.tick()
        }
    }

    @Test func `what a reporting node does not take is planned again elsewhere, once the old attempt is ended`()
        async throws
    {
        let scheduler = try await open()
        var makers = [ReportMaker(node: "n1"), ReportMaker(node: "n2")]
        try await pass(5, scheduler, &makers)
        let view = try await scheduler.submit(spec("w", restart: .never))
        #expect(view.node == "n1")
        try await pass(30, scheduler, &makers)
        #expect(try await scheduler.view("w").node == "n1", "its time is not over")
        try await pass(10, scheduler, &makers)
        let moved = try await scheduler.view("w")
        #expect(moved.node == "n2" && moved.attempt == 2 && moved.phase == .assigned)
        #expect(moved.events.contains { $0.message.hasPrefix("not taken by n1 within 30 s") })
        // n1 may have begun it meanwhile: n2 waits until it has not.
        #expect(await orders(scheduler, "n1") == ["stop 1"])
        #expect(await orders(scheduler, "n2") == [])
        let late = WorkloadObservation(id: view.id, attempt: 1, phase: .running)
        try await pass(5, scheduler, &makers) { $0 == "n1" ? [late] : [] }
        #expect(await orders(scheduler, "n1") == ["stop 1"], "a late start is stopped")
        #expect(await orders(scheduler, "n2") == [])
        let ended = WorkloadObservation(id: view.id, attempt: 1, phase: .ended, exit: ExitStatus(signal: 15))
        try await pass(5, scheduler, &makers) { $0 == "n1" ? [ended] : [] }
        #expect(await orders(scheduler, "n1") == [])
        #expect(await orders(scheduler, "n2") == ["run 2"])
    }

    @Test(arguments: [WorkloadObservation.Phase.starting, .running])
    func `work that its node tells of is left to it`(_ phase: WorkloadObservation.Phase) async throws {
        let scheduler = try await open()
        var makers = [ReportMaker(node: "n1"), ReportMaker(node: "n2")]
        try await pass(5, scheduler, &makers)
        let view = try await scheduler.submit(spec("w"))
        let seen = WorkloadObservation(id: view.id, attempt: 1, phase: phase)
        try await pass(120, scheduler, &makers) { $0 == "n1" ? [seen] : [] }
        #expect(try await scheduler.view("w").node == "n1")
        #expect(try await scheduler.view("w").attempt == 1)
    }

    @Test func `a node that lost work gets no other for a while, then again`() async throws {
        let scheduler = try await open()
        var makers = [ReportMaker(node: "n1")]
        try await pass(5, scheduler, &makers)
        _ = try await scheduler.submit(spec("w"))
        try await pass(40, scheduler, &makers)
        #expect(try await scheduler.view("w").phase == .queued)
        #expect(try await scheduler.submit(spec("other")).phase == .queued)
        let why = try await scheduler.explain("other").devices.first?.reasons.first ?? ""
        #expect(why.contains("it did not take the last work that it was given"), "\(why)")
        try await pass(40, scheduler, &makers)
        #expect(try await scheduler.view("other").phase == .assigned)
    }

    @Test func `a silent node keeps what it was given: nobody knows whether it runs`() async throws {
        let scheduler = try await open()
        var makers = [ReportMaker(node: "n1"), ReportMaker(node: "n2")]
        try await pass(5, scheduler, &makers)
        _ = try await scheduler.submit(spec("w"))
        makers.removeFirst()
        try await pass(300, scheduler, &makers)
        #expect(try await scheduler.view("w").node == "n1")
        #expect(try await scheduler.view("w").attempt == 1)
    }

    /// The next process has the store and nothing else, as after kill -9.
    @Test func `a scheduler that is killed in between gives the node its whole time again and loses nothing`()
        async throws
    {
        let store = MemoryStore()
        let first = try await open(store)
        var makers = [ReportMaker(node: "n1"), ReportMaker(node: "n2")]
        try await pass(5, first, &makers)
        let view = try await first.submit(spec("w", restart: .never))
        try await pass(25, first, &makers)
        let second = try await open(store)
        try await pass(30, second, &makers)
        #expect(try await second.view("w").attempt == 1, "25 s of the last process do not count")
        try await pass(10, second, &makers)
        #expect(try await second.view("w").attempt == 2)
        #expect(await orders(second, "n1") == ["stop 1"])
        // Killed again while the old attempt is being ended.
        let third = try await open(store)
        #expect(await orders(third, "n1") == ["stop 1"])
        #expect(await orders(third, "n2") == [])
        let ended = WorkloadObservation(id: view.id, attempt: 1, phase: .ended, exit: ExitStatus(signal: 15))
        try await pass(5, third, &makers) { $0 == "n1" ? [ended] : [] }
        #expect(await orders(third, "n2") == ["run 2"])
        #expect(await orders(third, "n1") == [])
    }

    @Test func `a margin is kept free of each device, and shown`() async throws {
        let scheduler = try await Scheduler.open(
            store: MemoryStore(), clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 80), gpu("b", memory: 10)]))
        let ledgers = await scheduler.devices().items.map(\.ledger)
        #expect(ledgers.map(\.margin) == [.mebibytes(512), ByteCount((UInt64(10) << 30) / 50)])
        #expect(ledgers[0].free == .mebibytes(80 * 1024 - 512))
        #expect(try await scheduler.submit(spec("all", vram: 80)).phase == .queued)
        var whole = spec("whole", vram: 80)
        whole.placement.wholeDevices = true
        #expect(try await scheduler.submit(whole).grants.map(\.whole) == [true])
    }

    @Test func `what segments report counts with contexts where it is more than granted and the driver's`() async throws
    {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 20)]))
        let view = try await scheduler.submit(spec("w", vram: 8))
        let usage = DeviceUsage(
            device: DeviceID("a"), used: .gibibytes(8), peak: .gibibytes(8), quota: .gibibytes(8), denied: 0,
            overhead: .gibibytes(3))
        let seen = WorkloadObservation(id: view.id, attempt: 1, phase: .running, usage: [usage])
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 20)], workloads: [seen]))
        let ledger = await scheduler.devices().items.first?.ledger
        #expect(ledger?.segmentUsed == .gibibytes(11) && ledger?.free == .gibibytes(9))
        #expect(try await scheduler.submit(spec("ten", vram: 10)).phase == .queued)
        #expect(try await scheduler.submit(spec("nine", vram: 9)).phase == .assigned)
    }

    @Test func `CPU and memory of the host are given out once`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        func work(_ name: String, cpu: Int, memory: UInt64) -> WorkloadSpec {
            var spec = spec(name, vram: 1)
            spec.placement.cpuMilli = cpu
            spec.placement.memory = .gibibytes(memory)
            return spec
        }
        #expect(try await scheduler.submit(work("one", cpu: 1500, memory: 2)).phase == .assigned)
        #expect(try await scheduler.submit(work("two", cpu: 600, memory: 0)).phase == .queued)
        #expect(try await scheduler.submit(work("three", cpu: 500, memory: 7)).phase == .queued)
        #expect(try await scheduler.submit(work("four", cpu: 500, memory: 6)).phase == .assigned)
        #expect(
            try await scheduler.explain("two").devices.first?.reasons
                == ["asks for 0.6 cores, 0 cores of 2 cores of n1 are free"])
        _ = try await scheduler.delete("one")
        let ended = WorkloadObservation(
            id: try await scheduler.view("one").id, attempt: 1, phase: .ended, exit: ExitStatus(signal: 15))
        _ = try await scheduler.receive(reports.make([gpu("a")], workloads: [ended]))
        #expect(try await scheduler.view("two").phase == .assigned)
    }
}

@Suite struct PlanTests {
    private func open() async throws -> Scheduler {
        try await Scheduler.open(
            store: MemoryStore(), clock: ManualClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero))
    }

    @Test func `a plan says where it would go and leaves everything as it is`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b", score: 30)]))
        let before = await scheduler.revision
        let plan = try await scheduler.plan(spec("w"))
        #expect(plan.fits && plan.node == "n1" && plan.grants.map(\.device) == [DeviceID("a")])
        #expect(plan.summary == "fits on n1, device a")
        #expect(plan.devices.map(\.chosen) == [true, nil] && plan.devices[1].reasons == ["health 30 (suspect)"])
        #expect(plan.devices[0].scores?.map(\.name) == ["wishes", "packing", "cost", "health"])
        #expect(plan.changes.isEmpty)
        #expect(await scheduler.revision == before)
        #expect(await scheduler.workloads(all: true).items.isEmpty)
        #expect(try await scheduler.submit(spec("w")).grants.map(\.device) == plan.grants.map(\.device))
    }

    @Test func `where it does not fit, a plan and an explanation tell the smallest change`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        _ = try await scheduler.submit(spec("low", vram: 70))
        var wanted = spec("high", vram: 20)
        wanted.placement.priority = 10
        let plan = try await scheduler.plan(wanted)
        #expect(!plan.fits && plan.node == nil && plan.grants.isEmpty)
        #expect(plan.changes.map(\.text) == ["fits with --vram 10Gi", "fits if workload low (priority 0) ended"])
        // Placed it preempts nothing here, so the explanation says the same.
        var still = wanted
        still.placement.priority = 0
        still.name = "equal"
        _ = try await scheduler.submit(still)
        #expect(try await scheduler.explain("equal").changes?.map(\.text) == ["fits with --vram 10Gi"])
        #expect(try await scheduler.explain("low").changes == nil)
    }

    @Test func `a plan of an impossible request is refused like the request`() async throws {
        let scheduler = try await open()
        await #expect { try await scheduler.plan(spec("Not a name")) } throws: { ($0 as? APIProblem)?.status == 400 }
    }
}
