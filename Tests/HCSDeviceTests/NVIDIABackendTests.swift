import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSSystem
import HCSTestSupport
import NativeArtifacts
import Testing

/// NVML in all its ages, by the worker: nobody's vendor library is ever in the test's own process.
@Suite(.timeLimit(.minutes(10))) struct NVIDIABackendTests {
    /// Two cards with a link of NVLink 3 between them, and one of NVLink 4 back.
    private static let pair = Scenario(
        name: "nvml",
        devices: [
            .init(
                vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80), temperature: 41, power: 120,
                utilization: 7, figures: ["memory-reserved": 512 << 20], links: [.init(peer: 1, version: 4)]),
            .init(
                vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80),
                links: [.init(peer: 0, version: 6)]),
        ])

    /// A whole card and one that is cut in two.
    private static let cut = Scenario(
        name: "mig",
        devices: [
            .init(vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80)),
            .init(
                vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80), temperature: 61, power: 300,
                mig: [.init(memory: .gibibytes(10), slices: 1), .init(memory: .gibibytes(20), slices: 2)]),
        ])

    private static func instance(_ number: Int) -> DeviceID {
        DeviceID("MIG-\(cut.uuid(ofInstance: number, at: 1))")
    }

    private static let older = NativeArtifacts.simulatedLibraries + "/nvml450"

    private func manager(
        _ host: borrowing TestHost, libraries: String = NativeArtifacts.simulatedLibraries,
        timing: WorkerTiming = .patient, sweepsPerInventory: Int = 1000
    ) throws -> DeviceManager {
        DeviceManager(
            sources: [host.source(.nvidia, libraries: libraries)], executable: try workerExecutable(), timing: timing,
            sweepsPerInventory: sweepsPerInventory)
    }

    private struct Reading {
        var devices: [Device]
        var samples: [DeviceSample]
        var status: VendorStatus
    }

    /// Two passes, since a rate takes two; the samples of the second, by device.
    private func read(_ host: borrowing TestHost, libraries: String = NativeArtifacts.simulatedLibraries) async throws
        -> Reading
    {
        let manager = try manager(host, libraries: libraries)
        let devices = await manager.inventory()
        _ = await manager.sample()
        let sweep = await manager.sample()
        await manager.stop()
        return Reading(
            devices: devices, samples: devices.compactMap { sweep.samples[$0.id] },
            status: try #require(sweep.workers.first))
    }

    private static let rates: Set<String> = ["pcieReceive", "pcieTransmit"]

    private func names(_ sample: DeviceSample) -> Set<String> { Set(sample.signals.sorted.map(\.key.description)) }

    private func values(_ sample: DeviceSample, without: Set<String> = rates) -> [String: Double] {
        Dictionary(uniqueKeysWithValues: sample.signals.sorted.map { ($0.key.description, $0.value) })
            .filter { !without.contains($0.key) }
    }
}

// MARK: Figures

