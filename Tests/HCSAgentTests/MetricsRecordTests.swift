import HCSHealth
import HCSModel
import Testing

@testable import HCSAgent

@Suite struct MetricsRecordTests {
    private let a = DeviceID("a")
    private let b = DeviceID("b")

    private func fault(_ code: UInt32, vendor: Vendor = .nvidia, at now: Int64 = 0, simulated: Bool = false) -> Fault {
        Fault(
            family: "xid", code: code, vendor: vendor, pci: PCIAddress("0000:3b:00.0"), message: "", sequence: nil,
            atMilliseconds: now, simulated: simulated)
    }

    private func counts(_ record: MetricsRecord, _ id: DeviceID) -> [String: UInt64] {
        Dictionary((record.devices[id]?.faults ?? [:]).map { ($0.key.code, $0.value.count) }, uniquingKeysWith: +)
    }

    @Test func `the same code twice is two, the time is the latest, and both devices it touches count it`() {
        var record = MetricsRecord()
        record.faulted(fault(79, at: 2000), devices: [a], faultClass: "hard")
        record.faulted(fault(79, at: 1000), devices: [a, b], faultClass: "hard")
        #expect(counts(record, a) == ["79": 2] && counts(record, b) == ["79": 1])
        #expect(record.devices[a]?.faults.values.first?.lastMilliseconds == 2000)
    }

    @Test func `codes have a bound, and what comes after them is still counted`() {
        var record = MetricsRecord()
        for code in 0..<1000 { record.faulted(fault(UInt32(code)), devices: [a], faultClass: "soft") }
        record.faulted(fault(5000), devices: [a], faultClass: "hard")
        #expect(record.devices[a]?.faults.count == MetricsRecord.maximumCodes + 2)
        #expect(counts(record, a)["other"] == 1001 - UInt64(MetricsRecord.maximumCodes))
        for device in 0..<1000 { record.faulted(fault(1), devices: [DeviceID("\(device)")], faultClass: "soft") }
        #expect(record.devices.count == MetricsRecord.maximumDevices)
    }

    @Test func `Huawei's codes are written as Huawei writes them`() {
        var record = MetricsRecord()
        record.faulted(fault(0x80E0_1801, vendor: .ascend), devices: [a], faultClass: "soft")
        #expect(counts(record, a) == ["0x80E01801": 1])
    }

    @Test func `coverage is of the last five minutes, from the device's arrival on, and a lost device covers nothing`()
    {
        var record = MetricsRecord()
        func pass(_ seconds: Int64, _ ids: [DeviceID], _ samples: [DeviceID: DeviceSample]) {
            record.collected(devices: ids, samples: samples, seconds: 0.01, at: seconds * 1000)
        }
        for second in 0..<100 { pass(Int64(second), [a], [a: DeviceSample()]) }
        #expect(record.devices[a]?.coverage == 1)
        for second in 100..<200 { pass(Int64(second), [a, b], [b: DeviceSample()]) }
        #expect(record.devices[a]?.coverage == 0.5)
        #expect(record.devices[b]?.coverage == 1)
        #expect(record.devices[a]?.lastSampleMilliseconds == 99_000)
        for second in 200..<500 {
            pass(Int64(second), [a, b], [a: DeviceSample(), b: DeviceSample(vendorHealth: .lost)])
        }
        #expect(record.devices[a]?.coverage == 1, "what is older than five minutes is forgotten")
        #expect(record.devices[b]?.coverage == 0)
        pass(50, [a], [:])
        #expect(record.devices[a]?.coverage == 0, "a clock that was set back starts anew")
    }

    @Test func `a fault that the library tells before the log's line is one`() {
        var record = MetricsRecord()
        record.told(fault(79, at: 100_000), devices: [a], faultClass: "hard")
        record.faulted(fault(79, at: 99_990), devices: [a], faultClass: "hard")
        #expect(counts(record, a) == ["79": 1])
        record.faulted(fault(79, at: 99_995), devices: [a], faultClass: "hard")
        #expect(counts(record, a) == ["79": 2], "a second line is a second fault")
        record.told(fault(48, at: 100_000), devices: [a], faultClass: "hard")
        record.faulted(fault(48, at: 110_000), devices: [a], faultClass: "hard")
        record.faulted(fault(48, at: 100_000 - 200_000), devices: [a], faultClass: "hard")
        record.faulted(fault(63, at: 99_990), devices: [a], faultClass: "soft")
        record.faulted(fault(48, at: 99_990), devices: [b], faultClass: "hard")
        #expect(counts(record, a) == ["79": 2, "48": 3, "63": 1], "later, much older, or another code: not the same")
        #expect(counts(record, b) == ["48": 1])
        record.told(fault(48, at: .min), devices: [b], faultClass: "hard")
        record.faulted(fault(48, at: .max), devices: [b], faultClass: "hard")
        #expect(counts(record, b) == ["48": 3])
    }

    @Test func `each new line of the log counts, and no old one; a library's word counts where the log was silent`()
        throws
    {
        let policy = try Agent.healthPolicy(at: "/nonexistent/policy")
        let recorder = MetricsRecorder { policy.faultClass(of: $0) }
        var device = AgentFixtures.device("a")
        device.pci = PCIAddress("0000:3b:00.0")
        func log(_ fault: Fault, _ outcome: HealthAnalyzer.FaultOutcome, isHistory: Bool = false) {
            recorder.logged(fault, outcome, devices: [device, AgentFixtures.device("b")], isHistory: isHistory)
        }
        log(fault(79), .counted([a]), isHistory: true)
        #expect(recorder.record == MetricsRecord())
        log(fault(79), .counted([a]))
        log(fault(79), .duplicate)
        log(fault(13), .notDeviceFault)
        log(fault(13, simulated: true), .notDeviceFault)
        log(fault(79), .unmatched)
        recorder.told(fault(79), .duplicate)
        recorder.told(fault(63), .counted([a]))
        #expect(counts(recorder.record, a) == ["79": 2, "13": 1, "63": 1])
        #expect(recorder.record.devices[b] == nil)
        #expect(recorder.record.unmatched == [.nvidia: 1])
        let classes = Set(recorder.record.devices[a]?.faults.keys.map { "\($0.code) \($0.faultClass)" } ?? [])
        #expect(classes == ["79 hard", "13 none", "63 soft"])
    }
}
