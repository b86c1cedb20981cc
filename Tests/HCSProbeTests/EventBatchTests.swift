import HCSModel
import HCSTestSupport
import Testing

@testable import HCSProbe

@Suite struct EventBatchTests {
    func event(_ message: String, at time: UInt64, count: UInt64 = 1) -> ProbeEvent {
        .host(
            HostEvent(
                .pcieError, seen: Sighting(monotonicNanoseconds: time, atMilliseconds: 1, via: .bpf),
                severity: .warning, count: count, message: message))
    }

    @Test func `like events become one with their number, at the time of the first`() {
        var batch = EventBatch()
        for time in 1...1000 { batch.add(event("a", at: UInt64(time))) }
        batch.add(event("b", at: 5))
        batch.add(event("a", at: 2000, count: .max))
        #expect(batch.take() == [event("a", at: 1, count: .max), event("b", at: 5)])
        #expect(batch.take().isEmpty)
        batch.add(event("a", at: 7))
        batch.add(event("a", at: 8))
        #expect(batch.take() == [event("a", at: 7, count: 2)])
    }
}