extension NVIDIABackendTests {
    @Test func `every figure is read in its unit`() async throws {
        let host = try TestHost(Self.pair)
        let figures: [String: UInt64] = [
            "memory-temperature": 52, "temperature-slowdown": 88, "temperature-shutdown": 93, "power-limit": 650_500,
            "energy": 7_654_321, "memory-utilization": 33, "clock-compute": 1755, "clock-compute-maximum": 1980,
            "clock-memory": 2600, "clock-memory-maximum": 2619, "ecc-mode": 1, "ecc-corrected": 101,
            "ecc-uncorrected": 3, "ecc-corrected-volatile": 11, "ecc-uncorrected-volatile": 2,
            "ecc-corrected-sram": 1000, "ecc-uncorrected-sram": 2000, "retired-pages-corrected": 4,
            "retired-pages-uncorrected": 5, "retired-pages-pending": 1, "rows-remapped-corrected": 6,
            "rows-remapped-uncorrected": 7, "row-remap-pending": 1, "row-remap-failed": 0, "row-banks-max": 630,
            "row-banks-high": 8, "row-banks-partial": 9, "row-banks-low": 10, "row-banks-none": 1,
            "clock-events": 0x1 | 0x4 | 0x40, "pcie-generation": 4, "pcie-generation-maximum": 5, "pcie-width": 8,
            "pcie-width-maximum": 16, "pcie-replays": 12, "recovery-action": 3,
        ]
        for (name, value) in figures { try host.host.set("nvidia:0", figure: name, to: value) }
        try host.host.setLink(
            "nvidia:0", lane: 0, version: 4, isUp: false, peer: "nvidia:1", crcErrors: 21, replayErrors: 22)
        try host.host.set("nvidia:0", .usedElsewhere, to: 3 << 30)
        let sample = try #require(try await read(host).samples.first)
        #expect(
            values(sample) == [
                "temperature": 41, "power": 120, "utilization": 7, "memoryTemperature": 52, "temperatureSlowdown": 88,
                "temperatureShutdown": 93, "powerLimit": 650.5, "energy": 7654.321, "memoryUtilization": 33,
                "clock:compute": 1755, "clockMaximum:compute": 1980, "clock:memory": 2600, "clockMaximum:memory": 2619,
                "eccMode": 1, "eccCorrected": 1101, "eccUncorrected": 2003, "eccCorrectedVolatile": 1011,
                "eccUncorrectedVolatile": 2002, "eccCorrected:dram": 101, "eccUncorrected:dram": 3,
                "eccCorrectedVolatile:dram": 11, "eccUncorrectedVolatile:dram": 2, "eccCorrected:sram": 1000,
                "eccUncorrected:sram": 2000, "eccCorrectedVolatile:sram": 1000, "eccUncorrectedVolatile:sram": 2000,
                "retiredPages:corrected": 4, "retiredPages:uncorrected": 5, "retiredPagesPending": 1,
                "rowsRemapped:corrected": 6, "rowsRemapped:uncorrected": 7, "rowRemapPending": 1, "rowRemapFailed": 0,
                "rowBanks:max": 630, "rowBanks:high": 8, "rowBanks:partial": 9, "rowBanks:low": 10, "rowBanks:none": 1,
                "throttle:power-cap": 1, "throttle:hardware-thermal": 1, "throttle:thermal": 0,
                "throttle:hardware-slowdown": 0, "throttle:power-brake": 0, "throttle:sync-boost": 0,
                "throttle:application-clocks": 0, "pcieGeneration": 4, "pcieGenerationMaximum": 5, "pcieWidth": 8,
                "pcieWidthMaximum": 16, "pcieReplays": 12, "recoveryAction": 3, "memoryReserved": 536_870_912,
                "linkUp:0": 0, "linkErrors:0/crc": 21, "linkErrors:0/replay": 22, "linkErrors:0/recovery": 0,
                "linkErrors:0/ecc": 0,
            ])
        #expect(sample.memoryUsed == .gibibytes(3), "without what the driver keeps for itself")
        #expect(sample.vendorHealth == .warning)
    }

    @Test func `what a card is is told with it`() async throws {
        let host = try TestHost(Self.pair)
        let devices = try await read(host).devices
        let first = try #require(devices.first), second = try #require(devices.last)
        #expect(first.details.serial == "1650123000016" && first.details.partNumber == "692-2G520-0200-500")
        #expect(first.details.firmware == "96.00.30.00.01" && first.details.architecture == "sm_90")
        #expect(first.details.runtimeVersion == "13.0" && first.driverVersion == "580.65.06")
        #expect(
            first.details.links == [
                DeviceLink(
                    kind: .nvlink, lane: 0, up: true, peer: .device, peerAddress: second.pci, version: 4,
                    bandwidthGBps: 25.781)
            ])
        #expect(second.details.links.map(\.bandwidthGBps) == [26.562])
    }

    @Test func `a figure that is not supported costs its own value and nothing else`() async throws {
        let costs: [(figure: String, signals: Set<String>)] = [
            ("memory-temperature", ["memoryTemperature"]), ("temperature-slowdown", ["temperatureSlowdown"]),
            ("temperature-shutdown", ["temperatureShutdown"]), ("power-limit", ["powerLimit"]), ("energy", ["energy"]),
            ("clock-compute", ["clock:compute"]), ("clock-compute-maximum", ["clockMaximum:compute"]),
            ("clock-memory", ["clock:memory"]), ("clock-memory-maximum", ["clockMaximum:memory"]),
            ("ecc-mode", ["eccMode"]), ("ecc-corrected", ["eccCorrected", "eccCorrected:dram"]),
            ("ecc-uncorrected", ["eccUncorrected", "eccUncorrected:dram"]),
            ("ecc-corrected-volatile", ["eccCorrectedVolatile", "eccCorrectedVolatile:dram"]),
            ("ecc-uncorrected-volatile", ["eccUncorrectedVolatile", "eccUncorrectedVolatile:dram"]),
            ("ecc-corrected-sram", ["eccCorrected:sram", "eccCorrectedVolatile:sram"]),
            ("ecc-uncorrected-sram", ["eccUncorrected:sram", "eccUncorrectedVolatile:sram"]),
            ("retired-pages-corrected", ["retiredPages:corrected"]),
            ("retired-pages-uncorrected", ["retiredPages:uncorrected"]),
            ("retired-pages-pending", ["retiredPagesPending"]),
            ("row-remap-pending", Self.rows), ("row-banks-max", Self.banks), ("clock-events", Self.causes),
            ("pcie-generation", ["pcieGeneration"]), ("pcie-generation-maximum", ["pcieGenerationMaximum"]),
            ("pcie-width", ["pcieWidth"]), ("pcie-width-maximum", ["pcieWidthMaximum"]),
            ("pcie-replays", ["pcieReplays"]), ("pcie-receive", ["pcieReceive"]),
            ("pcie-transmit", ["pcieTransmit"]), ("recovery-action", ["recoveryAction"]), ("event-count", []),
        ]
        let whole = names(try #require(try await read(try TestHost(Self.pair)).samples.first))
        for (figure, lost) in costs {
            let host = try TestHost(Self.pair)
            try host.host.set("nvidia:0", figure: figure, to: nil)
            let reading = try await read(host)
            let left = names(try #require(reading.samples.first))
            #expect(left == whole.subtracting(lost) && lost.isSubset(of: whole), "\(figure)")
            #expect(reading.samples.count == 2 && names(reading.samples[1]).contains("energy"), "the neighbour's")
        }
    }

    private static let rows: Set<String> = [
        "rowsRemapped:corrected", "rowsRemapped:uncorrected", "rowRemapPending", "rowRemapFailed",
    ]
    private static let banks = Set(["max", "high", "partial", "low", "none"].map { "rowBanks:\($0)" })
    private static let causes = Set(
        [
            "application-clocks", "power-cap", "hardware-slowdown", "sync-boost", "thermal", "hardware-thermal",
            "power-brake",
        ].map { "throttle:\($0)" })

    @Test func `bytes over PCI Express are counted, not waited for, and a counter that wraps is no rate`() async throws
    {
        let host = try TestHost(Self.pair)
        try host.host.set("nvidia:0", figure: "pcie-receive", to: 2_000_000)
        try host.host.set("nvidia:0", figure: "pcie-transmit", to: 1_000_000)
        let manager = try manager(host)
        let id = try #require(await manager.inventory().first?.id)
        _ = await manager.sample()
        try await Task.sleep(for: .milliseconds(300))
        let signals = try #require(await manager.sample().samples[id]?.signals)
        // The simulated counter counts by the millisecond.
        let received = try #require(signals[.pcieReceive]), transmitted = try #require(signals[.pcieTransmit])
        #expect(abs(received - 2e9) < 5e7 && abs(transmitted - 1e9) < 5e7, "\(received) \(transmitted)")
        try host.host.set("nvidia:0", figure: "pcie-receive", to: 1)
        let wrapped = try #require(await manager.sample().samples[id]?.signals)
        #expect(wrapped[.pcieReceive] == nil && wrapped[.pcieTransmit] != nil)
        await manager.stop()
    }

    @Test func `what is read in turn is read within six passes, also of a card after the first`() async throws {
        let host = try TestHost(Self.pair)
        let manager = try manager(host)
        let ids = await manager.inventory().map(\.id)
        _ = await manager.sample()
        for card in ["nvidia:0", "nvidia:1"] { try host.host.set(card, figure: "ecc-uncorrected", to: 9) }
        try host.host.set("nvidia:0", .temperature, to: 77)
        #expect(await manager.sample().samples[ids[0]]?.temperatureCelsius == 77, "that is read each time")
        var last = DeviceSweep()
        for _ in 0..<5 { last = await manager.sample() }
        #expect(ids.map { last.samples[$0]?.signals[.eccUncorrected] } == [9, 9])
        await manager.stop()
    }

    @Test(arguments: [
        ("row-remap-pending", 1, DeviceSample.VendorHealth.warning), ("row-remap-failed", 1, .critical),
        ("recovery-action", 1, .warning), ("recovery-action", 0, .good),
    ])
    func `what NVML says of a card's health is its rows and its recovery action`(
        figure: String, value: UInt64, health: DeviceSample.VendorHealth
    ) async throws {
        let host = try TestHost(Self.pair)
        try host.host.set("nvidia:0", figure: figure, to: value)
        #expect(try await read(host).samples.first?.vendorHealth == health)
    }
}

// MARK: Ages of the library

extension NVIDIABackendTests {
    /// A copy of the simulated library in which functions have other names.
    private struct Lacking {
        let directory: TemporaryDirectory

        init(_ symbols: [String]) throws {
            directory = try TemporaryDirectory()
            var library = try Data(contentsOf: URL(filePath: "\(NativeArtifacts.simulatedLibraries)/libnvidia-ml.so.1"))
            for symbol in symbols {
                let name = Data([0] + Array(symbol.utf8) + [0])
                var found = false
                while let range = library.range(of: name) {
                    library[range.lowerBound + 1] = UInt8(ascii: "x")
                    found = true
                }
                try #require(found, "\(symbol) is no name in the library")
            }
            try library.write(to: URL(filePath: directory.file("libnvidia-ml.so.1")))
        }
    }

    @Test func `each missing function costs its own values and nothing else`() async throws {
        let first: Set<String> = Set(["crc", "replay", "recovery", "ecc"].map { "linkErrors:0/\($0)" })
        let second: Set<String> = Set(["crc", "replay", "recovery"].map { "linkErrors:0/\($0)" })
        let places = Set(
            ["eccCorrected", "eccUncorrected", "eccCorrectedVolatile", "eccUncorrectedVolatile"].flatMap {
                ["\($0):dram", "\($0):sram"]
            })
        let costs: [String: Set<String>] = [
            "nvmlDeviceGetMemoryInfo_v2": ["memoryReserved"],
            "nvmlDeviceGetUtilizationRates": ["utilization", "memoryUtilization"],
            "nvmlDeviceGetTemperatureThreshold": ["temperatureShutdown", "temperatureSlowdown"],
            "nvmlDeviceGetPowerUsage": ["power"], "nvmlDeviceGetEnforcedPowerLimit": ["powerLimit"],
            "nvmlDeviceGetTotalEnergyConsumption": ["energy"],
            "nvmlDeviceGetClockInfo": ["clock:compute", "clock:memory"],
            "nvmlDeviceGetMaxClockInfo": ["clockMaximum:compute", "clockMaximum:memory"],
            "nvmlDeviceGetEccMode": ["eccMode"],
            "nvmlDeviceGetTotalEccErrors": [
                "eccCorrected", "eccUncorrected", "eccCorrectedVolatile", "eccUncorrectedVolatile",
            ],
            "nvmlDeviceGetMemoryErrorCounter": places,
            "nvmlDeviceGetRetiredPages": ["retiredPages:corrected", "retiredPages:uncorrected"],
            "nvmlDeviceGetRetiredPagesPendingStatus": ["retiredPagesPending"],
            "nvmlDeviceGetRemappedRows": Self.rows, "nvmlDeviceGetRowRemapperHistogram": Self.banks,
            "nvmlDeviceGetCurrPcieLinkGeneration": ["pcieGeneration"],
            "nvmlDeviceGetMaxPcieLinkGeneration": ["pcieGenerationMaximum"],
            "nvmlDeviceGetCurrPcieLinkWidth": ["pcieWidth"], "nvmlDeviceGetMaxPcieLinkWidth": ["pcieWidthMaximum"],
            "nvmlDeviceGetPcieReplayCounter": ["pcieReplays"],
            "nvmlDeviceGetNvLinkState": first.union(["linkUp:0"]), "nvmlDeviceGetNvLinkErrorCounter": first,
            "nvmlDeviceGetFieldValues": Self.rates.union(second).union(["memoryTemperature", "recoveryAction"]),
        ]
        let required: Set<String> = [
            "nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID",
        ]
        // A library without any of ours says which there are.
        let bare = try await MadeLibrary("libnvidia-ml.so.1", "int other(void) { return 0; }\n")
        let empty = try manager(try TestHost(Self.pair), libraries: bare.directory.path)
        _ = await empty.sample()
        let all = try #require(await empty.symbols().first?.report?.missing)
        await empty.stop()
        #expect(all.count > 60 && required.isSubset(of: all))

        let host = try TestHost(Self.pair)
        let whole = try await read(host)
        for symbol in all where !required.contains(symbol) {
            let library = try Lacking([symbol])
            let reading = try await read(host, libraries: library.directory.path)
            #expect(
                reading.status.state == .running && reading.devices.map(\.id) == whole.devices.map(\.id), "\(symbol)")
            try #require(reading.samples.count == 2)
            for (sample, before) in zip(reading.samples, whole.samples) {
                let lost = (costs[symbol] ?? []).intersection(names(before))
                // Errors of a lane come by field from NVLink 4 on, and by counter before.
                let left = names(before).subtracting(lost)
                let isOther =
                    symbol == "nvmlDeviceGetNvLinkErrorCounter" && !names(before).contains("linkErrors:0/ecc")
                    || symbol == "nvmlDeviceGetFieldValues" && names(before).contains("linkErrors:0/ecc")
                let expected = isOther ? left.union(second.intersection(names(before))) : left
                #expect(names(sample) == expected, "\(symbol)")
                // The first revision counts the driver's own as used.
                let more = symbol == "nvmlDeviceGetMemoryInfo_v2" ? before.signals[.memoryReserved] ?? 0 : 0
                #expect(sample.memoryUsed == before.memoryUsed?.adding(ByteCount(UInt64(more))), "\(symbol)")
            }
        }
    }

    @Test func `names for one thing are tried from the newest to the oldest`() async throws {
        let host = try TestHost(Self.pair)
        let whole = try await read(host)
        let ladders = [
            ["nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"],
            ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"],
            ["nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"],
        ]
        for ladder in ladders {
            for symbol in ladder {
                let library = try Lacking([symbol])
                let reading = try await read(host, libraries: library.directory.path)
                #expect(reading.samples.map { names($0) } == whole.samples.map { names($0) }, "without \(symbol)")
                #expect(reading.devices.map(\.details.runtimeVersion) == ["13.0", "13.0"])
            }
            let library = try Lacking(ladder)
            let none = try await read(host, libraries: library.directory.path)
            let isLess = none.samples.map { names($0) } != whole.samples.map { names($0) }
            #expect(isLess || none.devices.first?.details.runtimeVersion == nil, "without \(ladder)")
        }
    }

    @Test func `the library of driver 450 gives what it has, in its own records`() async throws {
        let host = try TestHost(Self.pair)
        let client = try Client(vendor: .nvidia, stateFile: host.host.path, bytes: 64 << 20)
        try host.host.set("nvidia:0", figure: "clock-events", to: 0x80)
        let manager = try manager(host, libraries: Self.older)
        let devices = await manager.inventory()
        let id = try #require(devices.first?.id)
        #expect(devices.map(\.driverVersion) == ["450.248.02", "450.248.02"])
        #expect(devices.map(\.details.runtimeVersion) == ["11.0", "11.0"])
        #expect(devices.first?.details.links.map(\.peer) == [.unknown], "the call that tells came later")
        #expect(devices.first?.details.links.map(\.bandwidthGBps) == [25], "by its version")
        let sees = await eventually {
            await manager.sample().samples[id]?.processes == [.init(pid: client.pid, memory: .mebibytes(64))]
        }
        #expect(sees, "16-byte records")
        try host.host.set("nvidia:0", figure: "event", to: 48)
        try host.host.set("nvidia:0", figure: "event-count", to: 1)
        let sample = try #require(await manager.sample().samples[id])
        #expect(sample.events == [DeviceEvent(kind: .xid, code: 48)])
        #expect(sample.signals[.throttle, "power-brake"] == 1 && sample.temperatureCelsius == 41)
        #expect(sample.memoryUsed == .mebibytes(64 + 512), "the first revision counts the driver's own as used")
        client.stop()
        await manager.stop()
    }

    @Test func `an instance of a driver before 470 has no name of its own, and that is said`() async throws {
        let reading = try await read(try TestHost(Self.cut), libraries: Self.older)
        #expect(reading.devices.count == 1 && reading.devices.first?.details.partition == nil)
        #expect(reading.status.skippedDevices.count == 2, "\(reading.status.skippedDevices)")
        #expect(reading.status.skippedDevices.allSatisfy { $0.contains("'MIG-GPU-") })
    }
}

