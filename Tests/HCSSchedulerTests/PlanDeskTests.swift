import HCSAPI
import HCSModel
import HCSPlacement
import HCSScheduler
import HCSStore
import HCSTestSupport
import Logging
import Synchronization
import Testing

/// Takes work and does none of it until it is let go.
private final class HeldThread: Sendable {
    private let state = Mutex<(held: [@Sendable () -> Void], taken: Int, isOpen: Bool)>(([], 0, false))

    var taken: Int { state.withLock { $0.taken } }

    var run: PlanDesk.Thread {
        { work in
            let isOpen = self.state.withLock {
                $0.taken += 1
                if !$0.isOpen { $0.held.append(work) }
                return $0.isOpen
            }
            if isOpen { work() }
        }
    }

    func letGo() {
        let held = state.withLock { state in
            defer { state = ([], state.taken, true) }
            return state.held
        }
        for work in held { work() }
    }
}

private final class Tally: Sendable {
    private let counts = Mutex((refused: 0, answered: 0))

    var refused: Int { counts.withLock { $0.refused } }
    var answered: Int { counts.withLock { $0.answered } }
    func noteRefused() { counts.withLock { $0.refused += 1 } }
    func noteAnswered() { counts.withLock { $0.answered += 1 } }
}

@Suite struct PlanDeskTests {
    private let thread = HeldThread()

    /// Two devices with 20 of 40 GiB in use each, and `large` that waits for a whole one.
    private func crowded() async throws -> Scheduler {
        let scheduler = try await Scheduler.open(
            store: MemoryStore(), clock: ManualClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero, queue: QueuePolicy(defragmentation: .init(run: true))),
            desks: .init(
                plans: PlanDesk("plans", waitingLimit: 1, thread: thread.run),
                moves: PlanDesk("plans of moves", waitingLimit: 1, thread: thread.run)))
        var reports = ReportMaker()
        let devices = [gpu("a", memory: 40), gpu("b", memory: 40)]
        _ = try await scheduler.receive(reports.make(devices))
        let first = try await scheduler.submit(spec("s1", vram: 20))
        let blocker = try await scheduler.submit(spec("blocker", vram: 20))
        let second = try await scheduler.submit(spec("s2", vram: 20))
        _ = try await scheduler.delete("blocker")
        let ended = HCSModel.ExitStatus(signal: 15)
        _ = try await scheduler.receive(
            reports.make(
                devices,
                workloads: [
                    WorkloadObservation(id: first.id, attempt: 1, phase: .running),
                    WorkloadObservation(id: second.id, attempt: 1, phase: .running),
                    WorkloadObservation(id: blocker.id, attempt: 1, phase: .ended, exit: ended),
                ]))
        #expect(try await scheduler.submit(spec("large", vram: 40)).phase == .queued)
        return scheduler
    }

    enum Ask: CaseIterable { case moves, plan, explanation }

    @Test(arguments: Ask.allCases)
    func `while a plan is made the scheduler takes in what comes, one more waits, and a third is refused`(
        ask: Ask
    ) async throws {
        let scheduler = try await crowded()
        let tally = Tally()
        try await withThrowingTaskGroup { group in
            for _ in 0..<3 {
                group.addTask {
                    do {
                        switch ask {
                        case .moves:
                            let view = try await scheduler.defragment(DefragmentationRequest(run: false, by: "ada"))
                            #expect(view.moves.count == 1)
                        case .plan: #expect(try await scheduler.plan(spec("p", vram: 30)).changes.isEmpty == false)
                        case .explanation: #expect(try await scheduler.explain("large").name == "large")
                        }
                        tally.noteAnswered()
                    } catch let problem as APIProblem where problem.status == 429 {
                        #expect(problem.detail.hasSuffix("are being made or wait for their turn: ask again later"))
                        tally.noteRefused()
                    }
                }
            }
            // One is being made, and nobody makes it; one waits; one was sent away.
            #expect(await eventually { tally.refused == 1 && thread.taken == 1 })
            _ = try await scheduler.submit(spec("meanwhile", vram: 40))
            try await scheduler.tick()
            #expect(await scheduler.queue().items.map(\.name).sorted() == ["large", "meanwhile"])
            #expect(thread.taken == 1 && tally.answered == 0)
            thread.letGo()
            try await group.waitForAll()
        }
        #expect(tally.answered == 2 && thread.taken == 2)
    }

    @Test(arguments: [false, true])
    func `moves are looked at again before they are carried out`(isGone: Bool) async throws {
        let scheduler = try await crowded()
        let order = DefragmentationRequest(workload: "large", run: true, by: "ada")
        let plan = Task { try await scheduler.defragment(order) }
        #expect(await eventually { thread.taken == 1 })
        // It was to make room for this one, or this one takes the room that it was to go to.
        if isGone {
            _ = try await scheduler.delete("large")
        } else {
            _ = try await scheduler.submit(spec("quick", vram: 20))
        }
        thread.letGo()
        await #expect { try await plan.value } throws: {
            ($0 as? APIProblem)?.status == 409 && ($0 as? APIProblem)?.detail.contains("nothing was moved") == true
        }
        for name in ["s1", "s2"] { #expect(try await scheduler.view(name).attempt == 1) }
    }
}
