import HCSAgent
import HCSHealth
import HCSModel
import HCSProbe
import HCSSystem
import Testing

@Suite struct FaultLogTests {
    private let lines = KeptLines()
    private var log: FaultLog { FaultLog(logger: lines.logger) }

    private func fault(_ code: UInt32, _ record: String = "NVRM: Xid") -> Fault {
        Fault(
            family: "xid", code: code, vendor: .nvidia, pci: nil, message: "", record: record, sequence: nil,
            atMilliseconds: 0, simulated: false)
    }

    private func event(_ severity: HostEvent.Severity, pid: Int32? = nil, _ message: String = "m") -> HostEvent {
        HostEvent(
            .holderExit, seen: Sighting(monotonicNanoseconds: 0, atMilliseconds: 0, via: .polling), severity: severity,
            pid: pid, message: message)
    }

    @Test func `of a storm the first line is logged, then one a minute with how many were left out`() {
        let log = log
        for tick in Int64(0)..<600 { log.tell(fault(31, "line \(tick)"), .unmatched, at: tick * 200) }
        #expect(
            lines.texts == [
                "warning xid 31 on no device known here: line 0",
                "warning xid 31 on no device known here: line 300 (299 more like it were not logged)",
            ])
        log.tell(fault(31, "later"), .unmatched, at: 1_000_000)
        #expect(lines.texts.last?.hasSuffix("later (299 more like it were not logged)") == true)
        log.tell(fault(31, "again"), .unmatched, at: 1_060_000)
        #expect(lines.texts.last == "warning xid 31 on no device known here: again")
    }

    @Test func `a storm of one code hides no other code, device, outcome or process`() {
        let log = log
        let (a, b) = (DeviceID("GPU-a"), DeviceID("GPU-b"))
        for now in Int64(0)..<3 {
            log.tell(fault(31), .unmatched, at: now)
            log.tell(fault(79), .unmatched, at: now)
            log.tell(fault(31), .notDeviceFault, at: now)
            log.tell(fault(31), .counted([a]), at: now)
            log.tell(fault(31), .counted([b]), at: now)
            log.tell(fault(31), .duplicate, at: now)
            log.tell(event(.warning, pid: 1), at: now)
            log.tell(event(.warning, pid: 2), at: now)
            log.tell(event(.info, pid: 3), at: now)
        }
        #expect(
            lines.texts.filter { !$0.hasPrefix("debug") } == [
                "warning xid 31 on no device known here: NVRM: Xid",
                "warning xid 79 on no device known here: NVRM: Xid",
                "info xid 31, which is no fault of a device: NVRM: Xid",
                "warning xid 31 on GPU-a: NVRM: Xid",
                "warning xid 31 on GPU-b: NVRM: Xid",
                "warning holder-exit: m",
                "warning holder-exit: m",
            ])
    }

    @Test func `more kinds than are kept apart share a line a minute, until there is room`() {
        let log = log
        for code in 0..<UInt32(10 * FaultLog.limit) { log.tell(fault(code), .unmatched, at: 0) }
        #expect(lines.texts.count == FaultLog.limit + 1)
        log.tell(fault(99_999), .unmatched, at: FaultLog.intervalMilliseconds)
        log.tell(fault(99_998), .unmatched, at: FaultLog.intervalMilliseconds)
        #expect(lines.texts.count == FaultLog.limit + 3)
    }
}
