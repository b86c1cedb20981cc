import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

@Suite struct CordonTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func order(_ target: String, drain: Bool = false, reason: String = "ticket 7") -> CordonRequest {
        CordonRequest(target: target, reason: reason, by: "ada@host", drain: drain)
    }

    private func lift(_ target: String) -> UncordonRequest { UncordonRequest(target: target, by: "ada@host") }

    private func kinds(_ scheduler: Scheduler) async -> [FleetEvent.Kind] {
        await scheduler.events(after: 0, limit: 500, wait: .zero, filter: EventFilter()).items.map(\.kind)
    }

    @Test(arguments: ["n1", "dev-a", "DEV-A", "dev-"])
    func `a cordoned target gets no new work until it is lifted, and explain says who and why`(target: String)
        async throws
    {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a")]))
        let view = try await scheduler.cordon(order(target))
        #expect(view.cordon.by == "ada@host" && view.cordon.reason == "ticket 7" && !view.cordon.drains)
        #expect(try await scheduler.submit(spec("w")).phase == .queued)
        let why = try await scheduler.explain("w").devices.flatMap(\.reasons)
        #expect(why.count == 1 && why[0].hasSuffix("cordoned by ada@host: ticket 7"), "\(why)")
        #expect(await scheduler.devices().items.map { $0.cordon?.reason } == ["ticket 7"])
        _ = try await scheduler.receive(reports.make([gpu("dev-a")]))
        #expect(try await scheduler.view("w").phase == .queued)
        #expect(try await scheduler.uncordon(lift(target)).remaining.isEmpty)
        #expect(try await scheduler.view("w").phase == .assigned)
        #expect(await kinds(scheduler).filter { $0 == .cordoned || $0 == .uncordoned } == [.cordoned, .uncordoned])
    }

    @Test func `a node is told of its own cordons at once, and that they are lifted`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a")]))
        let before = await scheduler.assignments(node: "n1", after: .zero, wait: .zero)
        #expect(before.cordons == nil)
        async let polled = scheduler.assignments(node: "n1", after: before.revision, wait: .seconds(600))
        while await scheduler.polledNodes == 0 { await Task.yield() }
        _ = try await scheduler.cordon(order("dev-a"))
        let told = await polled
        #expect(told.cordons?.map(\.target.device?.uuid) == ["dev-a"] && told.cordons?.first?.reason == "ticket 7")
        #expect(await scheduler.assignments(node: "n2", after: .zero, wait: .zero).cordons == nil)
        _ = try await scheduler.uncordon(lift("dev-a"))
        let after = await scheduler.assignments(node: "n1", after: told.revision, wait: .seconds(600))
        #expect(after.cordons == nil && after.revision > told.revision)
    }

    @Test func `lifting a cordon leaves what health blocks, and health that recovers leaves the cordon`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a", score: 0)]))
        await #expect {
            try await scheduler.uncordon(lift("dev-a"))
        } throws: {
            ($0 as? APIProblem)?.status == 409 && ($0 as? APIProblem)?.detail.contains("Xid 79") == true
        }
        _ = try await scheduler.cordon(order("dev-a"))
        let remaining = try await scheduler.uncordon(lift("dev-a")).remaining
        #expect(remaining.count == 1 && remaining[0].contains("Xid 79"))
        #expect(try await scheduler.submit(spec("w")).phase == .queued, "health still blocks it")
        _ = try await scheduler.cordon(order("dev-a"))
        _ = try await scheduler.receive(reports.make([gpu("dev-a", score: 100)]))
        #expect(try await scheduler.view("w").phase == .queued, "the cordon stands")
        _ = try await scheduler.uncordon(lift("dev-a"))
        #expect(try await scheduler.view("w").phase == .assigned)
    }

    @Test func `a node's cordon and its device's are two, and lifting one says that the other stands`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a")]))
        _ = try await scheduler.cordon(order("n1", reason: "power"))
        _ = try await scheduler.cordon(order("dev-a"))
        #expect(try await scheduler.uncordon(lift("dev-a")).remaining == ["its node is cordoned by ada@host: power"])
        #expect(await scheduler.devices().items.map { $0.cordon?.reason } == ["power"])
        #expect(try await scheduler.submit(spec("w")).phase == .queued)
    }

    @Test func `cordons survive a restart`() async throws {
        let store = MemoryStore()
        let first = try await open(store)
        var reports = ReportMaker()
        _ = try await first.receive(reports.make([gpu("dev-a")]))
        _ = try await first.cordon(order("dev-a", drain: true))
        let second = try await open(store)
        _ = try await second.receive(reports.make([gpu("dev-a")]))
        #expect(await second.cordons().items.map(\.cordon) == first.cordons().items.map(\.cordon))
        #expect(try await second.submit(spec("w")).phase == .queued)
    }

    @Test func `a drain moves work when another device takes it, and says what stays`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let devices = [gpu("dev-a", memory: 40), gpu("dev-b", memory: 20)]
        _ = try await scheduler.receive(reports.make([gpu("dev-a", memory: 40)]))
        let moves = try await scheduler.submit(spec("moves", vram: 16))
        clock.advance(by: 1)
        let large = try await scheduler.submit(spec("large", vram: 10))
        let fixed = try await scheduler.submit(spec("fixed", vram: 4, restart: .never))
        let running = [moves, large, fixed].map { WorkloadObservation(id: $0.id, attempt: 1, phase: .running) }
        _ = try await scheduler.receive(reports.make(devices, workloads: running))

        let view = try await scheduler.cordon(order("dev-a", drain: true))
        #expect(view.occupants.map(\.name) == ["fixed", "large", "moves"])
        #expect(view.occupants.map(\.stays) == [true, false, false])
        #expect(
            view.occupants.map(\.why) == [
                "its restart policy is never: it stays until it ends", "no other device takes it now",
                "attempt 1 is being ended here",
            ])
        let moved = try await scheduler.view("moves")
        #expect(moved.phase == .assigned && moved.grants.map(\.device) == [DeviceID("dev-b")])
        #expect(moved.events.contains { $0.message == "moved off, drained by ada@host: ticket 7" })
        #expect(try await scheduler.view("large").phase == .running, "nothing is ended that has nowhere to go")
        #expect(try await scheduler.view("fixed").phase == .running)

        let ended = [
            WorkloadObservation(id: moves.id, attempt: 1, phase: .ended, exit: .init(signal: 15)),
            WorkloadObservation(id: fixed.id, attempt: 1, phase: .ended, exit: .init(code: 0)), running[1],
        ]
        _ = try await scheduler.receive(reports.make(devices + [gpu("dev-c")], workloads: ended))
        #expect(try await scheduler.view("large").grants.map(\.device) == [DeviceID("dev-c")], "room came")
        #expect(await kinds(scheduler).contains(.drained) == false)
        let last = WorkloadObservation(id: large.id, attempt: 1, phase: .ended, exit: .init(signal: 15))
        _ = try await scheduler.receive(reports.make(devices + [gpu("dev-c")], workloads: [last]))
        #expect(await scheduler.cordons().items.map(\.occupants.isEmpty) == [true])
        #expect(await kinds(scheduler).filter { $0 == .drained }.count == 1)
        try await scheduler.tick()
        #expect(await kinds(scheduler).filter { $0 == .drained }.count == 1, "told once")
    }

    @Test func `a lease of the host keeps a drain from being done, and a cordon ends the drain`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let id = try #require(WorkloadID("00000000-0000-4000-8000-000000000009"))
        let lease = LeaseObservation(
            id: id, name: "notebook", uid: 1000, pid: 77, startTime: 5,
            grant: DeviceGrant(device: DeviceID("dev-a"), vendor: .nvidia, quota: .gibibytes(1)),
            startedMilliseconds: 0, usage: [], processes: 1)
        _ = try await scheduler.receive(reports.make([gpu("dev-a")], leases: [lease]))
        let view = try await scheduler.cordon(order("n1", drain: true))
        #expect(view.occupants.map(\.name) == ["notebook"] && view.occupants.allSatisfy(\.stays))
        #expect(view.cordon.drainedMilliseconds == nil)
        #expect(try await scheduler.cordon(order("n1")).cordon.drains == false)
        _ = try await scheduler.receive(reports.make([gpu("dev-a"), gpu("dev-b")], leases: []))
        #expect(await kinds(scheduler).contains(.drained) == false)
    }

    @Test func `a target that nobody knows, or several, or a bad text changes nothing`() async throws {
        let scheduler = try await open()
        var one = ReportMaker(node: "n1")
        var two = ReportMaker(node: "n2")
        _ = try await scheduler.receive(one.make([gpu("dev-a"), gpu("dev-b")]))
        _ = try await scheduler.receive(two.make([gpu("dev-a")]))
        let bad: [(CordonRequest, Int)] = [
            (order("nobody"), 404), (order("dev"), 404), (order("dev-"), 400), (order("dev-a"), 400),
            (order("dev-b", reason: ""), 400), (order("dev-b", reason: "  "), 400),
            (order("dev-b", reason: "a\nb"), 400), (order("dev-b", reason: "\u{1B}[31m"), 400),
            (order("dev-b", reason: "\u{202E}x"), 400),
            (order("dev-b", reason: String(repeating: "x", count: 257)), 400), (order("dev b"), 400), (order(""), 400),
            (CordonRequest(target: "dev-b", node: "../x", reason: "r", by: "a", drain: false), 400),
            (CordonRequest(target: "dev-b", reason: "r", by: "", drain: false), 400),
            (CordonRequest(target: "dev-b", node: "n2", reason: "r", by: "a", drain: false), 404),
        ]
        for (request, status) in bad {
            await #expect("\(request)") { try await scheduler.cordon(request) } throws: {
                ($0 as? APIProblem)?.status == status
            }
        }
        #expect(await scheduler.cordons().items.isEmpty)
        let both = CordonRequest(target: "dev-a", node: "n2", reason: "r", by: "a", drain: false)
        #expect(try await scheduler.cordon(both).cordon.target == .init(node: "n2", device: DeviceID("dev-a")))
    }

    @Test(arguments: [59, 1, 0] as [Int?] + [nil])
    func `in suspect, failed and unknown health a device gets no new work`(score: Int?) async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("dev-a", score: score)]))
        #expect(try await scheduler.submit(spec("w")).phase == .queued)
        _ = try await scheduler.receive(reports.make([gpu("dev-a", score: 60)]))
        #expect(try await scheduler.view("w").phase == .assigned)
    }
}
