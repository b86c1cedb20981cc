import HCSModel
import HCSPlacement
import Testing

// Swift Testing has an ExitStatus of its own.
private typealias ExitStatus = HCSModel.ExitStatus

@Suite struct ReconcilerTests {
    private func running(_ restart: RestartPolicy = .onDeviceFault, on device: String = "gpu-a") throws
        -> WorkloadRecord
    {
        let id = try #require(WorkloadID("00000000-0000-4000-8000-000000000001"))
        let spec = WorkloadSpec(name: "w", command: ["x"], runtime: .cuda, vram: .gibibytes(1), restart: restart)
        var record = WorkloadRecord(id: id, spec: spec, createdMilliseconds: 0)
        record = Reconciler.placed(record, on: placement(device), now: 10)
        return observe(record, isRunning: true, now: 20)
    }

    private func placement(_ device: String, node: String = "n1") -> PlacementCycle.Placement {
        .init(node: node, grants: [DeviceGrant(device: DeviceID(device), vendor: .nvidia, quota: .gibibytes(1))])
    }

    private func observe(
        _ record: WorkloadRecord, attempt: Int = 1, isRunning: Bool = false, exit: ExitStatus? = nil,
        node: String = "n1",
        fault: String? = nil, now: Int64 = 100
    ) -> WorkloadRecord {
        Reconciler.observe(
            record, .init(node: node, attempt: attempt, isRunning: isRunning, hasEnded: exit != nil, exit: exit),
            faulty: { _ in fault }, now: now)
    }

    @Test func `queued, assigned, running, succeeded`() throws {
        let record = try running()
        #expect(record.phase == .running)
        #expect(observe(record, exit: ExitStatus(code: 0)).phase == .succeeded)
    }

    @Test func `what another node or another attempt reports changes nothing`() throws {
        let record = try running()
        #expect(observe(record, attempt: 2, exit: ExitStatus(code: 1)) == record)
        #expect(observe(record, exit: ExitStatus(code: 1), node: "n2") == record)
    }

    @Test func `a failure ends it by default, and starts it again after a growing wait under on-failure`() throws {
        #expect(observe(try running(), exit: ExitStatus(signal: 9)).phase == .failed)
        let again = observe(try running(.onFailure), exit: ExitStatus(code: 1))
        #expect(again.phase == .queued)
        #expect(again.notBeforeMilliseconds == 1100)
        #expect(again.grants.isEmpty)
        #expect((1...30).map { Reconciler.backoff(failures: $0) }.max() == 300_000)
    }

    @Test func `what an agent refused is planned again after a wait, whatever the policy`() throws {
        let refused = Reconciler.observe(
            try running(.never),
            .init(
                node: "n1", attempt: 1, isRunning: false, hasEnded: true, exit: ExitStatus(error: "does not fit"),
                wasRefused: true),
            faulty: { _ in nil }, now: 100)
        #expect(refused.phase == .queued)
        #expect(refused.notBeforeMilliseconds == 1100)
        #expect(refused.message == "refused by n1, planned again: does not fit")
    }

    @Test func `off a faulty device it moves, and the new attempt waits for the end of the old`() throws {
        let moved = Reconciler.deviceFault(try running(), device: DeviceID("gpu-a"), reason: "xid 79", now: 50)
        #expect(moved.phase == .queued)
        #expect(moved.previous == .init(node: "n1", attempt: 1, grants: placement("gpu-a").grants))
        let placed = Reconciler.placed(moved, on: placement("gpu-b"), now: 51)
        #expect(placed.attempt == 2)
        #expect(placed.events.last?.kind == .moved)
        let drained = observe(placed, attempt: 1, exit: ExitStatus(signal: 15))
        #expect(drained.previous == nil)
        #expect(drained.phase == .assigned)
    }

    @Test func `a second fault before the old attempt ended still waits for that old attempt`() throws {
        let moved = Reconciler.deviceFault(try running(), device: DeviceID("gpu-a"), reason: "xid 79", now: 50)
        let placed = Reconciler.placed(moved, on: placement("gpu-b"), now: 51)
        let again = Reconciler.deviceFault(placed, device: DeviceID("gpu-b"), reason: "xid 48", now: 52)
        #expect(again.phase == .queued)
        #expect(again.previous?.attempt == 1)
    }

    @Test func `policy never leaves it alone and tells`() throws {
        let record = Reconciler.deviceFault(try running(.never), device: DeviceID("gpu-a"), reason: "xid 79", now: 50)
        #expect(record.phase == .running)
        #expect(record.events.last?.kind == .deviceFault)
    }

    @Test func `one that the fault killed before the fault was known is revived, but not long after`() throws {
        let failed = observe(try running(), exit: ExitStatus(code: 1), now: 100)
        #expect(failed.phase == .failed)
        #expect(Reconciler.deviceFault(failed, device: DeviceID("gpu-a"), reason: "x", now: 200).phase == .queued)
        #expect(Reconciler.deviceFault(failed, device: DeviceID("gpu-a"), reason: "x", now: 40_000).phase == .failed)
        #expect(observe(try running(), exit: ExitStatus(code: 1), fault: "xid 79").phase == .queued)
    }

    @Test func `deleting a running one waits for its end; deleting a queued one does not`() throws {
        let stopping = Reconciler.delete(try running(), now: 60)
        #expect(stopping.phase == .stopping)
        #expect(observe(stopping, exit: ExitStatus(signal: 15)).phase == .deleted)
        let moved = Reconciler.deviceFault(try running(), device: DeviceID("gpu-a"), reason: "xid 79", now: 50)
        #expect(Reconciler.delete(moved, now: 60).phase == .deleted)
    }

    @Test func `events are bounded`() throws {
        var record = try running()
        for i in 0..<500 { record.note(.refused, "\(i)", at: Int64(i)) }
        #expect(record.events.count == WorkloadRecord.maximumEvents)
        #expect(record.events.last?.message == "499")
    }
}
