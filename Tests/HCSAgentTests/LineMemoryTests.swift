import HCSModel
import HCSProbe
import HCSSystem
import Testing

@testable import HCSAgent

@Suite struct LineMemoryTests {
    private func event(
        _ text: String, sequence: UInt64 = 1, facility: UInt32 = 0, simulated: Bool = false, isHistory: Bool = false
    ) -> KernelLogEvent {
        KernelLogEvent(
            record: KernelLogRecord(
                sequence: sequence, monotonicMicroseconds: 0, facility: facility, level: 3, text: text),
            seenMonotonicNanoseconds: 0, atMilliseconds: Int64(sequence) * 10, via: .polling, isHistory: isHistory,
            simulated: simulated)
    }

    private let xid = "NVRM: Xid (PCI:0000:3b:00): 31, pid=4711, name=python, MMU fault"

    @Test func `a line read again is the same fault with its own number, time and origin`() throws {
        var memory = LineMemory()
        for event in [
            event(xid), event(xid, sequence: 2), event(xid, sequence: 3, simulated: true, isHistory: true),
        ] {
            let reading = memory.read(event, trustUserKmsg: false)
            let read = try #require(reading)
            #expect(read.fault == FaultParser.fault(in: event, trustUserKmsg: false))
            #expect(read.pid == 4711 && read.isHistory == event.isHistory)
        }
    }

    @Test func `a known line that user space wrote counts only when that is trusted`() {
        var memory = LineMemory()
        let kernels = memory.read(event(xid), trustUserKmsg: false)
        let untrusted = memory.read(event(xid, facility: 1), trustUserKmsg: false)
        let trusted = memory.read(event(xid, facility: 1), trustUserKmsg: true)
        #expect(kernels != nil && untrusted == nil && trusted != nil)
    }

    @Test func `more lines than it holds are read all the same, and another line is no fault`() {
        var memory = LineMemory()
        for number in 1...(2 * LineMemory.limit) {
            let read = memory.read(event("NVRM: Xid (PCI:0000:3b:00): \(number)"), trustUserKmsg: false)
            #expect(read?.fault.code == UInt32(number) && read?.pid == nil)
        }
        let other = memory.read(event("usb 1-1: new device"), trustUserKmsg: false)
        #expect(other == nil)
    }
}
