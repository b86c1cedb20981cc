import Foundation
import HCSHealth
import HCSModel
import Testing

@Suite struct HealthPolicyTests {
    private func root() -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    private func shipped() throws -> Data {
        try Data(contentsOf: root().appending(path: "Sources/HCSAgent/Data/health-policy.json"))
    }

    @Test func `the shipped policy is valid, covers every vendor and names a source for each group`() throws {
        let policy = try JSONDecoder().decode(HealthPolicy.self, from: try shipped())
        try policy.validate()
        #expect(Set(policy.temperature.keys) == Set(Vendor.allCases))
        #expect(policy.vendorHealth.count == 4)
        #expect(policy.vendorHealth[.lost]?.latched == true)
        let xid = try #require(policy.faults.first { $0.family == "xid" && $0.vendor == .nvidia })
        #expect(
            xid.hard.codes == [
                46, 48, 54, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143, 151, 155, 156, 158, 167, 169,
            ])
        // The table's SOFT codes; none of APP, INFO, DECODE or PASS-THROUGH lowers a score.
        #expect(
            Set(xid.soft.flatMap(\.codes)) == [
                37, 38, 44, 45, 63, 66, 67, 92, 93, 94, 121, 157, 160, 161, 163, 164, 165, 168, 171, 172,
            ])
        let sources =
            [policy.coverage.source, policy.unresponsive.source, policy.throughput.source, xid.hard.source]
            + xid.soft.map(\.source)
            + policy.temperature.values.map(\.source) + policy.vendorHealth.values.map(\.source)
        #expect(sources.allSatisfy { $0.count > 10 })
    }

    @Test func `a policy survives writing and reading`() throws {
        let data = try JSONEncoder().encode(HealthFixtures.policy)
        #expect(try JSONDecoder().decode(HealthPolicy.self, from: data) == HealthFixtures.policy)
    }

    @Test(arguments: [
        (#""version": 1"#, #""version": 1, "colour": 2"#), (#""missesInARow""#, #""missesInRow""#),
        (#""nvidia": {"#, #""nvidla": {"#), (#""good": {"#, #""fine": {"#),
        (#""maximumSampleAgeSeconds": 60"#, #""maximumSampleAgeSeconds": 60, "extra": 1"#),
        (#""weight": 0.25"#, #""weight": 0.25, "wait": 1"#), (#""family": "xid""#, #""family": "xid", "x": 1"#),
        (#""minimumShare": 0.7"#, #""minimumShare": 0.7, "x": 1"#), (#""throughput""#, #""thruput""#),
    ])
    func `an unknown key anywhere is an error`(from: String, to: String) throws {
        let text = try #require(String(data: try shipped(), encoding: .utf8))
        let range = try #require(text.range(of: from))
        let changed = text.replacingCharacters(in: range, with: to)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(HealthPolicy.self, from: Data(changed.utf8)) }
    }

    @Test func `numbers that make no sense are refused`() throws {
        try HealthFixtures.policy.validate()
        func refused(_ change: (inout HealthPolicy) -> Void, _ comment: Comment) {
            var policy = HealthFixtures.policy
            change(&policy)
            #expect(throws: HealthError.self, comment) { try policy.validate() }
        }
        refused({ $0.version = 2 }, "another version")
        refused({ $0.coverage.maximumSampleAgeSeconds = 0 }, "no time at all")
        refused({ $0.unresponsive.missesInARow = 0 }, "zero misses")
        refused({ $0.unresponsive.weight = -1 }, "a negative weight")
        refused({ $0.temperature[.nvidia]?.badCelsius = 80 }, "warn equals bad")
        refused({ $0.temperature[.nvidia]?.cap = .nan }, "no number")
        refused({ $0.vendorHealth[.warning]?.latched = true }, "a latched half fault")
        refused({ $0.throughput.minimumShare = 1.1 }, "more than all")
        refused({ $0.throughput.penalty = 1 }, "slow is broken")
        refused({ $0.faults[0].soft[0].codes.insert(79) }, "a code that is hard and soft")
        refused({ $0.faults[0].soft[0].halfLifeSeconds = 0 }, "no half-life")
        refused({ $0.faults.append($0.faults[0]) }, "a family twice")
    }
}