// MARK: Links

extension NVIDIABackendTests {
    @Test func `links are found by asking, and many have one count of errors each`() async throws {
        let host = try TestHost(
            Scenario(
                name: "links", devices: [.init(vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80))]
            )
        )
        // A gap: lane 3 is not there.
        for lane in 0..<UInt32(24) where lane != 3 {
            try host.host.setLink(
                "nvidia:0", lane: lane, version: 6, isUp: lane != 5, peer: nil, crcErrors: UInt64(lane),
                replayErrors: 1000)
        }
        let reading = try await read(host)
        let links = try #require(reading.devices.first?.details.links)
        #expect(links.map(\.lane) == (0..<24).filter { $0 != 3 })
        #expect(links.allSatisfy { $0.peer == .fabric && $0.peerAddress == nil && $0.version == 6 })
        #expect(links.filter { !$0.up }.map(\.lane) == [5])
        let signals = try #require(reading.samples.first?.signals)
        #expect(signals.all(.linkUp).count == 23 && signals[.linkUp, "5"] == 0)
        #expect(signals.all(.linkErrors).count == 23 && signals[.linkErrors, "7"] == 1007)
        #expect(signals[.utilization] == 0, "there is room for the rest")
    }

    @Test func `a card without links has none`() async throws {
        let reading = try await read(try TestHost(Self.cut))
        #expect(reading.devices.allSatisfy { $0.details.links.isEmpty })
        #expect(reading.samples.allSatisfy { $0.signals.all(.linkUp).isEmpty && $0.signals.all(.linkErrors).isEmpty })
    }
}

