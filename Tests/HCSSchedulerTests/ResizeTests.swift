import HCSAPI
import HCSModel
import HCSScheduler
import HCSStore
import Logging
import Testing

@Suite("A workload's quota is changed") struct ResizeTests {
    private let clock = ManualClock()

    private func open(_ store: any StateStore = MemoryStore()) async throws -> Scheduler {
        try await Scheduler.open(
            store: store, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            settings: SchedulerSettings(margin: .zero))
    }

    private func problem(_ body: () async throws -> Void) async -> APIProblem? {
        do { try await body() } catch { return error as? APIProblem }
        return nil
    }

    @Test func `a raise that fits keeps attempt and device, tells the node and is stored`() async throws {
        let store = MemoryStore()
        let scheduler = try await open(store)
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        let placed = try await scheduler.submit(spec("w", vram: 8))
        _ = try await scheduler.receive(
            reports.make([gpu("a")], workloads: [WorkloadObservation(id: placed.id, attempt: 1, phase: .running)]))
        let before = await scheduler.assignments(node: "n1", after: .zero, wait: .zero).revision
        async let told = scheduler.assignments(node: "n1", after: before, wait: .seconds(20))
        let view = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(12)))
        #expect(view.phase == .running && view.attempt == 1)
        #expect(view.spec.vram == .gibibytes(12))
        #expect(view.grants == [DeviceGrant(device: DeviceID("a"), vendor: .nvidia, quota: .gibibytes(12))])
        #expect(view.events.last?.kind == .resized)
        #expect(view.message == "quota changed from 8Gi to 12Gi")
        let order = try #require(await told.workloads.first)
        #expect(order.attempt == 1 && order.desired == .run && order.grants == view.grants)
        #expect(await scheduler.devices().items.map(\.ledger.granted) == [.gibibytes(12)])
        #expect(try await open(store).view("w").grants == view.grants)
    }

    @Test func `a raise beyond what is free is a conflict with the figures, and changes nothing`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        _ = try await scheduler.submit(spec("other", vram: 60))
        _ = try await scheduler.submit(spec("w", vram: 8))
        let refused = await problem { _ = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(21))) }
        #expect(refused?.status == 409)
        #expect(
            refused?.detail
                == "21Gi for workload 'w' is 13Gi more than its 8Gi, and 12Gi of 80Gi is free on device a "
                + "(68Gi granted, 0 in use by the driver's count)")
        #expect(try await scheduler.view("w").spec.vram == .gibibytes(8))
        #expect(
            try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(20))).grants.map(\.quota) == [
                .gibibytes(20)
            ])
    }

    @Test func `memory that leases and strangers hold is not there for a raise`() async throws {
        for (leased, used) in [(70, 0), (0, 78)] as [(UInt64, UInt64)] {
            let scheduler = try await open()
            var reports = ReportMaker()
            _ = try await scheduler.receive(reports.make([gpu("a")]))
            _ = try await scheduler.submit(spec("w", vram: 8))
            var device = gpu("a", used: used)
            device.localGranted = .gibibytes(leased)
            _ = try await scheduler.receive(reports.make([device]))
            #expect(
                await problem { _ = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(11))) }?.status
                    == 409)
            #expect(try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(10))).spec.vram == .gibibytes(10))
        }
    }

    @Test func `lowering always works and what waits may take the room`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a", used: 80)]))
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        _ = try await scheduler.submit(spec("w", vram: 70))
        _ = try await scheduler.submit(spec("waits", vram: 20))
        #expect(try await scheduler.view("waits").phase == .queued)
        _ = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(60)))
        #expect(try await scheduler.view("waits").phase == .assigned)
    }

    @Test func `one that waits asks for the new size`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        _ = try await scheduler.submit(spec("w", vram: 100))
        let view = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(40)))
        #expect(view.phase == .assigned && view.attempt == 1)
        #expect(view.grants.map(\.quota) == [.gibibytes(40)])
    }

    @Test func `what cannot be meant is refused`() async throws {
        let scheduler = try await open()
        var reports = ReportMaker()
        _ = try await scheduler.receive(reports.make([gpu("a")]))
        _ = try await scheduler.submit(spec("w"))
        for bytes in [0, 1 << 51] as [UInt64] {
            #expect(
                await problem { _ = try await scheduler.resize("w", WorkloadChange(vram: ByteCount(bytes))) }?.status
                    == 400)
        }
        #expect(
            await problem { _ = try await scheduler.resize("nobody", WorkloadChange(vram: .gibibytes(1))) }?.status
                == 404)
        let same = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(8)))
        #expect(same.events.map(\.kind) == [.submitted, .placed], "the same size is no event")
        _ = try await scheduler.delete("w")
        #expect(
            await problem { _ = try await scheduler.resize("w", WorkloadChange(vram: .gibibytes(1))) }?.status == 409)
    }
}
