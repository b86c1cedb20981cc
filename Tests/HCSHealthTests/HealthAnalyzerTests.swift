import HCSHealth
import HCSModel
import Testing

private let start = HealthFixtures.start
private let card = DeviceID("GPU-1")

@Suite struct HealthAnalyzerTests {
    private func health(_ analyzer: HealthAnalyzer, at now: Int64 = start, of id: DeviceID = card) throws
        -> DeviceHealth
    {
        try #require(analyzer.evaluate(at: now)[id])
    }

    @Test func `a device with a good sample scores 100 and gives no reasons`() throws {
        let result = try health(HealthFixtures.analyzer([HealthFixtures.device("GPU-1")]))
        #expect(result == DeviceHealth(score: 100, reasons: []))
        #expect(result.band == .healthy)
    }

    @Test(arguments: [
        (40.0, 100), (80.0, 100), (82.0, 95), (85.0, 88), (90.0, 75), (140.0, 75), (-40.0, 100), (.nan, 100),
    ])
    func `temperature lowers the score in proportion between warn and bad`(celsius: Double, score: Int) throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        analyzer.record(DeviceSample(temperatureCelsius: celsius), for: card, at: start)
        #expect(try health(analyzer).score == score)
    }

    @Test func `a vendor whose cap is 0 is not judged by temperature`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("DCU-1", vendor: .hygon)])
        analyzer.record(DeviceSample(temperatureCelsius: 120), for: DeviceID("DCU-1"), at: start)
        #expect(try health(analyzer, of: DeviceID("DCU-1")).score == 100)
    }

    @Test(arguments: [
        (DeviceSample.VendorHealth.good, 100, HealthBand.healthy), (.warning, 80, .degraded), (.critical, 0, .failed),
        (.lost, 0, .failed),
    ])
    func `the vendor's own verdict counts`(state: DeviceSample.VendorHealth, score: Int, band: HealthBand) throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        analyzer.record(DeviceSample(vendorHealth: state), for: card, at: start)
        let result = try health(analyzer)
        #expect(result.score == score)
        #expect(result.band == band)
    }

    @Test func `critical goes when the vendor takes it back, lost stays`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        analyzer.record(DeviceSample(vendorHealth: .critical), for: card, at: start)
        analyzer.record(DeviceSample(vendorHealth: .good), for: card, at: start + 1000)
        #expect(try health(analyzer, at: start + 1000).score == 100)
        analyzer.record(DeviceSample(vendorHealth: .lost), for: card, at: start + 2000)
        analyzer.record(DeviceSample(vendorHealth: .good), for: card, at: start + 3000)
        let result = try health(analyzer, at: start + 3000)
        #expect(result.score == 0)
        #expect(result.reasons.map(\.factor) == ["vendor-health"])
        #expect(result.reasons.first?.sinceMilliseconds == start + 2000)
    }

    @Test func `a hard code is zero with its reason, whatever else is known`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        #expect(analyzer.record(HealthFixtures.fault(79, sequence: 7)) == .counted([card]))
        let result = try health(analyzer)
        #expect(result.score == 0)
        #expect(result.band == .failed)
        #expect(
            result.reasons == [
                HealthReason(
                    factor: "xid", penalty: 1, detail: "Xid 79: message of 79", source: "kernel-log",
                    sinceMilliseconds: start, code: "nvidia/xid/79", advice: "reboot",
                    authority: "NVIDIA Xid catalogue 2025-10-29; gpud Fatal:RebootSystem; DCGM 4.6 FAIL")
            ])
        #expect(try health(analyzer, at: start + 365 * 86_400_000).score == 0)
        #expect(analyzer.record(HealthFixtures.fault(48, message: "")) == .counted([card]))
        #expect(
            try health(analyzer).reasons.contains { $0.detail.hasPrefix("Xid 48: Double Bit ECC Error") },
            "where the driver says no more, the catalogue does")
    }

    @Test(arguments: [
        ("0000:3b:00.0", true), ("0000:3b:00", true), ("0000:3b:00.7", true), ("0001:3b:00.0", false),
        ("0000:3c:00.0", false), ("0000:3b:01.0", false),
    ])
    func `a fault matches by domain, bus and device, never by function`(address: String, matches: Bool) throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        let outcome = analyzer.record(HealthFixtures.fault(79, pci: address))
        #expect(outcome == (matches ? .counted([card]) : .unmatched))
        #expect(try health(analyzer).score == (matches ? 0 : 100))
    }

    @Test func `a fault without an address is every device's of its vendor and nobody else's`() throws {
        var analyzer = HealthFixtures.analyzer([
            HealthFixtures.device("GPU-1"), HealthFixtures.device("GPU-2", pci: "0000:5e:00.0"),
            HealthFixtures.device("NPU-1", pci: nil, vendor: .ascend),
        ])
        #expect(analyzer.record(HealthFixtures.fault(79, pci: nil)) == .counted([card, DeviceID("GPU-2")]))
        #expect(try health(analyzer, of: DeviceID("NPU-1")).score == 100)
    }

    @Test func `a simulated record never touches a real device`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        #expect(analyzer.record(HealthFixtures.fault(79, simulated: true)) == .unmatched)
        #expect(try health(analyzer).score == 100)
        var simulated = HealthFixtures.analyzer([HealthFixtures.device("GPU-1", simulated: true)])
        #expect(simulated.record(HealthFixtures.fault(79, simulated: true)) == .counted([card]))
        #expect(try health(simulated).reasons.map(\.detail) == ["Xid 79: message of 79 (simulated)"], "and says so")
    }

    @Test func `a record counts once`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        #expect(analyzer.record(HealthFixtures.fault(94, sequence: 7)) == .counted([card]))
        #expect(analyzer.record(HealthFixtures.fault(94, sequence: 7)) == .duplicate)
        #expect(try health(analyzer).score == 75)
        #expect(analyzer.record(HealthFixtures.fault(94, sequence: 8)) == .counted([card]))
        #expect(try health(analyzer).score == 50)
    }

    @Test(arguments: [43, 106, 1_000_000]) func `a code that is no device's fault changes nothing`(code: UInt32) throws
    {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        #expect(analyzer.record(HealthFixtures.fault(code)) == .notDeviceFault)
        #expect(analyzer.record(HealthFixtures.fault(79, family: "other")) == .notDeviceFault)
        #expect(analyzer.record(HealthFixtures.fault(79, vendor: .hygon)) == .notDeviceFault)
        #expect(try health(analyzer).score == 100)
    }

    @Test func `soft codes are capped, decay by half in a half-life, and add up in their group`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        for sequence in 0..<10 { _ = analyzer.record(HealthFixtures.fault(94, sequence: UInt64(sequence))) }
        #expect(try health(analyzer).score == 40)
        var one = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        _ = one.record(HealthFixtures.fault(94))
        one.record(DeviceSample(), for: card, at: start + 1_000_000)
        let reason = try #require(try health(one, at: start + 1_000_000).reasons.first)
        #expect(abs(reason.penalty - 0.125) < 1e-9)
    }

    @Test func `an old sample means unknown, not zero; a hard fault stays zero`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        #expect(try health(analyzer, at: start + 60_000).score == 100)
        let stale = try health(analyzer, at: start + 60_001)
        #expect(stale.score == nil)
        #expect(stale.band == .unknown)
        #expect(stale.reasons.map(\.factor) == ["coverage"])
        _ = analyzer.record(HealthFixtures.fault(79))
        #expect(try health(analyzer, at: start + 60_001).score == 0)
    }

    @Test func `a device that nobody sampled yet is unknown`() throws {
        var analyzer = HealthAnalyzer(policy: HealthFixtures.policy, bootID: HealthFixtures.boot)
        analyzer.update(devices: [HealthFixtures.device("GPU-1")], at: start)
        #expect(try health(analyzer).band == .unknown)
    }

    @Test func `three missed deadlines in a row are a hard fault until an answer comes, for that vendor only`() throws {
        var analyzer = HealthFixtures.analyzer([
            HealthFixtures.device("GPU-1"), HealthFixtures.device("NPU-1", pci: nil, vendor: .ascend),
        ])
        analyzer.record(missedDeadlines: 0, vendor: .nvidia, simulated: false, at: start)
        analyzer.record(missedDeadlines: 1, vendor: .nvidia, simulated: false, at: start)
        #expect(try health(analyzer).score == 90)
        analyzer.record(missedDeadlines: 2, vendor: .nvidia, simulated: false, at: start)
        #expect(try health(analyzer).score == 80)
        analyzer.record(missedDeadlines: 3, vendor: .nvidia, simulated: false, at: start)
        let failed = try health(analyzer)
        #expect(failed.score == 0)
        #expect(failed.reasons.map(\.factor) == ["unresponsive"])
        #expect(try health(analyzer, of: DeviceID("NPU-1")).score == 100)
        analyzer.record(DeviceSample(), for: card, at: start)
        #expect(try health(analyzer).score == 70)
        #expect(try health(analyzer, at: start + 60_000).band == .degraded)
    }

    @Test func `an answer between two misses starts the count again`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        analyzer.record(missedDeadlines: 2, vendor: .nvidia, simulated: false, at: start)
        analyzer.record(DeviceSample(), for: card, at: start)
        analyzer.record(missedDeadlines: 4, vendor: .nvidia, simulated: false, at: start)
        #expect(try health(analyzer).score != 0)
    }

    @Test func `a count that an answer sets back is understood too, and the simulated worker's is its own`() throws {
        var analyzer = HealthFixtures.analyzer([
            HealthFixtures.device("GPU-1"), HealthFixtures.device("GPU-2", pci: "0000:5e:00.0", simulated: true),
        ])
        for count: UInt64 in [1, 2, 0, 1, 2] {
            analyzer.record(missedDeadlines: count, vendor: .nvidia, simulated: true, at: start)
            analyzer.record(missedDeadlines: 0, vendor: .nvidia, simulated: false, at: start)
        }
        #expect(try health(analyzer, of: DeviceID("GPU-2")).score != 0)
        analyzer.record(missedDeadlines: 3, vendor: .nvidia, simulated: true, at: start)
        #expect(try health(analyzer, of: DeviceID("GPU-2")).score == 0)
        #expect(try health(analyzer).score == 100)
    }

    @Test func `latches and counted records survive a restart of the agent`() throws {
        var first = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        _ = first.record(HealthFixtures.fault(79, sequence: 7))
        _ = first.record(HealthFixtures.fault(94, sequence: 8))
        var second = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")], state: first.state)
        #expect(try health(second).score == 0)
        #expect(second.record(HealthFixtures.fault(94, sequence: 8)) == .duplicate)
        #expect(second.state == first.state)
    }

    @Test func `after a reboot the record numbers start again and the latch stays`() throws {
        var first = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        _ = first.record(HealthFixtures.fault(79, sequence: 7))
        var rebooted = HealthAnalyzer(policy: HealthFixtures.policy, bootID: "boot-b", state: first.state)
        rebooted.update(devices: [HealthFixtures.device("GPU-1")], at: start)
        #expect(rebooted.record(HealthFixtures.fault(94, sequence: 7)) == .counted([card]))
        #expect(try health(rebooted).score == 0)
    }

    @Test func `a latch follows a card that moves to another slot, and one that was away`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        _ = analyzer.record(HealthFixtures.fault(79))
        analyzer.update(devices: [], at: start)
        #expect(analyzer.evaluate(at: start).isEmpty)
        #expect(analyzer.state.entries.map(\.device) == [card])
        analyzer.update(devices: [HealthFixtures.device("GPU-1", pci: "0000:99:00.0")], at: start)
        #expect(try health(analyzer).score == 0)
    }

    @Test func `a fault seen before its device counts when the device arrives`() throws {
        var analyzer = HealthAnalyzer(policy: HealthFixtures.policy, bootID: HealthFixtures.boot)
        #expect(analyzer.record(HealthFixtures.fault(79, sequence: 1)) == .unmatched)
        analyzer.update(devices: [HealthFixtures.device("GPU-1")], at: start)
        #expect(try health(analyzer).score == 0)
    }

    @Test func `an operator can take the latches off`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        _ = analyzer.record(HealthFixtures.fault(79))
        let clearing = try analyzer.setHealthy(card, reason: "reseated", actor: "root", at: start + 5)
        #expect(clearing.latches == ["Xid 79: message of 79"] && clearing.scoreBefore == 0)
        #expect(try health(analyzer).score == 100)
        #expect(try health(analyzer).band == .healthy, "at once: no hysteresis against a person's word")
        #expect(analyzer.state.clearings == [clearing])
        #expect(analyzer.history(of: card).map(\.kind) == [.latched, .person])
        #expect(throws: HealthError.self) { try analyzer.setHealthy(card, reason: " \n", actor: "root", at: start) }
        #expect(throws: HealthError.self) {
            try analyzer.setHealthy(DeviceID("GPU-x"), reason: "x", actor: "root", at: start)
        }
    }
}