// MARK: MIG

extension NVIDIABackendTests {
    @Test func `instances are devices with their share, and their card is none`() async throws {
        let host = try TestHost(Self.cut)
        let reading = try await read(host)
        let whole = host.host.devices[0].id, card = host.host.devices[1].id
        #expect(Set(reading.devices.map(\.id)) == [whole, Self.instance(0), Self.instance(1)])
        let parts = [Self.instance(0), Self.instance(1)].compactMap { id in reading.devices.first { $0.id == id } }
        try #require(parts.count == 2)
        #expect(
            parts.map(\.details.partition) == [
                DevicePartition(card: card, profile: "1g.10gb", slices: 1, cardSlices: 7),
                DevicePartition(card: card, profile: "2g.20gb", slices: 2, cardSlices: 7),
            ])
        #expect(parts.map(\.memory) == [.gibibytes(10), .gibibytes(20)])
        #expect(parts.allSatisfy { $0.model == "NVIDIA H100 80GB HBM3" && $0.index == 1 })
        #expect(parts.allSatisfy { $0.pci == host.host.devices[1].pci })
        for (device, sample) in zip(reading.devices, reading.samples) where device.id != whole {
            #expect(sample.temperatureCelsius == 61 && sample.signals[.eccMode] == 1, "the card's")
            #expect(sample.powerWatts == nil && sample.signals[.energy] == nil, "not to be added up")
            #expect(sample.utilizationPercent == nil && sample.vendorHealth == .good)
        }
    }

    @Test(arguments: [
        [], ["nvmlDeviceGetGpuInstanceId"], ["nvmlDeviceGetAttributes_v2"],
        ["nvmlDeviceGetMaxMigDeviceCount"],
        ["nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"],
    ])
    func `memory and processes are the instance's own`(missing: [String]) async throws {
        let host = try TestHost(Self.cut)
        let client = try ProcessSpawner(
            path: "\(NativeArtifacts.clients)/hcs-client-cuda", arguments: ["alloc", "\(1 << 30)", "hold", "600"],
            environment: [
                "LD_LIBRARY_PATH": NativeArtifacts.simulatedLibraries, "HCS_SIM_STATE": host.host.path,
                "CUDA_VISIBLE_DEVICES": Self.instance(1).uuid,
            ]
        ).spawn()
        defer {
            try? client.signal(SIGKILL)
            _ = try? client.wait(milliseconds: 10_000)
        }
        let library = try Lacking(missing)
        let manager = try manager(host, libraries: library.directory.path)
        let pid = client.pid
        let sees = await eventually {
            let samples = await manager.sample().samples
            return samples[Self.instance(1)]?.processes == [.init(pid: pid, memory: .gibibytes(1))]
                && samples[Self.instance(1)]?.memoryUsed == .gibibytes(1)
                && samples[Self.instance(0)]?.processes == [] && samples[Self.instance(0)]?.memoryUsed == .zero
        }
        #expect(sees)
        #expect(await manager.devices.compactMap(\.details.partition?.slices).sorted() == [1, 2])
        await manager.stop()
    }

    @Test func `a card that is lost takes its instances along, and gives them back`() async throws {
        let host = try TestHost(Self.cut)
        let manager = try manager(host, sweepsPerInventory: 2)
        _ = await manager.inventory()
        try host.host.addFault(.lost, to: "nvidia:1")
        for _ in 0..<3 {
            let samples = await manager.sample().samples
            for id in [Self.instance(0), Self.instance(1)] { #expect(samples[id]?.vendorHealth == .lost) }
            #expect(samples[host.host.devices[0].id]?.vendorHealth == .good)
        }
        try host.host.removeFault(.lost, from: "nvidia:1")
        #expect(await eventually { await manager.sample().samples[Self.instance(0)]?.temperatureCelsius == 61 })
        await manager.stop()
    }
}

