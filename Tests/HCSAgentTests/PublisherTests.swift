import HCSAPI
import HCSAgent
import HCSModel
import HCSTestSupport
import Synchronization
import Testing

/// A scheduler that can be away.
private final class FakeScheduler: Sendable {
    struct Seen: Sendable {
        var at: ContinuousClock.Instant
        var sequence: UInt64
        var score: Int?
    }

    private let state = Mutex((seen: [Seen](), away: false, busy: 0, mostBusy: 0))

    var seen: [Seen] { state.withLock { $0.seen } }
    var mostBusy: Int { state.withLock { $0.mostBusy } }
    func set(away: Bool) { state.withLock { $0.away = away } }

    func take(_ report: NodeReport) async throws {
        let away = state.withLock { state in
            state.seen.append(Seen(at: .now, sequence: report.sequence, score: report.devices.first?.health.score))
            state.busy += 1
            state.mostBusy = max(state.mostBusy, state.busy)
            return state.away
        }
        defer { state.withLock { $0.busy -= 1 } }
        if away { throw ClientError(.unreachable, "away") }
    }
}

@Suite struct PublisherTests {
    private func run(
        heartbeat: Duration = .seconds(60),
        backOff: BackOff = BackOff(first: .milliseconds(20), most: .milliseconds(80)),
        _ body: (FakeScheduler, NodeState) async throws -> Void
    ) async throws {
        let scheduler = FakeScheduler()
        let state = AgentFixtures.state(scheduler: "http://x")
        let publisher = Publisher(
            state: state, heartbeat: heartbeat, backOff: backOff, logger: AgentFixtures.logger,
            send: { try await scheduler.take($0) }, delivered: { _ in })
        let task = Task { try await publisher.run() }
        defer { task.cancel() }
        try await body(scheduler, state)
    }

    @Test func `a change goes out at once, not with the next heartbeat`() async throws {
        try await run { scheduler, state in
            #expect(await eventually { scheduler.seen.count == 1 })
            await state.set(devices: [AgentFixtures.device()])
            #expect(await eventually { scheduler.seen.count >= 2 })
            let change = ContinuousClock.now
            await state.set(healths: [DeviceID("GPU-a"): DeviceHealth(score: 0, reasons: [])])
            #expect(await eventually { scheduler.seen.last?.score == 0 })
            let arrived = try #require(scheduler.seen.first { $0.score == 0 }).at
            #expect(arrived - change < .seconds(2), "the heartbeat of this test is 60 s")
        }
    }

    @Test func `nothing new still goes out with the heartbeat, and sequence numbers only grow`() async throws {
        try await run(heartbeat: .milliseconds(30)) { scheduler, _ in
            #expect(await eventually { scheduler.seen.count >= 5 })
            let numbers = scheduler.seen.map(\.sequence)
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
        }
    }

    @Test
    func `while the scheduler is away it is asked ever more rarely, one at a time, and gets the latest state back`()
        async throws
    {
        try await run(heartbeat: .milliseconds(5)) { scheduler, state in
            scheduler.set(away: true)
            await state.set(devices: [AgentFixtures.device()])
            for score in 0..<100 {
                await state.set(healths: [DeviceID("GPU-a"): DeviceHealth(score: score, reasons: [])])
            }
            #expect(await eventually { scheduler.seen.count >= 8 })
            let attempts = scheduler.seen.map(\.at)
            let late = zip(attempts.dropFirst(4), attempts.dropFirst(5)).map { $1 - $0 }
            #expect(late.allSatisfy { $0 >= .milliseconds(38) }, "80 ms, half of it taken off at most: \(late)")
            #expect(await state.status().schedulerReachable == false)
            scheduler.set(away: false)
            #expect(await eventually { await state.status().schedulerReachable })
            #expect(await eventually { scheduler.seen.last?.score == 99 })
            #expect(scheduler.mostBusy == 1)
        }
    }

    @Test func `back-off doubles to its cap and starts again after a success`() {
        var generator = SystemRandomNumberGenerator()
        var backOff = BackOff(first: .milliseconds(100), most: .seconds(1))
        for full in [100, 200, 400, 800, 1000, 1000] {
            let pause = backOff.failed(using: &generator)
            #expect(pause <= .milliseconds(full) && pause >= .milliseconds(full / 2))
        }
        for _ in 0..<200 { #expect(backOff.failed(using: &generator) <= .seconds(1)) }
        backOff.succeeded()
        #expect(backOff.failed(using: &generator) <= .milliseconds(100))
    }
}

@Suite struct AssignmentWatcherTests {
    @Test func `the watch resumes by revision, starts over after a failure, and refuses another node's answer`()
        async throws
    {
        let asked = Mutex<[UInt64]>([])
        let applied = Mutex<[UInt64]>([])
        let watcher = AssignmentWatcher(
            node: "n1", backOff: BackOff(first: .milliseconds(5), most: .milliseconds(5)), logger: AgentFixtures.logger,
            fetch: { after, _ in
                let call = asked.withLock {
                    $0.append(after.number); return $0.count
                }
                switch call {
                case 2: throw ClientError(.unreachable, "away")
                case 3: return NodeAssignments(node: "other", revision: Revision(99), workloads: [])
                default: return NodeAssignments(node: "n1", revision: Revision(UInt64(call * 10)), workloads: [])
                }
            }, apply: { answer in applied.withLock { $0.append(answer.revision.number) } })
        let task = Task { try await watcher.run() }
        #expect(await eventually { applied.withLock { $0.count } >= 3 })
        task.cancel()
        #expect(asked.withLock { Array($0.prefix(5)) } == [0, 10, 10, 10, 40])
        #expect(applied.withLock { Array($0.prefix(3)) } == [10, 40, 50])
    }
}
