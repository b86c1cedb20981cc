import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import HCSStore
import Logging
import Testing

// Swift Testing has an ExitStatus of its own.
private typealias ExitStatus = HCSModel.ExitStatus

@Suite struct QueueTests {
    private let clock = ManualClock()

    private func open(_ policy: QueuePolicy = QueuePolicy(), _ store: any StateStore = MemoryStore()) async throws
        -> Scheduler
    {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero, queue: policy))
    }

    private func work(
        _ name: String, _ vram: UInt64 = 40, priority: Int = 0, tenant: String = "default", gang: Gang? = nil,
        restart: RestartPolicy = .onDeviceFault
    ) -> WorkloadSpec {
        var spec = spec(name, vram: vram, restart: restart)
        spec.placement.priority = priority
        spec.placement.tenant = tenant
        spec.placement.gang = gang
        return spec
    }

    private func seen(
        _ view: WorkloadView, _ phase: WorkloadObservation.Phase, attempt: Int = 1, exit: ExitStatus? = nil
    )
        -> WorkloadObservation
    {
        WorkloadObservation(id: view.id, attempt: attempt, phase: phase, exit: exit)
    }

    @Test func `higher priority ends lower, gets its room once it has ended, and the victim says for whom it went`()
        async throws
    {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 40)]))
        let low = try await scheduler.submit(work("low"))
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 40)], workloads: [seen(low, .running)]))
        let high = try await scheduler.submit(work("high", priority: 5))
        #expect(high.phase == .queued && high.message == "takes the place of low on n1, once ended")
        let victim = try await scheduler.view("low")
        #expect(victim.phase == .queued)
        #expect(
            victim.events.contains {
                $0.kind == .preempted && $0.message == "preempted by high of tenant default, priority 5"
            })
        #expect(await scheduler.assignments(node: "n1", after: .zero, wait: .zero).workloads.map(\.desired) == [.stop])
        let queue = await scheduler.queue()
        #expect(queue.items.map(\.name) == ["high", "low"])
        #expect(queue.items.map(\.position) == [1, 2])
        #expect(queue.items[0].code == "preempting")
        _ = try await scheduler.receive(
            reports.make([gpu("a", memory: 40)], workloads: [seen(low, .ended, exit: ExitStatus(signal: 15))]))
        #expect(try await scheduler.view("high").phase == .assigned)
        #expect(try await scheduler.view("low").phase == .queued)
        let tenant = await scheduler.queue().tenants[0]
        #expect(tenant.name == "default" && tenant.dominantShare == 1 && tenant.queued == 1 && tenant.placed == 1)
    }

    @Test func `a gang starts together; one that loses a member is stopped and starts again together`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        let devices = { (score: Int) in
            [gpu("a", memory: 40, score: score), gpu("b", memory: 40), gpu("c", memory: 40)]
        }
        _ = try await scheduler.receive(reports.make(devices(100)))
        let gang = Gang(name: "g", size: 2)
        let one = try await scheduler.submit(work("g1", gang: gang))
        #expect(one.phase == .queued && one.message.hasPrefix("1 of 2 members of gang g are here"))
        #expect(await scheduler.queue().items.map(\.position) == [nil])
        let two = try await scheduler.submit(work("g2", gang: gang))
        #expect(two.phase == .assigned)
        #expect(try await scheduler.view("g1").phase == .assigned)
        await #expect { try await scheduler.submit(work("g3", gang: gang)) } throws: {
            ($0 as? APIProblem)?.status == 409
        }
        _ = try await scheduler.receive(
            reports.make(devices(100), workloads: [seen(one, .running), seen(two, .running)]))
        // A device of one of them fails: both are stopped.
        let running = [seen(one, .running), seen(two, .running)]
        _ = try await scheduler.receive(reports.make(devices(0), workloads: running))
        let orders = await scheduler.assignments(node: "n1", after: .zero, wait: .zero).workloads
        #expect(orders.map(\.desired) == [.stop, .stop])
        let ended = [one, two].map { seen($0, .ended, exit: ExitStatus(signal: 15)) }
        _ = try await scheduler.receive(reports.make(devices(0), workloads: ended))
        for name in ["g1", "g2"] {
            let view = try await scheduler.view(name)
            #expect(view.phase == .assigned && view.attempt == 2, "\(view.message)")
        }
        #expect(
            Set(try await [scheduler.view("g1"), scheduler.view("g2")].flatMap { $0.grants.map(\.device.uuid) })
                == ["b", "c"])
    }

    @Test func `a gang for one node is planned, explained and placed there, and all of its members ask for it`()
        async throws
    {
        let scheduler = try await open()
        var small = ReportMaker(), large = ReportMaker(node: "n2")
        _ = try await scheduler.receive(small.make([gpu("a", memory: 40), gpu("b", memory: 40)]))
        func member(_ n: Int, _ interconnect: Interconnect = .sameNode) -> WorkloadSpec {
            var spec = work("g\(n)", 30, gang: Gang(name: "g", size: 3))
            spec.placement.interconnect = interconnect
            return spec
        }
        var plan = try await scheduler.plan(member(0))
        let why = "no node has room for all 3 members: n1 comes nearest with 2, the next one lacks device-memory"
        #expect(!plan.fits && plan.summary == why)
        #expect(
            plan.devices.map(\.reasons) == [["n1 has room for 2 of 3 members, which go to one node"]]
                + plan.devices.dropFirst().map(\.reasons))
        #expect(plan.changes.map(\.text) == ["fits with --vram 20Gi"])
        for n in 0..<3 { _ = try await scheduler.submit(member(n)) }
        #expect(try await scheduler.explain("g1").summary == why)
        #expect(try await scheduler.view("g2").message == why)
        for n in 0..<3 { _ = try await scheduler.delete("g\(n)") }
        _ = try await scheduler.receive(large.make(["c", "d", "e"].map { gpu($0, memory: 40) }))
        plan = try await scheduler.plan(member(0))
        #expect(plan.fits && plan.node == "n2" && plan.grants.count == 1)
        #expect(plan.summary == "all 3 members fit on n2, devices c, d, e")
        #expect(Set(plan.devices.filter(\.fits).map(\.node)) == ["n2"])
        for n in 0..<2 { _ = try await scheduler.submit(member(n)) }
        await #expect { try await scheduler.submit(member(2, .any)) } throws: {
            ($0 as? APIProblem)?.status == 409 && ($0 as? APIProblem)?.detail.contains("asks for interconnect") == true
        }
        let last = try await scheduler.submit(member(2))
        #expect(last.node == "n2")
        for n in 0..<2 { #expect(try await scheduler.view("g\(n)").node == "n2") }
        // One of them is no more: another would be placed without the rest.
        let gone = try await scheduler.delete("g0")
        let rest = [try await scheduler.view("g1"), last]
        _ = try await scheduler.receive(
            large.make(
                ["c", "d", "e"].map { gpu($0, memory: 40) },
                workloads: [seen(gone, .ended, exit: ExitStatus(signal: 15))] + rest.map { seen($0, .running) }))
        #expect(try await scheduler.view(gone.id.text).phase == .deleted)
        await #expect { try await scheduler.submit(member(0)) } throws: {
            ($0 as? APIProblem)?.status == 409 && ($0 as? APIProblem)?.detail.contains("nobody joins it") == true
        }
    }

    @Test func `a gang for one node that its tenant's limit holds is explained by it on every device`() async throws {
        let scheduler = try await open(
            QueuePolicy(tenants: [.init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(50))))]))
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 80), gpu("b", memory: 80)]))
        for n in 0..<2 {
            var spec = work("g\(n)", 30, tenant: "a", gang: Gang(name: "g", size: 2))
            spec.placement.interconnect = .sameNode
            _ = try await scheduler.submit(spec)
        }
        let why = "tenant a would pass its limit of 50Gi of device memory"
        let told = try await scheduler.explain("g1")
        #expect(told.summary == why && told.devices.allSatisfy { !$0.fits && $0.reasons == [why] })
    }

    @Test func `a gang of which a member fails for good is ended and has failed`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        let gang = Gang(name: "g", size: 2)
        let one = try await scheduler.submit(work("g1", gang: gang))
        let two = try await scheduler.submit(work("g2", gang: gang))
        _ = try await scheduler.receive(
            reports.make([gpu("a")], workloads: [seen(one, .running), seen(two, .ended, exit: ExitStatus(code: 1))]))
        let view = try await scheduler.view("g1")
        #expect(view.phase == .failed && view.message == "failed: its gang g lost member g2: exit 1")
        #expect(await scheduler.assignments(node: "n1", after: .zero, wait: .zero).workloads.map(\.desired) == [.stop])
        #expect(try await scheduler.submit(work("other", 60)).phase == .queued, "it still ends")
        _ = try await scheduler.receive(
            reports.make([gpu("a")], workloads: [seen(one, .ended, exit: ExitStatus(signal: 15))]))
        #expect(try await scheduler.view("other").phase == .assigned)
    }

    @Test func `limits hold for a submission and a resize, and unknown tenants and pools are refused`() async throws {
        let scheduler = try await open(
            QueuePolicy(tenants: [.init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(50))))]))
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        _ = try await scheduler.submit(work("w1", 40, tenant: "a"))
        let waiting = try await scheduler.submit(work("w2", 20, tenant: "a"))
        #expect(waiting.message == "tenant a would pass its limit of 50Gi of device memory")
        #expect(await scheduler.queue().items.map(\.code) == ["quota"])
        #expect(try await scheduler.explain("w2").summary == waiting.message)
        #expect(try await scheduler.plan(work("w3", 20, tenant: "a")).summary == waiting.message)
        await #expect {
            try await scheduler.defragment(DefragmentationRequest(workload: "w2", run: false, by: "ada"))
        } throws: { ($0 as? APIProblem)?.detail.contains(waiting.message) == true }
        await #expect {
            try await scheduler.resize("w1", WorkloadChange(vram: .gibibytes(60)))
        } throws: { ($0 as? APIProblem)?.detail.contains("its limit of 50Gi") == true }
        #expect(try await scheduler.submit(work("other", 20)).phase == .assigned)
        await #expect { try await scheduler.submit(work("x", tenant: "nobody")) } throws: {
            ($0 as? APIProblem)?.status == 400 && ($0 as? APIProblem)?.detail.contains("there are: a, default") == true
        }
    }

    @Test func `what is drained counts once, and what is deleted until it has ended`() async throws {
        let scheduler = try await open(
            QueuePolicy(tenants: [.init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(60))))]))
        var one = ReportMaker(node: "n1")
        var two = ReportMaker(node: "n2")
        _ = try await scheduler.receive(one.make([gpu("x")]))
        let first = try await scheduler.submit(work("w1", 40, tenant: "a"))
        _ = try await scheduler.receive(one.make([gpu("x")], workloads: [seen(first, .running)]))
        _ = try await scheduler.receive(two.make([gpu("y")]))
        _ = try await scheduler.cordon(CordonRequest(target: "n1", reason: "x", by: "ada", drain: true))
        #expect(try await scheduler.view("w1").node == "n2")
        #expect(try await scheduler.submit(work("w2", 20, tenant: "a")).phase == .assigned)
        _ = try await scheduler.receive(
            one.make([gpu("x")], workloads: [seen(first, .ended, exit: ExitStatus(signal: 15))]))
        _ = try await scheduler.receive(two.make([gpu("y")], workloads: [seen(first, .running, attempt: 2)]))
        _ = try await scheduler.delete("w1")
        let again = try await scheduler.submit(work("w3", 40, tenant: "a"))
        #expect(
            again.message
                == "tenant a would pass its limit of 60Gi of device memory until what is being stopped has ended")
        #expect(try await scheduler.plan(work("w4", 40, tenant: "a")).summary == again.message)
        _ = try await scheduler.receive(
            two.make([gpu("y")], workloads: [seen(first, .ended, attempt: 2, exit: ExitStatus(signal: 15))]))
        #expect(try await scheduler.view("w3").phase == .assigned)
    }

    @Test func `a plan of moves is only carried out where the policy allows it, and then makes room`() async throws {
        let ask = { (run: Bool) in DefragmentationRequest(workload: "large", run: run, by: "ada@host") }
        for isAllowed in [false, true] {
            let scheduler = try await open(QueuePolicy(defragmentation: .init(run: isAllowed)))
            var reports = ReportMaker()
            let devices = [gpu("a", memory: 40), gpu("b", memory: 40)]
            _ = try await scheduler.receive(reports.make([devices[0]]))
            let first = try await scheduler.submit(work("s1", 20))
            _ = try await scheduler.cordon(CordonRequest(target: "n1", reason: "x", by: "ada", drain: false))
            _ = try await scheduler.uncordon(UncordonRequest(target: "n1", by: "ada"))
            let blocker = try await scheduler.submit(work("blocker", 20))
            _ = try await scheduler.receive(
                reports.make(devices, workloads: [seen(first, .running), seen(blocker, .running)]))
            let second = try await scheduler.submit(work("s2", 20))
            _ = try await scheduler.delete("blocker")
            _ = try await scheduler.receive(
                reports.make(
                    devices,
                    workloads: [
                        seen(first, .running), seen(second, .running),
                        seen(blocker, .ended, exit: ExitStatus(signal: 15)),
                    ]))
            #expect(try await scheduler.submit(work("large", 40)).phase == .queued)
            let plan = try await scheduler.defragment(ask(false))
            #expect(plan.moves.count == 1 && plan.isProven && !plan.isRunning, "\(plan)")
            guard isAllowed else {
                await #expect { try await scheduler.defragment(ask(true)) } throws: {
                    ($0 as? APIProblem)?.status == 403
                }
                continue
            }
            let done = try await scheduler.defragment(ask(true))
            #expect(done.isRunning)
            let moved = try await scheduler.view(done.moves[0].name)
            #expect(moved.phase == .assigned && moved.attempt == 2)
            #expect(moved.events.contains { $0.message == "moved to make room for large, asked by ada@host" })
            // The room is kept while the move goes on.
            #expect(try await scheduler.submit(work("quick", 20, priority: 9)).phase == .queued)
            let view = moved.id == first.id ? first : second
            let other = moved.id == first.id ? second : first
            _ = try await scheduler.receive(
                reports.make(
                    devices, workloads: [seen(view, .ended, exit: ExitStatus(signal: 15)), seen(other, .running)]))
            #expect(try await scheduler.view("large").phase == .assigned)
        }
    }

    @Test func `an end places what waits at once, memory that is only used less at the next tick`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 40, used: 30)]))
        _ = try await scheduler.submit(work("w", 20))
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 40, used: 0)]))
        #expect(try await scheduler.view("w").phase == .queued)
        try await scheduler.tick()
        let first = try await scheduler.view("w")
        #expect(first.phase == .assigned)
        _ = try await scheduler.receive(reports.make([gpu("a", memory: 40)], workloads: [seen(first, .running)]))
        _ = try await scheduler.submit(work("next", 30))
        #expect(try await scheduler.view("next").phase == .queued)
        _ = try await scheduler.receive(
            reports.make([gpu("a", memory: 40)], workloads: [seen(first, .ended, exit: ExitStatus(code: 0))]))
        #expect(try await scheduler.view("next").phase == .assigned)
    }

    @Test func `a record of an older store waits since it was submitted`() async throws {
        let store = MemoryStore()
        let scheduler = try await open(QueuePolicy(), store)
        let view = try await scheduler.submit(work("w"))
        #expect(await scheduler.queue().items.map(\.queuedMilliseconds) == [view.createdMilliseconds])
        #expect(await scheduler.queuePolicy().yaml == QueuePolicy().yaml)
    }
}
