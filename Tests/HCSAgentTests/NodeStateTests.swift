import HCSAPI
import HCSAgent
import HCSModel
import Testing

@Suite struct NodeStateTests {
    private static let card = AgentFixtures.device("GPU-a"), part = AgentFixtures.device("MIG-1")

    private static func lease(_ device: Device) -> LeaseObservation {
        LeaseObservation(
            id: AgentFixtures.id(1), name: nil, uid: 0, pid: 1, startTime: 1,
            grant: DeviceGrant(device: device.id, vendor: .nvidia, quota: .gibibytes(1)), startedMilliseconds: 0,
            usage: [], processes: 0)
    }

    @Test func `a device that is not listed any more stays, blocked, while somebody has it, and goes with that`() async
    {
        let state = AgentFixtures.state()
        await state.set(devices: [Self.card, Self.part])
        await state.set(leases: [Self.lease(Self.part)])
        for _ in 0..<2 {
            await state.set(devices: [Self.card])
            let reports = await state.deviceReports()
            #expect(reports.map(\.device.id) == [Self.card.id, Self.part.id])
            #expect(reports.map { $0.blocked == nil } == [true, false])
        }
        await state.set(leases: [])
        await state.set(devices: [Self.card])
        #expect(await state.deviceReports().map(\.device.id) == [Self.card.id])
    }

    @Test func `a device that nobody has goes at once`() async {
        let state = AgentFixtures.state()
        await state.set(devices: [Self.card, Self.part])
        await state.set(leases: [Self.lease(Self.card)])
        await state.set(devices: [Self.card])
        #expect(await state.deviceReports().map(\.device.id) == [Self.card.id])
    }
}
