import Foundation
import HCSHealth
import HCSModel
import Synchronization
import Testing

@Suite struct ScenarioTests {
    @Test(arguments: Scenario.names)
    func `a named scenario gives its score curve`(name: String) async throws {
        var run = try ScenarioRun(Scenario.load(name))
        let last = Mutex<[DeviceID: DeviceHealth]>([:])
        run.judged = { _, _, healths in
            let before = last.withLock { old in
                defer { old = healths }
                return old
            }
            for (id, health) in healths where health != before[id] { try Self.recompute(health) }
        }
        try await run.play()
    }

    @Test func `every scenario of the list is there`() {
        let wanted: Set = [
            "correctable-ecc-ramp", "thermal-drift", "thermal-peers", "link-downshift-idle", "link-downshift-load",
            "xid-13-one-job", "xid-13-three-jobs", "xid-31-one-job", "xid-31-three-jobs", "xid-79", "xid-48", "xid-63",
            "xid-64", "xid-94", "xid-95", "xid-119", "xid-154-none", "xid-154-reset", "xid-154-reboot",
            "xid-154-drain-p2p", "xid-154-drain-and-reset", "ascend-80E01801", "ascend-80E18402",
            "ascend-80CB8008-twice", "hygon-umc-ue", "cambricon-dbe", "nvsentinel-1748", "nvml-hang", "device-lost",
            "telemetry-gap", "flapping",
        ]
        #expect(wanted.isSubset(of: Set(Scenario.names)), "\(wanted.subtracting(Scenario.names))")
    }

    /// The score again, from nothing but the JSON that goes over the wire.
    static func recompute(_ health: DeviceHealth) throws {
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(health))
        let payload = try #require(json as? [String: Any])
        let reasons = try #require(payload["reasons"] as? [[String: Any]])
        var product = 1.0
        for reason in reasons {
            let penalty = try #require(reason["penalty"] as? Double)
            if let measure = reason["measure"] as? [String: Any] {
                let value = try #require(measure["value"] as? Double), cap = try #require(measure["cap"] as? Double)
                if let warn = measure["warn"] as? Double, let bad = measure["bad"] as? Double {
                    // Readers of JSON differ in a number's last bit.
                    let expected = cap * min(1, max(0, (value - warn) / (bad - warn)))
                    #expect(abs(penalty - expected) < 1e-12, "\(reason)")
                } else {
                    #expect(abs(penalty - min(cap, value)) < 1e-12, "\(reason)")
                }
            }
            product *= 1 - penalty
        }
        let isHard = reasons.contains { $0["penalty"] as? Double == 1 }
        guard let score = payload["score"] as? Int else {
            #expect(!isHard && payload["band"] as? String == "unknown")
            return
        }
        #expect(score == (isHard ? 0 : max(1, Int((100 * product).rounded()))), "\(payload)")
    }
}
