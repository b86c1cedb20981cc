import HCSHealth
import HCSModel
import Testing

/// Properties that hold for any sequence of events; the seed is in the failure's arguments.
@Suite struct HealthPropertyTests {
    private static let ids = ["GPU-1", "GPU-2", "NPU-1"].map { DeviceID($0) }

    private enum Event {
        case fault(Fault)
        case sample(DeviceID, DeviceSample)
        case missed(UInt64)
        case inventory([Device])
    }

    private static let devices = [
        HealthFixtures.device("GPU-1"), HealthFixtures.device("GPU-2", pci: "0000:5e:00.0", simulated: true),
        HealthFixtures.device("NPU-1", pci: nil, vendor: .ascend),
    ]

    private func event(_ g: inout SplitMix64, misses: inout UInt64, now: Int64) -> Event {
        switch Int.random(in: 0..<10, using: &g) {
        case 0...3:
            return .fault(
                HealthFixtures.fault(
                    [79, 48, 94, 63, 92, 31, 0, .max].randomElement(using: &g) ?? 0,
                    pci: ["0000:3b:00.0", "0000:5e:00.1", "ffff:00:00.0", nil].randomElement(using: &g) ?? nil,
                    sequence: Bool.random(using: &g) ? UInt64.random(in: 0..<40, using: &g) : nil,
                    at: now + Int64.random(in: -1_000_000...1000, using: &g), simulated: Bool.random(using: &g)))
        case 4...7:
            return .sample(
                Self.ids.randomElement(using: &g) ?? DeviceID(""),
                DeviceSample(
                    temperatureCelsius: [nil, 20, 85, 95, .infinity, .nan, -1e300].randomElement(using: &g) ?? nil,
                    vendorHealth: [nil, .good, .warning, .critical].randomElement(using: &g) ?? nil))
        case 8:
            misses += UInt64.random(in: 0...2, using: &g)
            return .missed(misses)
        default:
            return .inventory(Self.devices.filter { _ in Double.random(in: 0..<1, using: &g) < 0.8 })
        }
    }

    private func apply(_ event: Event, to analyzer: inout HealthAnalyzer, at now: Int64) {
        switch event {
        case .fault(let fault): _ = analyzer.record(fault)
        case .sample(let id, let sample): analyzer.record(sample, for: id, at: now)
        case .missed(let total): analyzer.record(missedDeadlines: total, vendor: .nvidia, simulated: false, at: now)
        case .inventory(let devices): analyzer.update(devices: devices, at: now)
        }
    }

    @Test(arguments: 0..<60)
    func `any history gives scores of 0 to 100 that follow from their reasons`(seed: UInt64) throws {
        var g = SplitMix64(state: seed)
        var analyzer = HealthFixtures.analyzer(Self.devices)
        var now = HealthFixtures.start
        var misses: UInt64 = 0
        var latched = Set<DeviceID>()
        for _ in 0..<200 {
            now += Int64.random(in: -500...20_000, using: &g)
            apply(event(&g, misses: &misses, now: now), to: &analyzer, at: now)
            let healths = analyzer.evaluate(at: now)
            for (id, health) in healths {
                try check(health)
                if latched.contains(id) { #expect(health.score == 0, "a latch went away by itself") }
            }
            for entry in analyzer.state.entries where !entry.memory.latches.isEmpty { latched.insert(entry.device) }
            #expect(analyzer.evaluate(at: now) == healths, "the same question twice gives two answers")
        }
    }

    private func check(_ health: DeviceHealth) throws {
        let penalties = health.reasons.map(\.penalty)
        #expect(penalties.allSatisfy { (0...1).contains($0) })
        #expect(penalties == penalties.sorted(by: >), "the worst reason comes first")
        guard let score = health.score else {
            #expect(health.reasons.contains { $0.factor == "coverage" })
            return
        }
        let product = penalties.reduce(1.0) { $0 * (1 - $1) }
        #expect(score == (penalties.contains(1) ? 0 : max(1, Int((100 * product).rounded()))))
        #expect((0...100).contains(score))
    }

    @Test(arguments: 0..<30)
    func `an export and import at any point changes no later verdict on a device's latches`(seed: UInt64) {
        var g = SplitMix64(state: seed &+ 1000)
        var one = HealthFixtures.analyzer(Self.devices)
        var misses: UInt64 = 0
        for step in 0..<100 {
            let now = HealthFixtures.start + Int64(step) * 1000
            apply(event(&g, misses: &misses, now: now), to: &one, at: now)
        }
        let again = HealthAnalyzer(policy: HealthFixtures.policy, bootID: HealthFixtures.boot, state: one.state)
        #expect(again.state == one.state)
    }

    @Test func `what comes from outside cannot make the state grow without limit`() {
        var analyzer = HealthFixtures.analyzer([HealthFixtures.device("GPU-1")])
        for sequence in 0..<10_000 {
            _ = analyzer.record(HealthFixtures.fault(94, sequence: UInt64(sequence)))
            _ = analyzer.record(HealthFixtures.fault(79, pci: "dead:00:00.0", sequence: 20_000 + UInt64(sequence)))
        }
        #expect(analyzer.state.sequences.count <= SequenceWindow.limit)
        #expect(analyzer.state.entries.count == 1)
    }
}
