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

    @Test func `what the parts of one card tell counts once`() {
        let event = [DeviceEvent(kind: .xid, code: 94, count: 2)]
        let parts = (0..<7).map { (device("MIG-\($0)", bus: 0x3b), event) }
        #expect(faults(parts + [(device("GPU-b", bus: 0x3c), event)]).map(\.pci?.bus) == [0x3c, 0x3c, 0x3b, 0x3b])
    }

    @Test func `a storm is bounded, and a card without a slot blames nobody`() {
        let storm = [DeviceEvent(kind: .xid, code: 31, count: .max)]
        #expect(faults([(device("GPU-a", bus: 1), storm), (device("GPU-b", bus: nil), storm)]).count == 16)
        #expect(faults([(device("GPU-a", bus: 1), [])]).isEmpty)
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
