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
        var evidence = DeviceEvidence(device: HealthFixtures.device("GPU-1"), policy: HealthFixtures.policy)
        evidence.sample = DeviceSample(memoryUsed: .zero, temperatureCelsius: 35, powerWatts: 60, vendorHealth: .good)
        evidence.sampledMilliseconds = HealthFixtures.start
        #expect(
            HealthRules.all[index].findings(on: evidence, policy: HealthFixtures.policy, now: HealthFixtures.start)
                .isEmpty)
    }

    @Test(arguments: HealthRules.all.indices)
    func `a rule's findings on the worst evidence are sound and always the same`(index: Int) {
        let rule = HealthRules.all[index]
        let evidence = Self.worst()
        let later = HealthFixtures.start + 400_000
        for now in [later, .max, .min] {
            let findings = rule.findings(on: evidence, policy: HealthFixtures.policy, now: now)
            #expect(findings == rule.findings(on: evidence, policy: HealthFixtures.policy, now: now))
            for finding in findings {
                let reason = finding.reason
                #expect((0...1).contains(reason.penalty))
                #expect(!reason.detail.isEmpty && !reason.source.isEmpty && !reason.factor.isEmpty)
                if case .factor(let reason) = finding {
                    #expect(reason.penalty < 1)
                    #expect(reason.measure.map { $0.penalty == reason.penalty } ?? true)
                    #expect(reason.authority?.isEmpty == false, "who says so is shown")
                }
            }
        }
        #expect(!rule.findings(on: evidence, policy: HealthFixtures.policy, now: later).isEmpty)
    }

    /// A device on which every rule has something to say.
    private static func worst() -> DeviceEvidence {
        let start = HealthFixtures.start, policy = HealthFixtures.policy
        var device = HealthFixtures.device("GPU-1")
        device.fingerprint = HealthFixtures.measured(compute: 0, bandwidth: nil)
        var evidence = DeviceEvidence(device: device, at: start, policy: policy)
        evidence.memory.latches = [
            HealthLatch(factor: "xid", code: 79, detail: "gone", source: "kernel-log", atMilliseconds: start)
        ]
        evidence.memory.buckets = ["contained-memory-error": LeakyBucket(weight: 5, atMilliseconds: start)]
        evidence.memory.recovery = DeviceMemory.Recovery(action: 3, sinceMilliseconds: start, source: "kernel-log")
        evidence.sample = DeviceSample(temperatureCelsius: 1000, vendorHealth: .critical)
        for (signal, value) in [
            (Signal.rowsRemapped, 512.0), (.retiredPagesPending, 1), (.pcieWidth, 1), (.pcieWidthMaximum, 16),
        ] { evidence.sample?.signals[signal] = value }
        evidence.worker.inARow = .max
        evidence.worker.slowness.add(1000, at: start, halfLifeSeconds: 900)
        evidence.peers.temperature = PeerComparison.Figure(value: 50, median: 40, peers: 7)
        evidence.peers.clock = PeerComparison.Figure(value: 0.1, median: 1500, peers: 7)
        evidence.narrowSinceMilliseconds = start
        evidence.downLinks = ["3": start]
        evidence.stuck = [
            StuckProcess(
                pid: 7, sinceMilliseconds: start, seenMilliseconds: start + 400_000, source: "stuck-calls")
        ]
        evidence.abandonedSinceMilliseconds = start
        evidence.sample?.memoryUsed = .gibibytes(80)
        evidence.replays.add(1e9, at: start, halfLifeSeconds: 3600)
        evidence.pcieErrors.add(1e9, at: start, halfLifeSeconds: 3600)
        for minute in Int64(0)...6 {
            evidence.memory.slow.corrected.add(1e6, at: start + minute * 60_000, policy: policy.correctableErrors)
        }
        for tick in Int64(0)...40 {
            evidence.throttleSeen.mark(start + tick * 10_000)
            evidence.throttled.mark(start + tick * 10_000)
        }
        return evidence
    }
}
