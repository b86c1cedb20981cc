import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

/// CNDEV through a real worker: three generations, what each function is worth, and answers that cannot be true.
@Suite(.timeLimit(.minutes(5))) struct CambriconBackendTests {
    static let simulated = NativeArtifacts.simulatedLibraries
    static let hostile = "\(NativeArtifacts.directory)/hostile"

    /// Two cards, joined by two ports of which the first card's second is down.
    private func cards() throws -> TestHost {
        let host = try TestHost(
            Scenario(
                name: "cambricon",
                devices: (0..<2).map { _ in
                    .init(
                        vendor: .cambricon, model: "MLU370-X8", memory: .gibibytes(48), numa: 1, temperature: 39,
                        power: 75, utilization: 30, cores: 4, figures: Self.figures)
                }))
        try host.host.setLink("cambricon:0", lane: 0, version: 1, isUp: true, peer: "cambricon:1")
        try host.host.setLink(
            "cambricon:0", lane: 1, version: 1, isUp: false, peer: "cambricon:1", crcErrors: 11, replayErrors: 12)
        return host
    }

    static let figures: [String: UInt64?] = [
        "memory-temperature": 61, "board-temperature": 47, "power-limit": 250_000, "clock-compute": 1650,
        "clock-compute-maximum": 1850, "clock-memory": 1601, "clock-events": 0x84, "ecc-corrected": 7,
        "ecc-uncorrected": 1, "ecc-corrected-volatile": 3, "ecc-uncorrected-volatile": 2, "ecc-corrected-sram": 40,
        "ecc-uncorrected-sram": 50, "retired-pages-corrected": 6, "retired-pages-uncorrected": 8,
        "retired-pages-pending": 1, "rows-remapped-corrected": 10, "rows-remapped-uncorrected": 11,
        "row-remap-pending": 1, "row-banks-none": 2, "row-banks-partial": 3, "pcie-generation": 4, "pcie-width": 8,
        "pcie-replays": 9, "pcie-receive": 1000, "pcie-transmit": 2000, "memory-reserved": 512 << 20,
    ]

    /// What a library of 2024 tells about the first card of that host.
    static let all: [String: Double] = [
        "temperature": 39, "memoryTemperature": 61, "boardTemperature": 47, "power": 75, "powerLimit": 250,
        "memoryReserved": 536_870_912, "utilization": 30, "engineUtilization:core-0": 30,
        "engineUtilization:core-1": 30, "engineUtilization:core-2": 30, "engineUtilization:core-3": 30,
        "clock:compute": 1650, "clock:memory": 1601, "clockMaximum:compute": 1850, "throttle:thermal": 0,
        "throttle:power-cap": 1, "throttle:tdp": 0, "throttle:power-brake": 1, "throttle:clock-setting": 0,
        "throttle:clock-locked": 0, "eccMode": 1, "eccCorrected": 47, "eccCorrected:dram": 7, "eccCorrected:sram": 40,
        "eccUncorrected": 51, "eccUncorrected:dram": 1, "eccUncorrected:sram": 50, "eccCorrectedVolatile": 3,
        "eccCorrectedVolatile:dram": 3, "eccCorrectedVolatile:sram": 0, "eccUncorrectedVolatile": 2,
        "eccUncorrectedVolatile:dram": 2, "eccUncorrectedVolatile:sram": 0, "retiredPages:corrected": 6,
        "retiredPages:uncorrected": 8, "retiredPagesPending": 1, "rowsRemapped:corrected": 10,
        "rowsRemapped:uncorrected": 11, "rowRemapPending": 1, "rowRemapFailed": 0, "rowBanks:none": 2,
        "rowBanks:partial": 3, "rowBanks:max": 640, "pcieGeneration": 4, "pcieWidth": 8, "pcieGenerationMaximum": 5,
        "pcieWidthMaximum": 16, "pcieReplays": 9, "pcieReceive": 1_000_000, "pcieTransmit": 2_000_000, "linkUp:0": 1,
        "linkUp:1": 0, "linkErrors:0/crc": 0, "linkErrors:0/replay": 0, "linkErrors:0/ecc": 0,
        "linkErrors:0/fec-corrected": 0, "linkErrors:0/fec-uncorrected": 0, "linkErrors:1/crc": 11,
        "linkErrors:1/replay": 12, "linkErrors:1/ecc": 0, "linkErrors:1/fec-corrected": 0,
        "linkErrors:1/fec-uncorrected": 0,
    ]

    private static func keys(_ isWanted: (String) -> Bool) -> Set<String> { Set(all.keys.filter(isWanted)) }
    static let cores = keys { $0.contains("core-") }
    static let clocks = keys { $0.hasPrefix("clock") }
    static let throttle = keys { $0.hasPrefix("throttle") }
    /// All ECC counters but the totals that an older call tells too.
    static let counters = keys {
        $0.hasPrefix("eccC") || $0.hasPrefix("eccU")
    }.subtracting(["eccCorrectedVolatile", "eccUncorrectedVolatile"])
    static let banks = keys { $0.hasPrefix("rowBanks") }

    private func start(_ host: borrowing TestHost, _ libraries: String = simulated) throws -> DeviceManager {
        DeviceManager(
            sources: [host.source(.cambricon, libraries: libraries)], executable: try workerExecutable(),
            timing: .patient)
    }

    /// One pass with that library: the devices and the first one's sample.
    private func ask(_ host: borrowing TestHost, _ libraries: String = simulated) async throws -> (
        devices: [Device], sample: DeviceSample?, status: VendorStatus
    ) {
        let manager = try start(host, libraries)
        let sweep = await manager.sample()
        let devices = await manager.devices
        await manager.stop()
        return (devices, devices.first.flatMap { sweep.samples[$0.id] }, try #require(sweep.workers.first))
    }

    @Test(arguments: ["", "/cndev2025"])
    func `every signal has the library's figure in its own unit`(variant: String) async throws {
        let host = try cards()
        try host.host.set("cambricon:0", .usedElsewhere, to: 5 << 30)
        try host.host.set("cambricon:0", figure: "fault-code", to: 15)
        let (devices, sample, status) = try await ask(host, Self.simulated + variant)
        #expect(differences(sample, Self.all) == [])
        #expect(sample?.memoryUsed == .gibibytes(5))
        #expect(sample?.vendorHealth == .warning && sample?.faultCodes == [15])
        #expect(status.droppedValues == 0 && devices.map(\.id) == host.host.devices.map(\.id))
    }

    @Test(arguments: ["", "/cndev2022", "/cndev2025"])
    func `a device tells its serial, firmware and links, whatever the library's year`(variant: String) async throws {
        let host = try cards()
        let device = try #require(try await ask(host, Self.simulated + variant).devices.first)
        let uuid = host.host.devices[0].uuid.bytes.suffix(5).map { String(format: "%02x", $0) }.joined()
        #expect(
            device.details
                == DeviceDetails(
                    serial: "522003" + uuid, firmware: "1.1.4",
                    links: [
                        DeviceLink(
                            kind: .mlulink, lane: 0, up: true, peer: .device, peerAddress: host.host.devices[1].pci,
                            bandwidthGBps: 25),
                        DeviceLink(kind: .mlulink, lane: 1, up: false, bandwidthGBps: 25),
                    ]))
        #expect(device.model == "MLU370-X8" && device.driverVersion == "6.2.11" && device.numaNode == 1)
        #expect(device.pci == host.host.devices[0].pci && device.memory == .gibibytes(48))
    }

    @Test func `a library of before 2024 is asked by ordinal and with shorter structs`() async throws {
        let host = try cards()
        try host.host.set("cambricon:0", .usedElsewhere, to: 5 << 30)
        try host.host.set("cambricon:0", figure: "fault-code", to: 15)
        let (_, sample, status) = try await ask(host, "\(Self.simulated)/cndev2022")
        #expect(status.state == .running && status.droppedValues == 0, "\(status)")
        let absent: Set<String> = Self.throttle.union(Self.counters).union(Self.banks).union([
            "memoryTemperature", "memoryReserved", "clockMaximum:compute", "eccMode", "retiredPagesPending",
            "pcieGenerationMaximum", "pcieWidthMaximum", "pcieReplays",
        ]).union(Self.keys { $0.contains("/fec") })
        #expect(differences(sample, Self.all.filter { !absent.contains($0.key) }) == [])
        #expect(sample?.memoryUsed == .gibibytes(5) && sample?.vendorHealth == .good && sample?.faultCodes == [])
        try host.host.addFault(.critical, to: "cambricon:0")
        #expect(try await ask(host, "\(Self.simulated)/cndev2022").sample?.vendorHealth == .critical)
    }

    @Test(arguments: ["/cndev2022", "/cndev2025"])
    func `processes and lost devices are told by every generation`(variant: String) async throws {
        let host = try cards()
        let client = try Client(vendor: .cambricon, stateFile: host.host.path, bytes: 64 << 20)
        let manager = try start(host, Self.simulated + variant)
        let ids = host.host.devices.map(\.id)
        let seen = await eventually {
            await manager.sample().samples[ids[0]]?.processes.contains {
                $0.pid == client.pid && $0.memory >= .mebibytes(64)
            } == true
        }
        #expect(seen)
        try host.host.addFault(.lost, to: "cambricon:0")
        let samples = await manager.sample().samples
        #expect(samples[ids[0]] == DeviceSample(vendorHealth: .lost))
        #expect(samples[ids[1]]?.temperatureCelsius == 39)
        await manager.stop()
    }

    @Test func `an Xid is told once, above the numbers of the health call`() async throws {
        let host = try cards()
        let manager = try start(host)
        let ids = host.host.devices.map(\.id)
        #expect(await manager.sample().samples[ids[1]]?.faultCodes == [])
        try host.host.set("cambricon:1", figure: "event", to: 9)
        try host.host.set("cambricon:1", figure: "event-count", to: 1)
        let samples = await manager.sample().samples
        #expect(samples[ids[1]]?.faultCodes == [1 << 32 + 9] && samples[ids[0]]?.faultCodes == [])
        #expect(await manager.sample().samples[ids[1]]?.faultCodes == [])
        await manager.stop()
    }

    /// What is lost without a function, where that is a signal; every other has a second way or is no signal.
    static let worth: [String: Set<String>] = [
        "cndevGetCoreCount": cores, "cndevGetMemoryUsageV2": ["memoryReserved"],
        "cndevGetTemperatureInfo": ["temperature", "memoryTemperature", "boardTemperature"],
        "cndevGetFrequencyInfo": clocks, "cndevGetDeviceUtilizationInfo": cores.union(["utilization"]),
        "cndevGetEccMode": ["eccMode"], "cndevGetMemEccCounter": counters,
        "cndevGetCurrentPCIInfo": ["pcieGeneration", "pcieWidth"],
        "cndevGetMaxPCIInfo": ["pcieGenerationMaximum", "pcieWidthMaximum"],
        "cndevGetPcieReplayCounter": ["pcieReplays"],
        "cndevGetMLULinkErrorCounter": keys { $0.contains("/fec") },
        "cndevGetMLULinkCounter": keys { $0.hasSuffix("/replay") || $0.hasSuffix("/ecc") },
        "cndevGetRetiredPages": ["retiredPages:corrected", "retiredPages:uncorrected"],
        "cndevGetRemappedRowsV2": banks, "cndevGetRepairStatus": ["retiredPagesPending"],
        "cndevGetPerformanceThrottleReason": throttle,
    ]

    @Test func `a function that is missing costs its own figures and nothing else`() async throws {
        let host = try cards()
        let empty = try await MadeLibrary("libcndev.so", "int nothing;")
        let reference = try start(host, empty.directory.path)
        _ = await reference.inventory()
        let names = await reference.symbols().first?.report?.missing ?? []
        await reference.stop()
        withExtendedLifetime(empty) {}
        try #require(names.count == 51, "a library without functions lacks them all")
        for name in names {
            let library = try ReducedLibrary("\(Self.simulated)/libcndev.so", without: [name])
            let (devices, sample, status) = try await ask(host, library.directory.path)
            withExtendedLifetime(library) {}
            if ["cndevInit", "cndevGetDeviceCount"].contains(name) {
                #expect(devices.isEmpty && status.state == .absent, "\(name): \(status)")
                continue
            }
            #expect(status.state == .running && status.droppedValues == 0, "\(name): \(status)")
            // Without the UUID it is the serial.
            let ids = name == "cndevGetUUID" ? devices.compactMap(\.details.serial) : []
            #expect(devices.map(\.id.uuid) == (ids.isEmpty ? host.host.devices.map(\.id.uuid) : ids), "\(name)")
            let expected = Self.all.filter { !(Self.worth[name] ?? []).contains($0.key) }
            #expect(differences(sample, expected) == [], "\(name)")
            #expect(sample?.vendorHealth == .good, "\(name)")
            #expect(
                devices.first?.pci == host.host.devices[0].pci && devices.first?.driverVersion == "6.2.11", "\(name)")
        }
    }

    /// The signals that go when the library does not support a figure.
    static let supported: [String: Set<String>] = [
        "memory-temperature": ["memoryTemperature"], "board-temperature": ["boardTemperature"],
        "power-limit": ["powerLimit"], "clock-compute": clocks, "clock-events": throttle, "ecc-mode": ["eccMode"],
        "ecc-corrected": counters,
        "ecc-corrected-volatile": counters.union(["eccCorrectedVolatile", "eccUncorrectedVolatile"]),
        "pcie-generation": ["pcieGeneration", "pcieWidth"],
        "pcie-width-maximum": ["pcieGenerationMaximum", "pcieWidthMaximum"], "pcie-replays": ["pcieReplays"],
        "pcie-receive": ["pcieReceive", "pcieTransmit"], "retired-pages-corrected": ["retiredPages:corrected"],
        "retired-pages-pending": ["retiredPagesPending"],
        "rows-remapped-corrected": banks.union(["rowsRemapped:corrected", "rowsRemapped:uncorrected"]),
    ]

    @Test(arguments: supported.keys.sorted())
    func `a figure that is not supported is absent, and the others are there`(figure: String) async throws {
        let host = try cards()
        try host.host.set("cambricon:0", figure: figure, to: nil)
        let (_, sample, status) = try await ask(host)
        let expected = Self.all.filter { !(Self.supported[figure] ?? []).contains($0.key) }
        #expect(differences(sample, expected) == [])
        #expect(status.droppedValues == 0, "absent is not the same as implausible")
    }

    @Test func `garbage neither ends the worker nor becomes a figure`() async throws {
        let host = try cards()
        let manager = try start(host, Self.hostile)
        for seed in 0..<60 {
            try host.host.set("cambricon:0", figure: "event-count", to: UInt64(seed))
            let devices = await manager.inventory()
            let sweep = await manager.sample()
            let status = try #require(sweep.workers.first)
            #expect(status.state == .running && status.restarts == 0, "seed \(seed): \(status)")
            #expect(devices.allSatisfy { PrintableText.isIdentity($0.id.uuid) && $0.details.links.count <= 16 })
            for (key, value) in sweep.samples.values.flatMap(\.signals.values) {
                #expect(key.signal.traits.plausible.contains(value), "seed \(seed): \(key) = \(value)")
            }
        }
        #expect(await !manager.devices.isEmpty, "one device was described well enough")
        await manager.stop()
    }

    @Test func `a device that moves to another index keeps its figures`() async throws {
        let place = try TemporaryDirectory()
        let made = try await MadeLibrary(
            "libcndev.so",
            """
            #include <stdio.h>
            #include <string.h>
            #include <unistd.h>
            static int who(int device) { return access("\(place.file("swapped"))", F_OK) == 0 ? 1 - device : device; }
            int cndevInit(int reserved) { return 0; }
            int cndevGetDeviceCount(unsigned *info) { info[1] = 2; return 0; }
            int cndevGetUUID(char *uuid, int device) { sprintf(uuid + 4, "mlu-%d", who(device)); return 0; }
            int cndevGetMemoryUsageV2(long long *info, int device) { memset(info, 0, 176); info[0] = 1024; return 0; }
            int cndevGetTemperatureInfo(int *info, int device) { info[30] = 40 + who(device); return 0; }

            """)
        let manager = DeviceManager(
            sources: [
                VendorSource(
                    vendor: .cambricon,
                    kind: .simulated(libraryDirectory: made.directory.path, stateFile: "/dev/null"))
            ], executable: try workerExecutable(), timing: .patient)
        #expect(await manager.inventory().map(\.id.uuid) == ["mlu-0", "mlu-1"])
        for isSwapped in [false, true] {
            if isSwapped { try place.write("", to: "swapped") }
            let samples = await manager.sample().samples
            let celsius = ["mlu-0", "mlu-1"].map { samples[DeviceID($0)]?.temperatureCelsius }
            #expect(celsius == [40, 41], "swapped: \(isSwapped)")
        }
        await manager.stop()
        withExtendedLifetime((made, place)) {}
    }

    @Test(arguments: ["", "/cndev2022"])
    func `a driver that goes away under the library is told, and seen again when it is back`(variant: String)
        async throws
    {
        let host = try cards()
        let manager = try start(host, Self.simulated + variant)
        #expect(await manager.sample().workers.first?.state == .running)
        host.host.setLibraryFaults([.initFails], of: .cambricon)
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .crashed && status.reason?.contains("UNINITIALIZED") == true, "\(status)")
        host.host.setLibraryFaults([], of: .cambricon)
        let id = host.host.devices[0].id
        #expect(await eventually { await manager.sample().samples[id]?.temperatureCelsius == 39 })
        await manager.stop()
    }
}
