import Foundation
import HCSHealth
import HCSModel
import Testing

@Suite struct LibraryEventsTests {
    private func device(_ id: String, bus: UInt8?, simulated: Bool = false) -> Device {
        Device(
            id: DeviceID(id), vendor: .nvidia, model: "Card", index: 0, memory: .gibibytes(80),
            pci: bus.map { PCIAddress(domain: 0, bus: $0, device: 0, function: 0) }, simulated: simulated)
    }

    private func faults(_ events: [(Device, [DeviceEvent])]) -> [Fault] {
        let samples = Dictionary(uniqueKeysWithValues: events.map { ($0.0.id, DeviceSample(events: $0.1)) })
        return LibraryEvents.faults(in: samples, of: events.map(\.0), at: 7)
    }

    @Test func `an event is a fault of its card, as often as it came`() {
        let card = device("GPU-a", bus: 0x3b, simulated: true)
        let found = faults([(card, [DeviceEvent(kind: .xid, code: 79), DeviceEvent(kind: .xid, code: 13, count: 3)])])
        #expect(found.map(\.code) == [79, 13, 13, 13])
        #expect(found.allSatisfy { $0.family == "xid" && $0.pci == card.pci && $0.simulated && $0.atMilliseconds == 7 })
        #expect(found.allSatisfy { $0.sequence == nil && $0.vendor == .nvidia })
    }

    @Test func `a fault is of the device that told it, on whatever slot, and nobody else's`() {
        let parts = (0..<3).map { device("MIG-\($0)", bus: 0x3b) }
        let real = device("GPU-real", bus: 0x3b), simulated = device("GPU-simulated", bus: 0x3b, simulated: true)
        let bare = device("GPU-bare", bus: nil)
        let event = [DeviceEvent(kind: .xid, code: 79)]
        for told in parts + [real, simulated, bare] {
            var analyzer = HealthFixtures.analyzer(parts + [real, simulated, bare])
            let found = faults([(told, event)])
            #expect(found.map { analyzer.record($0) } == [.counted([told.id])])
        }
        let all = faults((parts + [real, simulated]).map { ($0, event) })
        #expect(Set(all.compactMap(\.device)) == Set((parts + [real, simulated]).map(\.id)) && all.count == 5)
    }

    @Test func `a storm is bounded`() {
        let storm = [DeviceEvent(kind: .xid, code: 31, count: .max)]
        #expect(faults([(device("GPU-a", bus: 1), storm)]).count == 16)
        #expect(faults([(device("GPU-a", bus: 1), [])]).isEmpty)
    }

    @Test func `who told a fault is kept with it, over a restart too`() throws {
        let card = HealthFixtures.device("GPU-a")
        var analyzer = HealthFixtures.analyzer([card])
        let hard = DeviceEvent(kind: .xid, code: 79), soft = DeviceEvent(kind: .xid, code: 94)
        for fault in faults([(card, [hard, soft])]) { _ = analyzer.record(fault) }
        func reasons(_ analyzer: HealthAnalyzer) -> [HealthReason] {
            analyzer.evaluate(at: 7)[card.id]?.reasons.filter { $0.factor != "coverage" } ?? []
        }
        #expect(reasons(analyzer).map(\.source) == ["vendor-library", "vendor-library"])
        #expect(reasons(analyzer).first?.detail == "Xid 79: GPU has fallen off the bus")
        let state = try JSONDecoder().decode(HealthState.self, from: try JSONEncoder().encode(analyzer.state))
        #expect(reasons(HealthFixtures.analyzer([card], state: state)) == reasons(analyzer))
        _ = analyzer.record(HealthFixtures.fault(94))
        #expect(reasons(analyzer).map(\.source) == ["vendor-library", "kernel-log"], "the last that told it")
    }

    @Test func `such a fault is judged as the kernel's`() {
        let card = HealthFixtures.device("GPU-a")
        var analyzer = HealthFixtures.analyzer([card])
        let sample = DeviceSample(events: [DeviceEvent(kind: .xid, code: 79)])
        for fault in LibraryEvents.faults(in: [card.id: sample], of: [card], at: HealthFixtures.start) {
            #expect(analyzer.record(fault) == .counted([card.id]))
        }
        #expect(analyzer.evaluate(at: HealthFixtures.start)[card.id]?.score == 0)
    }
}
