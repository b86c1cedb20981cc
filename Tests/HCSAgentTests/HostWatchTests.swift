import HCSAPI
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@testable import HCSAgent

@Suite struct HostWatchTests {
    private func watch(_ root: HostRoot, known: HostFacts? = nil) -> HostWatch {
        let reader = HostFactsReader(root: root, pciVendors: [], modelCache: "/")
        return HostWatch(reader: reader, known: known ?? reader.read())
    }

    @Test func `where devices sit is read at the start and when one comes, goes or moves, not at every sample`()
        async throws
    {
        let tree = try TemporaryDirectory()
        let watch = watch(HostRoot(tree.path))
        var placed: [HostWatch.Placed]?
        #expect(await watch.topology(of: [], unless: &placed) == Topology())
        #expect(await watch.topology(of: [], unless: &placed) == nil)
        var device = AgentFixtures.device()
        device.pci = PCIAddress("0000:03:00.0")
        #expect(await watch.topology(of: [device], unless: &placed)?.devices.map(\.device) == [device.id])
        device.driverVersion = "2"
        #expect(await watch.topology(of: [device], unless: &placed) == nil)
        device.pci = PCIAddress("0000:04:00.0")
        #expect(await watch.topology(of: [device], unless: &placed)?.devices.first?.slot.address == device.pci)
    }

    @Test func `huge pages are read again, and the rest of the facts stay`() async throws {
        let tree = try TemporaryDirectory()
        let pool = "sys/kernel/mm/hugepages/hugepages-2048kB"
        try tree.write("4\n", to: "\(pool)/nr_hugepages")
        try tree.write("4\n", to: "\(pool)/free_hugepages")
        let watch = watch(HostRoot(tree.path))
        func look() async -> HostFacts {
            await withCheckedContinuation { waiting in watch.look { waiting.resume(returning: $0) } }
        }
        #expect(await look().hugePages?.pools.first?.free == 4)
        try tree.write("1\n", to: "\(pool)/free_hugepages")
        let facts = await look()
        #expect(facts.hugePages?.pools.first?.free == 1 && !facts.hostname.isEmpty)
    }

    @Test func `topology and facts go out in the report and the status`() async throws {
        let state = AgentFixtures.state()
        #expect(await state.report().topology == nil)
        let topology = Topology(devices: [DevicePlace(device: DeviceID("GPU-a"), slot: PCISlot(numaNode: 1))])
        await state.set(topology: topology)
        var facts = await state.report().host
        facts.hugePages = HostFacts.HugePages(pools: [], transparent: "never")
        await state.set(host: facts)
        #expect(await state.report().topology == topology)
        #expect(await state.report().host == facts)
        let status = await state.status()
        #expect(status.topology == topology && status.host == facts)
    }
}
