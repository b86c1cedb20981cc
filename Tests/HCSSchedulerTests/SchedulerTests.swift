import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

// Swift Testing has an ExitStatus of its own.
private typealias ExitStatus = HCSModel.ExitStatus

@Suite struct SchedulerTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero))
    }

    @Test func `a workload is placed when it is submitted, and its node is told`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b")]))
        let view = try await scheduler.submit(spec("w"))
        #expect(view.phase == .assigned)
        #expect(view.grants == [DeviceGrant(device: DeviceID("a"), vendor: .nvidia, quota: .gibibytes(8))])
        let set = await scheduler.assignments(node: "n1", after: .zero, wait: .zero)
        #expect(set.workloads.map(\.desired) == [.run])
        #expect(set.workloads.map(\.id) == [view.id])
    }

    @Test func `what was submitted before any node reported is placed by the first report`() async throws {
        let scheduler = try await open()
        let queued = try await scheduler.submit(spec("w"))
        #expect(queued.phase == .queued)
        #expect(queued.message == "no node has reported a device")
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        #expect(try await scheduler.view("w").phase == .assigned)
    }

    @Test func `a waiting poll is answered by the next change of its node, not by another's`() async throws {
        let scheduler = try await open()
        var one = ReportMaker(node: "n1")
        var two = ReportMaker(node: "n2")
        _ = try await scheduler.receive(one.make([gpu("a")]))
        _ = try await scheduler.receive(two.make([]))
        let before = await scheduler.assignments(node: "n1", after: .zero, wait: .zero).revision
        async let answer = scheduler.assignments(node: "n1", after: before, wait: .seconds(20))
        _ = try await scheduler.submit(spec("w"))
        let set = await answer
        #expect(set.workloads.count == 1)
        #expect(set.revision > before)
        let other = await scheduler.assignments(node: "n2", after: .zero, wait: .zero)
        #expect(other.workloads.isEmpty)
    }

    @Test func `a poll that nothing wakes is answered when its time is over`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        let present = await scheduler.assignments(node: "n1", after: .zero, wait: .zero)
        let answer = await scheduler.assignments(node: "n1", after: present.revision, wait: .milliseconds(20))
        #expect(answer == present)
    }

    @Test func `a fault moves work in the same step in which the report comes in`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b")]))
        let first = try await scheduler.submit(spec("w1"))
        let second = try await scheduler.submit(spec("w2"))
        #expect(
            first.grants == second.grants.map { DeviceGrant(device: $0.device, vendor: .nvidia, quota: .gibibytes(8)) })
        let running = [first, second].map { WorkloadObservation(id: $0.id, attempt: 1, phase: .running) }
        _ = try await scheduler.receive(reports.make([gpu("a", score: 0), gpu("b")], workloads: running))
        for name in ["w1", "w2"] {
            let moved = try await scheduler.view(name)
            #expect(moved.phase == .assigned)
            #expect(moved.grants.map(\.device) == [DeviceID("b")])
            #expect(moved.events.map(\.kind).suffix(2) == [.deviceFault, .moved])
        }
        // Until the old processes have ended, the node is only told to stop them.
        var set = await scheduler.assignments(node: "n1", after: .zero, wait: .zero)
        #expect(set.workloads.map(\.desired) == [.stop, .stop])
        #expect(set.workloads.map(\.attempt) == [1, 1])
        let ended = [first, second].map {
            WorkloadObservation(id: $0.id, attempt: 1, phase: .ended, exit: ExitStatus(signal: 15))
        }
        _ = try await scheduler.receive(reports.make([gpu("a", score: 0), gpu("b")], workloads: ended))
        set = await scheduler.assignments(node: "n1", after: .zero, wait: .zero)
        #expect(set.workloads.map(\.desired) == [.run, .run])
        #expect(set.workloads.map(\.attempt) == [2, 2])
        #expect(try await scheduler.submit(spec("w3")).grants.map(\.device) == [DeviceID("b")])
    }

    @Test func `a silent node gets no work until it reports again`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        clock.advance(by: ClusterState.silenceLimitMilliseconds + 1)
        #expect(try await scheduler.submit(spec("w")).phase == .queued)
        #expect(await scheduler.nodes().items.map(\.state) == [.unreachable])
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        #expect(try await scheduler.view("w").phase == .assigned)
    }

    @Test func `a host that is not well gets no new work, says why and keeps what it runs`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        func report(_ penalty: Double, score: Int) -> NodeReport {
            var report = reports.make([gpu("a")])
            let reason = HealthReason(
                factor: "node-memory", penalty: penalty, detail: "uncorrected memory error", source: "memory-error/bpf",
                sinceMilliseconds: 0)
            report.health = DeviceHealth(score: score, reasons: [reason])
            return report
        }
        _ = try await scheduler.receive(report(0.3, score: 70))
        #expect(try await scheduler.submit(spec("w1")).phase == .assigned)
        _ = try await scheduler.receive(report(0.6, score: 40))
        let waiting = try await scheduler.submit(spec("w2"))
        #expect(waiting.phase == .queued)
        let why = "\(try await scheduler.explain("w2").devices)"
        #expect(why.contains("node n1 is not ready: health of the host 40: uncorrected memory error"), "\(why)")
        #expect(try await scheduler.view("w1").phase == .assigned)
        let node = try await scheduler.node("n1")
        #expect(node.state == .ready && node.health?.score == 40)
        #expect(await scheduler.devices().items.first?.blocked?.contains("health of the host 40") == true)
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        #expect(try await scheduler.view("w2").phase == .assigned)
    }

    @Test func `an old or repeated report is refused`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let first = reports.make([gpu("a")])
        _ = try await scheduler.receive(first)
        await #expect { try await scheduler.receive(first) } throws: { ($0 as? APIProblem)?.status == 409 }
        var restarted = ReportMaker(start: 2)
        _ = try await scheduler.receive(restarted.make([gpu("a")]))
    }

    @Test func `reports with absurd contents are refused and change nothing`() async throws {
        let scheduler = try await open()
        var wrongVersion = ReportMaker().with { $0.make([]) }
        wrongVersion.apiVersion = "v9"
        var badName = ReportMaker(node: "../etc").with { $0.make([]) }
        badName.node = "../etc"
        let twins = ReportMaker().with { $0.make([gpu("a"), gpu("a")]) }
        let crowd = ReportMaker().with { $0.make((0...APILimits.devicesPerNode).map { gpu("d\($0)") }) }
        for report in [wrongVersion, badName, twins, crowd] {
            await #expect { try await scheduler.receive(report) } throws: { ($0 as? APIProblem)?.status == 400 }
        }
        #expect(await scheduler.nodes().items.isEmpty)
    }

    @Test func `a name can be used again only when its workload has ended`() async throws {
        let scheduler = try await open()
        _ = try await scheduler.submit(spec("w"))
        await #expect { try await scheduler.submit(spec("w")) } throws: { ($0 as? APIProblem)?.status == 409 }
        #expect(try await scheduler.delete("w").phase == .deleted)
        #expect(try await scheduler.submit(spec("w")).phase == .queued)
    }

    @Test func `the next scheduler on the same store goes on where the last one stopped`() async throws {
        let store = MemoryStore()
        let first = try await open(store)
        var reports = ReportMaker()
        _ = try await first.receive(reports.make([gpu("a")]))
        let placed = try await first.submit(spec("w"))
        let second = try await open(store)
        #expect(try await second.view("w").grants == placed.grants)
        #expect(await second.nodes().items.map(\.state) == [.unreachable])
        #expect(await second.assignments(node: "n1", after: .zero, wait: .zero).workloads.count == 1)
        #expect(try await second.submit(spec("w2")).phase == .queued, "a node not heard of gets no work")
    }

    @Test func `a store that refuses a change leaves the state as it was`() async throws {
        let store = FailingStore()
        let scheduler = try await open(store)
        await store.fail(true)
        await #expect { try await scheduler.submit(spec("w")) } throws: { ($0 as? APIProblem)?.status == 500 }
        #expect(await scheduler.workloads(all: true).items.isEmpty)
        await store.fail(false)
        #expect(try await scheduler.submit(spec("w")).phase == .queued)
    }

    @Test func `concurrent submits each get their own place and none is lost`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 64), gpu("b", memory: 64)]))
        await withTaskGroup(of: Void.self) { group in
            for i in 0..<40 { group.addTask { _ = try? await scheduler.submit(spec("w\(i)", vram: 4)) } }
        }
        let views = await scheduler.workloads(all: false).items
        #expect(views.count == 40)
        #expect(views.count { $0.phase == .assigned } == 32)
        for device in await scheduler.devices().items { #expect(device.ledger.granted == .gibibytes(64)) }
    }

    @Test func `explain names every device`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a"), gpu("b", score: 0)]))
        _ = try await scheduler.submit(spec("big", vram: 100))
        let explanation = try await scheduler.explain("big")
        #expect(explanation.devices.map(\.fits) == [false, false])
        #expect(explanation.devices[0].reasons == ["asks for 100Gi, the whole device has 80Gi"])
        #expect(explanation.summary == "no device fits: none of 2 that run cuda (health, device-memory)")
        await #expect { try await scheduler.explain("nobody") } throws: { ($0 as? APIProblem)?.status == 404 }
    }

    @Test func `a failed workload under on-failure waits for its back-off`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        let view = try await scheduler.submit(spec("w", restart: .onFailure))
        let ended = WorkloadObservation(id: view.id, attempt: 1, phase: .ended, exit: ExitStatus(code: 1))
        _ = try await scheduler.receive(reports.make([gpu("a")], workloads: [ended]))
        #expect(try await scheduler.view("w").phase == .queued)
        clock.advance(by: 1_000)
        try await scheduler.tick()
        #expect(try await scheduler.view("w").attempt == 2)
    }
}

extension ReportMaker {
    func with<Value>(_ body: (inout ReportMaker) -> Value) -> Value {
        var copy = self
        return body(&copy)
    }
}

private actor FailingStore: StateStore {
    private let inner = MemoryStore()
    private var fails = false

    func fail(_ on: Bool) { fails = on }

    func load() async throws(StoreError) -> StoredState { await inner.load() }

    func commit(_ change: StateChange, expecting expected: Revision) async throws(StoreError) -> Revision {
        guard !fails else { throw StoreError(.failed, "disk full") }
        return try await inner.commit(change, expecting: expected)
    }

    func append(_ events: [FleetEvent]) async throws(StoreError) { await inner.append(events) }
}
