import HCSHealth
import HCSModel
import Testing

/// What every rule of the registry must keep.
@Suite struct HealthRulesContractTests {
    @Test func `names are unique, lower-case words`() {
        let names = HealthRules.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isLowercase || $0 == "-" } })
    }

    @Test(arguments: HealthRules.all.indices)
    func `a rule says nothing against a device that is fine`(index: Int) {
        var evidence = DeviceEvidence(device: HealthFixtures.device("GPU-1"))
        evidence.sample = DeviceSample(memoryUsed: .zero, temperatureCelsius: 35, powerWatts: 60, vendorHealth: .good)
        evidence.sampledMilliseconds = HealthFixtures.start
        #expect(
            HealthRules.all[index].findings(on: evidence, policy: HealthFixtures.policy, now: HealthFixtures.start)
                .isEmpty)
    }

    @Test(arguments: HealthRules.all.indices)
    func `a rule's findings on the worst evidence are sound and always the same`(index: Int) {
        let rule = HealthRules.all[index]
        var evidence = DeviceEvidence(device: HealthFixtures.device("GPU-1"))
        evidence.latches = [
            HealthLatch(
                factor: "xid", code: 79, detail: "gone", source: "kernel-log", atMilliseconds: HealthFixtures.start)
        ]
        evidence.buckets = [
            "xid/contained": LeakyBucket(weight: 5, atMilliseconds: HealthFixtures.start, source: "kernel-log")
        ]
        evidence.sample = DeviceSample(temperatureCelsius: 1000, vendorHealth: .critical)
        evidence.worker.inARow = .max
        evidence.device.fingerprint = HealthFixtures.measured(compute: 0, bandwidth: nil)
        let later = HealthFixtures.start + 100_000
        for now in [later, .max, .min] {
            let findings = rule.findings(on: evidence, policy: HealthFixtures.policy, now: now)
            #expect(findings == rule.findings(on: evidence, policy: HealthFixtures.policy, now: now))
            for finding in findings {
                #expect((0...1).contains(finding.reason.penalty))
                #expect(
                    !finding.reason.detail.isEmpty && !finding.reason.source.isEmpty && !finding.reason.factor.isEmpty)
                if case .factor(let reason) = finding { #expect(reason.penalty < 1) }
            }
        }
        #expect(!rule.findings(on: evidence, policy: HealthFixtures.policy, now: later).isEmpty)
    }
}
