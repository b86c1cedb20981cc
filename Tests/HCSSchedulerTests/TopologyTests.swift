import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

@Suite struct TopologyTests {
    private let clock = ManualClock()
    private let topology = Topology(devices: [
        DevicePlace(
            device: DeviceID("a"),
            slot: PCISlot(address: PCIAddress("0000:03:00.0"), path: PCIPath("pci0000:00/0000:00:01.0")))
    ])

    private func open(_ store: any StateStore) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func report(_ reports: inout ReportMaker, free: UInt64, topology: Topology?) -> NodeReport {
        var report = reports.make([gpu("a")])
        report.topology = topology
        report.host.modelCache = HostFacts.Disk(
            path: "/m", mountPoint: "/", fileSystem: "ext4", source: "/dev/sda", size: .gibibytes(9),
            free: .gibibytes(free))
        return report
    }

    @Test func `a node's topology and facts are told, and remembered over a restart without what changes all the time`()
        async throws
    {
        let store = MemoryStore()
        var reports = ReportMaker()
        let scheduler = try await open(store)
        _ = try await scheduler.receive(report(&reports, free: 5, topology: topology))
        let node = try await scheduler.node("n1")
        #expect(node.topology == topology)
        #expect(node.host.modelCache?.free == .gibibytes(5))
        let later = try await open(store).node("n1")
        #expect(later.topology == topology)
        #expect(later.host.modelCache?.size == .gibibytes(9) && later.host.modelCache?.free == nil)
    }

    @Test func `a disk that fills writes nothing to the store`() async throws {
        var reports = ReportMaker()
        let scheduler = try await open(MemoryStore())
        let first = try await scheduler.receive(report(&reports, free: 5, topology: topology)).revision
        let second = try await scheduler.receive(report(&reports, free: 4, topology: topology)).revision
        #expect(first == second)
        #expect(try await scheduler.node("n1").host.modelCache?.free == .gibibytes(4))
        #expect(try await scheduler.receive(report(&reports, free: 4, topology: Topology())).revision > second)
    }

    @Test func `a report of an older agent has no topology`() async throws {
        var reports = ReportMaker()
        let scheduler = try await open(MemoryStore())
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        #expect(try await scheduler.node("n1").topology == nil)
    }
}
