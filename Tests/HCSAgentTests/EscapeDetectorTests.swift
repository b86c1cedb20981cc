import HCSAgent
import HCSModel
import Testing

@Suite struct EscapeDetectorTests {
    private typealias Sighting = EscapeDetector.Sighting
    private let device = DeviceID("GPU-a")
    private let workload = AgentFixtures.id(1)

    private func sighting(
        _ driver: ByteCount, used: ByteCount? = nil, overhead: ByteCount = .zero, simulated: Bool = true, pid: Int32 = 7
    ) -> EscapeDetector.Sighting {
        EscapeDetector.Sighting(
            device: device, simulated: simulated, pid: pid, startTime: 1, driverBytes: driver,
            claim: used.map { EscapeDetector.Claim(workload: workload, used: $0, overhead: overhead) })
    }

    @Test func `a process in no segment is an escape in its second sample, told once`() {
        var detector = EscapeDetector()
        #expect(detector.record([sighting(.gibibytes(1))], of: [device], at: 1).isEmpty)
        #expect(detector.current.isEmpty)
        let begun = detector.record([sighting(.gibibytes(2))], of: [device], at: 2)
        #expect(begun.map(\.kind) == [.unmanaged])
        #expect(begun.first?.bytes == .gibibytes(2))
        #expect(begun.first?.sinceMilliseconds == 1)
        #expect(detector.record([sighting(.gibibytes(2))], of: [device], at: 3).isEmpty)
        #expect(detector.current.map(\.pid) == [7])
        #expect(detector.totals == [EscapeCount(device: device, kind: .unmanaged, count: 1)])
    }

    @Test func `one sample without it begins the count anew, a device without a sample does not`() {
        var detector = EscapeDetector()
        _ = detector.record([sighting(.gibibytes(1))], of: [device], at: 1)
        _ = detector.record([], of: [device], at: 2)
        #expect(detector.record([sighting(.gibibytes(1))], of: [device], at: 3).isEmpty)
        _ = detector.record([], of: [], at: 4)
        #expect(detector.record([sighting(.gibibytes(1))], of: [device], at: 5).count == 1)
        _ = detector.record([], of: [device], at: 6)
        #expect(detector.current.isEmpty, "it is over")
        #expect(detector.totals.map(\.count) == [1], "and stays counted")
    }

    @Test func `another process with the same pid begins anew`() {
        var detector = EscapeDetector()
        var second = sighting(.gibibytes(1))
        second.startTime = 2
        _ = detector.record([sighting(.gibibytes(1))], of: [device], at: 1)
        #expect(detector.record([second], of: [device], at: 2).isEmpty)
    }

    static let surpluses:
        [(driver: ByteCount, used: ByteCount?, overhead: ByteCount, simulated: Bool, surplus: ByteCount?)] = [
            (.mebibytes(64), nil, .zero, true, nil),
            (.mebibytes(65), nil, .zero, true, .mebibytes(65)),
            (.gibibytes(1), .gibibytes(1), .zero, true, nil),
            (.mebibytes(1088), .gibibytes(1), .zero, true, nil),
            (.mebibytes(1089), .gibibytes(1), .zero, true, .mebibytes(65)),
            // 2 % of what the driver counts, from 3200 MiB on more than 64 MiB.
            (.mebibytes(10_200), .mebibytes(10_000), .zero, true, nil),
            (.mebibytes(10_205), .mebibytes(10_000), .zero, true, .mebibytes(205)),
            // A measured context explains; one that nobody measured is allowed for on a real device only.
            (.mebibytes(1400), .gibibytes(1), .mebibytes(376), false, nil),
            (.mebibytes(1400), .gibibytes(1), .zero, false, nil),
            (.mebibytes(1400), .gibibytes(1), .zero, true, .mebibytes(376)),
            (.mebibytes(1600), .gibibytes(1), .mebibytes(376), false, .mebibytes(200)),
            (.mebibytes(2200), .gibibytes(1), .zero, false, .mebibytes(152)),
            (.mebibytes(500), nil, .zero, false, .mebibytes(500)),
            // Figures of a hostile segment do not wrap.
            (.gibibytes(1), ByteCount(.max), ByteCount(.max), true, nil),
            (ByteCount(.max), .zero, .zero, true, ByteCount(.max)),
        ]

    @Test(arguments: surpluses.indices) func `what is not explained is told from rounding`(index: Int) {
        let row = Self.surpluses[index]
        #expect(
            sighting(row.driver, used: row.used, overhead: row.overhead, simulated: row.simulated).surplus
                == row.surplus)
    }

    @Test func `a changed limit counts at once, is shown for a minute, and its kind is its own`() {
        var detector = EscapeDetector()
        let change = EscapeDetector.LimitChange(
            workload: workload, device: device, found: .gibibytes(80), right: .gibibytes(8))
        let begun = detector.record([], of: [device], limitChanges: [change], at: 1000)
        #expect(begun.map(\.kind) == [.limitChanged])
        #expect(begun.first?.bytes == .gibibytes(72))
        _ = detector.record([], of: [device], at: 60_999)
        #expect(detector.current.count == 1)
        _ = detector.record([], of: [device], at: 61_000)
        #expect(detector.current.isEmpty)
    }

    @Test func `a thousand escapes are counted, and the largest are shown`() {
        var detector = EscapeDetector()
        let crowd = (1...1000).map { sighting(.gibibytes(UInt64($0)), pid: Int32($0)) }
        for now in 1...2 { _ = detector.record(crowd, of: [device], at: Int64(now)) }
        #expect(detector.current.count == EscapeDetector.maximum)
        #expect(detector.current.first?.pid == 1000)
        #expect(detector.totals.map(\.count) == [1000])
    }

    private static let policies: [(EscapePolicy, Escape.Kind, uid: UInt32?, submitted: Bool, ends: Bool)] = [
        (.report, .unmanaged, 1000, true, false), (.ignore, .unmanaged, 1000, true, false),
        (.terminate, .unmanaged, 1000, true, true), (.terminate, .unmanaged, 0, true, true),
        (.terminate, .unmanaged, 1000, false, true), (.terminate, .unmanaged, 0, false, false),
        (.terminate, .unmanaged, nil, false, false), (.terminate, .overSegment, 1000, true, true),
        (.terminate, .overSegment, 1000, false, false), (.terminate, .limitChanged, nil, true, true),
        (.terminate, .limitChanged, nil, false, false),
    ]

    @Test(arguments: policies.indices) func `terminate ends what is ours to end and never root's own`(index: Int) {
        let (policy, kind, uid, submitted, ends) = Self.policies[index]
        let escape = Escape(kind: kind, device: device, bytes: .gibibytes(1), pid: 7, uid: uid, sinceMilliseconds: 0)
        #expect(policy.ends(escape, isSubmitted: submitted) == ends)
    }
}