// MARK: Events

extension NVIDIABackendTests {
    @Test func `an Xid is told once, with its count, for the card it is of`() async throws {
        let host = try TestHost(Self.pair)
        let manager = try manager(host)
        let ids = await manager.inventory().map(\.id)
        #expect(await manager.sample().samples[ids[0]]?.events == [])
        try host.host.set("nvidia:0", figure: "event", to: 63)
        try host.host.set("nvidia:0", figure: "event-count", to: 3)
        let samples = await manager.sample().samples
        #expect(samples[ids[0]]?.events == [DeviceEvent(kind: .xid, code: 63, count: 3)])
        #expect(samples[ids[1]]?.events == [])
        #expect(await manager.sample().samples[ids[0]]?.events == [], "not again")
        _ = await manager.inventory()
        #expect(await manager.sample().samples[ids[0]]?.events == [], "nor after another inventory")
        // Falling off the bus is told before silence.
        try host.host.set("nvidia:0", figure: "event", to: 79)
        try host.host.set("nvidia:0", figure: "event-count", to: 4)
        try host.host.addFault(.lost, to: "nvidia:0")
        #expect(
            await manager.sample().samples[ids[0]]
                == DeviceSample(vendorHealth: .lost, events: [DeviceEvent(kind: .xid, code: 79)]))
        await manager.stop()
    }

    @Test func `a storm of events is taken in parts, and a card's is each instance's`() async throws {
        let host = try TestHost(Self.cut)
        let manager = try manager(host)
        _ = await manager.inventory()
        try host.host.set("nvidia:1", figure: "event", to: 31)
        try host.host.set("nvidia:1", figure: "event-count", to: 100)
        for expected in [64, 36] as [UInt32] {
            let samples = await manager.sample().samples
            for id in [Self.instance(0), Self.instance(1)] {
                #expect(samples[id]?.events == [DeviceEvent(kind: .xid, code: 31, count: expected)])
            }
        }
        await manager.stop()
    }
}
