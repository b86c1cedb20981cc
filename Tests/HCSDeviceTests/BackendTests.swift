import HCSDevice
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

/// Every backend through a real worker process and the simulated library of its vendor.
@Suite struct BackendTests {
    @Test func `every vendor has a backend`() {
        #expect(Set(VendorRegistry.backends.keys) == Set(Vendor.allCases))
    }

    @Test(.timeLimit(.minutes(3)), arguments: Vendor.allCases)
    func `devices are listed as the vendor's library tells`(vendor: Vendor) async throws {
        let host = try TestHost()
        let manager = try host.manager([vendor])
        let devices = await manager.inventory()
        let expected = host.host.devices.filter { $0.vendor == vendor }
        #expect(devices.map(\.id) == expected.map(\.id))
        #expect(devices.map(\.model) == expected.map(\.model))
        #expect(devices.map(\.memory) == expected.map(\.memory))
        #expect(devices.map(\.pci) == expected.map(\.pci))
        #expect(devices.map(\.index) == expected.map(\.index))
        #expect(devices.allSatisfy { $0.simulated && $0.vendor == vendor && $0.driverVersion != nil })
        // NVML and DCMI have no call for it; sysfs tells for real devices.
        let numa: [Int?] = expected.map { vendor == .hygon || vendor == .cambricon ? $0.numaNode.map(Int.init) : nil }
        #expect(devices.map(\.numaNode) == numa)
        let confidence: [Fingerprint.Confidence] =
            switch vendor {
            case .nvidia: [.datasheet, .estimated]
            case .ascend: [.derived]
            case .hygon: [.thirdParty]
            case .cambricon: [.datasheet]
            }
        #expect(devices.map(\.fingerprint.confidence) == confidence)
        await manager.stop()
    }

    @Test(.timeLimit(.minutes(3)), arguments: Vendor.allCases)
    func `a sample has what the library tells`(vendor: Vendor) async throws {
        let host = try TestHost()
        try host.host.set("\(vendor.rawValue):0", .usedElsewhere, to: 5 << 30)
        let manager = try host.manager([vendor])
        let sweep = await manager.sample()
        let device = try #require(host.host.devices.first { $0.vendor == vendor })
        let sample = try #require(sweep.samples[device.id])
        #expect(sample.memoryUsed == .gibibytes(5))
        #expect(sample.temperatureCelsius == Double(device.temperature))
        #expect(sample.powerWatts == Double(device.power))
        #expect(sample.utilizationPercent == Double(device.utilization))
        // ROCm SMI has no health call.
        #expect(sample.vendorHealth == (vendor == .hygon ? nil : .good))
        var status = try #require(sweep.workers.first)
        #expect(try #require(status.answerMilliseconds) > 0)
        status.answerMilliseconds = nil
        #expect(status == VendorStatus(vendor: vendor, simulated: true, state: .running) && sweep.workers.count == 1)
        await manager.stop()
    }

    @Test(.timeLimit(.minutes(3)), arguments: Vendor.allCases)
    func `a lost device stays in the samples as lost, and its neighbours as they were`(vendor: Vendor) async throws {
        let host = try TestHost(
            Scenario(
                name: "two", devices: (0..<2).map { _ in .init(vendor: vendor, model: "Card", memory: .gibibytes(16)) })
        )
        let manager = try host.manager([vendor], sweepsPerInventory: 2)
        let ids = await manager.inventory().map(\.id)
        try #require(ids.count == 2)
        try host.host.addFault(.lost, to: "\(vendor.rawValue):0")
        // The second sweep reads the inventory again, in which a lost device cannot be.
        for _ in 0..<3 {
            let sweep = await manager.sample()
            #expect(sweep.samples[ids[0]] == DeviceSample(vendorHealth: .lost))
            #expect(sweep.samples[ids[1]]?.temperatureCelsius == 45)
        }
        #expect(await manager.devices.map(\.id) == ids, "a lost device is kept for its history")
        try host.host.removeFault(.lost, from: "\(vendor.rawValue):0")
        _ = await manager.inventory()
        #expect(await manager.sample().samples[ids[0]]?.temperatureCelsius == 45)
        await manager.stop()
    }

    @Test(.timeLimit(.minutes(3)), arguments: [Vendor.nvidia, .ascend, .cambricon])
    func `the vendor's own word for critical is passed on`(vendor: Vendor) async throws {
        let host = try TestHost()
        try host.host.addFault(.critical, to: "\(vendor.rawValue):0")
        let manager = try host.manager([vendor])
        let id = try #require(host.host.devices.first { $0.vendor == vendor }?.id)
        #expect(await manager.sample().samples[id]?.vendorHealth == .critical)
        await manager.stop()
    }

    @Test(.timeLimit(.minutes(3)), arguments: Vendor.allCases)
    func `a library whose init fails is an absent one, with the vendor's word`(vendor: Vendor) async throws {
        let host = try TestHost()
        host.host.setLibraryFaults([.initFails], of: vendor)
        let manager = try host.manager(
            [vendor], timing: WorkerTiming(call: .seconds(30), absentRetry: .milliseconds(1)))
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .absent)
        #expect(
            status.reason?.contains("nit") == true && status.reason?.contains("(") == true, "\(status.reason ?? "")")
        #expect(await manager.devices.isEmpty)
        let report = try #require(await manager.symbols().first?.report, "the library is there, and that is told")
        #expect(report.library.hasPrefix(NativeArtifacts.simulatedLibraries) && report.missing.isEmpty)
        host.host.setLibraryFaults([], of: vendor)
        #expect(await eventually { await !manager.inventory().isEmpty }, "it is tried again")
        await manager.stop()
    }

    @Test(.timeLimit(.minutes(3)), arguments: Vendor.allCases)
    func `memory by process is passed on`(vendor: Vendor) async throws {
        let host = try TestHost()
        let client = try Client(vendor: vendor, stateFile: host.host.path, bytes: 64 << 20)
        let manager = try host.manager([vendor])
        let id = try #require(host.host.devices.first { $0.vendor == vendor }?.id)
        let seen = await eventually {
            let held = await manager.sample().samples[id]?.processes ?? []
            return held.contains { $0.pid == client.pid && $0.memory >= .mebibytes(64) }
        }
        #expect(seen)
        client.stop()
        #expect(await eventually { await manager.sample().samples[id]?.processes.isEmpty == true })
        await manager.stop()
    }

    @Test(.timeLimit(.minutes(3)))
    func `all vendors of a host are asked together`() async throws {
        let host = try TestHost()
        let manager = try host.manager()
        let sweep = await manager.sample()
        #expect(Set(sweep.samples.keys) == Set(host.host.devices.map(\.id)))
        #expect(sweep.workers.map(\.state) == [.running, .running, .running, .running])
        let reports = await manager.symbols()
        #expect(reports.allSatisfy { $0.report?.missing == [] && $0.report?.library.hasPrefix("/") == true })
        await manager.stop()
    }
}
