import HCSHealth
import HCSModel
import Testing

/// Measured against theoretical: slow is not broken.
@Suite struct ThroughputTests {
    private func judge(_ fingerprint: Fingerprint) -> DeviceHealth? {
        var device = HealthFixtures.device("GPU-1")
        device.fingerprint = fingerprint
        return HealthFixtures.analyzer([device]).evaluate(at: HealthFixtures.start)[device.id]
    }

    @Test(
        arguments: [
            (0.69, 0.95, "compute", 69), (0.9, 0.5, "memory", 50), (0.6, 0.5, "memory", 50), (0, nil, "compute", 0),
        ]
            as [(Double?, Double?, String, Int)])
    func `a device far below its figures loses the policy's penalty once, with the reason`(
        compute: Double?, bandwidth: Double?, what: String, percent: Int
    ) throws {
        let health = try #require(judge(HealthFixtures.measured(compute: compute, bandwidth: bandwidth)))
        #expect(health.score == 90 && health.reasons.count == 1)
        let reason = try #require(health.reasons.first)
        #expect(reason.factor == "throughput" && reason.sinceMilliseconds == HealthFixtures.start)
        #expect(
            reason.detail == "\(what) measured at \(percent) % of the theoretical throughput, below 70 %", "\(reason)")
    }

    @Test(arguments: [(0.7, 0.7), (1.1, nil), (nil, 0.9), (nil, nil)] as [(Double?, Double?)])
    func `a device that does what it should keeps its score`(compute: Double?, bandwidth: Double?) {
        #expect(judge(HealthFixtures.measured(compute: compute, bandwidth: bandwidth))?.score == 100)
    }

    @Test func `simulated figures and unpublished ones prove nothing`() {
        #expect(judge(HealthFixtures.measured(compute: 0.1, bandwidth: 0.1, simulated: true))?.score == 100)
        for confidence in [Fingerprint.Confidence.thirdParty, .estimated, .unknown] {
            #expect(
                judge(HealthFixtures.measured(compute: 0.1, bandwidth: 0.1, confidence: confidence))?.score == 100)
        }
    }
}
