import HCSDevice
import HCSModel
import Testing

@Suite struct WorkerLifecycleTests {
    private let start = SuspendingClock.now
    private func at(_ seconds: Double) -> SuspendingClock.Instant { start + .seconds(seconds) }

    @Test func `a first worker may start at once, and no second beside it`() {
        var life = WorkerLifecycle(timing: WorkerTiming())
        #expect(life.mayStart(now: start))
        life.starting()
        life.started(now: start)
        #expect(life.state == .running && !life.mayStart(now: at(1000)) && life.restarts == 0)
    }

    @Test func `missed deadlines are counted until a sample comes in time`() {
        var life = WorkerLifecycle(timing: WorkerTiming())
        life.started(now: start)
        life.missedDeadline("late", now: start)
        #expect(life.state == .hung && life.missedDeadlines == 1 && life.reason == "late")
        life.starting()
        life.started(now: at(1))
        #expect(life.missedDeadlines == 1, "a start is no sample")
        life.missedDeadline("late", now: at(2))
        #expect(life.missedDeadlines == 2)
        life.starting()
        life.started(now: at(5))
        life.sampled(now: at(5))
        #expect(life.missedDeadlines == 0 && life.state == .running && life.reason == nil)
    }

    @Test func `the wait doubles from half a second to a minute, and is earned back by a stable run`() {
        var life = WorkerLifecycle(timing: WorkerTiming())
        var now = 0.0
        for wait in [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60] {
            life.starting()
            life.started(now: at(now))
            life.crashed("signal", now: at(now))
            #expect(!life.mayStart(now: at(now + wait - 0.001)), "\(wait)")
            #expect(life.mayStart(now: at(now + wait)), "\(wait)")
            now += wait
        }
        #expect(life.restarts == 9)
        life.starting()
        life.started(now: at(now))
        life.sampled(now: at(now + 60))
        life.crashed("signal", now: at(now + 61))
        #expect(life.mayStart(now: at(now + 61.5)))
    }

    @Test func `many failures do not overflow the wait`() {
        let life = WorkerLifecycle(timing: WorkerTiming())
        #expect(life.backOff(Int.max) == .seconds(60))
    }

    @Test func `a library that does not start is tried after a minute, then ever less often, and costs no back-off`() {
        var life = WorkerLifecycle(timing: WorkerTiming())
        life.starting()
        life.absent("no driver", isThere: true, now: start)
        life.waited()
        #expect(life.state == .absent && life.reason == "no driver")
        #expect(!life.mayStart(now: at(59)) && life.mayStart(now: at(60)))
        life.absent("no driver", isThere: true, now: start)
        #expect(!life.mayStart(now: at(119)) && life.mayStart(now: at(120)))
        for _ in 0..<100 { life.absent("no driver", isThere: true, now: start) }
        #expect(!life.mayStart(now: at(299)) && life.mayStart(now: at(300)))
        life.started(now: start)
        life.absent("no driver", isThere: true, now: start)
        #expect(life.mayStart(now: at(60)))
    }

    @Test func `a library that is not there may be looked for each minute`() {
        var life = WorkerLifecycle(timing: WorkerTiming())
        for _ in 0..<10 { life.absent("not found", isThere: false, now: start) }
        #expect(life.state == .absent && !life.mayStart(now: at(59)) && life.mayStart(now: at(60)))
    }

    @Test func `nothing is started beside a stuck worker, and it stays hung until it is gone`() {
        var life = WorkerLifecycle(timing: WorkerTiming())
        life.started(now: start)
        life.missedDeadline("late", now: start)
        life.stuck(true)
        life.waited()
        #expect(life.state == .hung && !life.mayStart(now: at(10_000)))
        life.stuck(false)
        life.waited()
        #expect(life.state == .backingOff && life.mayStart(now: at(10_000)))
    }

    @Test func `a stale library is opened anew at once, and with a wait if that does not help`() {
        var worker = WorkerLifecycle(timing: WorkerTiming())
        worker.starting()
        worker.started(now: start)
        worker.stale("the driver was reloaded", now: at(61))
        #expect(worker.state == .crashed && worker.reason == "the driver was reloaded")
        #expect(worker.mayStart(now: at(61)))
        worker.starting()
        worker.started(now: at(61))
        worker.stale("the driver was reloaded", now: at(62))
        #expect(!worker.mayStart(now: at(62)))
        #expect(worker.mayStart(now: at(63)))
    }
}
