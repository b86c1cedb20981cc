import HCSHealth
import HCSModel
import Testing

private let start = HealthFixtures.start
private let card = DeviceID("GPU-1")

@Suite struct ClockStepTests {
    @Test func `only a jump of the clock is a step`() {
        var watch = ClockWatch()
        #expect(watch.step(now: start, uptime: 500) == 0)
        #expect(watch.step(now: start + 10_000, uptime: 10_500) == 0)
        #expect(watch.step(now: start + 20_900, uptime: 20_500) == 0, "slewed")
        #expect(watch.step(now: start + 3_630_000, uptime: 30_500) == 3_600_000)
        #expect(watch.step(now: start + 3_640_000, uptime: 40_500) == 0)
        #expect(watch.step(now: start, uptime: 50_500) == -3_650_000)
        #expect(watch.step(now: .min, uptime: 1) == 0)
        #expect(watch.step(now: .max, uptime: 60_500) != 1)
    }

    @Test(arguments: [3_600_000, -3_600_000, 86_400_000 * 20_000] as [Int64])
    func `a device stays known when the clock is set, and nothing is healed by it`(step: Int64) throws {
        let policy = try HealthPolicy.builtIn()
        var analyzer = HealthAnalyzer(policy: policy, bootID: "b")
        analyzer.update(devices: [HealthFixtures.device("GPU-1"), HealthFixtures.device("GPU-2", pci: nil)], at: start)
        var now = start
        func pass(_ seconds: Int) {
            for _ in 0..<(seconds / 10) {
                now += 10_000
                for id in [card, DeviceID("GPU-2")] {
                    analyzer.record(DeviceSample(temperatureCelsius: 40, vendorHealth: .good), for: id, at: now)
                }
                _ = analyzer.judge(at: now)
            }
        }
        pass(600)
        _ = analyzer.record(HealthFixtures.fault(79, at: now))
        _ = analyzer.record(HealthFixtures.fault(94, pci: nil, at: now))
        pass(30)
        let before = analyzer.evaluate(at: now)
        #expect(before[card]?.score == 0)
        let two = try #require(before[DeviceID("GPU-2")])
        #expect(two.score == 75)
        now += step
        analyzer.clockWasSet(by: step)
        for seconds in [0, 10, 60] {
            pass(seconds)
            let after = analyzer.evaluate(at: now)
            #expect(after[card]?.score == 0)
            #expect(after[DeviceID("GPU-2")]?.score == 75, "step \(step), \(seconds) s")
            #expect(after[DeviceID("GPU-2")]?.band == .degraded)
            #expect(after[DeviceID("GPU-2")]?.coverage ?? 0 >= 0.9)
        }
    }

    @Test func `what an earlier process wrote keeps its time`() throws {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        _ = analyzer.record(HealthFixtures.fault(79))
        var next = HealthAnalyzer(policy: HealthFixtures.policy, bootID: "other", state: analyzer.state)
        next.update(devices: [HealthFixtures.device("GPU-1")], at: start + 1000)
        next.clockWasSet(by: 50_000)
        #expect(next.evaluate(at: start + 51_000)[card]?.reasons.first?.sinceMilliseconds == start)
    }
}
