import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

/// DCMI through a real worker: both generations, what each function is worth, and answers that cannot be true.
@Suite(.timeLimit(.minutes(5))) struct AscendBackendTests {
    static let simulated = NativeArtifacts.simulatedLibraries
    static let hostile = "\(NativeArtifacts.directory)/hostile"

    /// Two cards of one kind, joined by two lanes of which the first card's second is down.
    private func cards(_ model: String = "910B3", linked: Bool = true) throws -> TestHost {
        let host = try TestHost(
            Scenario(
                name: "ascend",
                devices: (0..<2).map { _ in
                    .init(
                        vendor: .ascend, model: model, memory: .gibibytes(64), temperature: 52, power: 92,
                        utilization: 30, figures: Self.figures)
                }))
        if linked {
            try host.host.setLink("ascend:0", lane: 1, version: 1, isUp: true, peer: "ascend:1")
            try host.host.setLink(
                "ascend:0", lane: 3, version: 1, isUp: false, peer: "ascend:1", crcErrors: 1 << 33, replayErrors: 12)
        }
        return host
    }

    static let figures: [String: UInt64?] = [
        "memory-temperature": 61, "memory-utilization": 44, "vector-utilization": 21, "control-utilization": 5,
        "clock-compute": 1650, "clock-compute-maximum": 1850, "clock-memory": 1601, "ecc-corrected": 7,
        "ecc-uncorrected": 1, "ecc-corrected-volatile": 3, "ecc-uncorrected-volatile": 2, "ecc-corrected-sram": 40,
        "ecc-uncorrected-sram": 50, "retired-pages-corrected": 6, "retired-pages-uncorrected": 8,
        "retired-pages-pending": 1, "pcie-replays": 9,
    ]

    /// What a driver of today tells about the first card of that host.
    static let all: [String: Double] = [
        "temperature": 52, "memoryTemperature": 61, "power": 92, "utilization": 30, "memoryUtilization": 44,
        "engineUtilization:aicore": 30, "engineUtilization:vector": 21, "engineUtilization:aicpu": 5,
        "engineUtilization:control": 5, "clock:compute": 1650, "clock:vector": 1650, "clock:memory": 1601,
        "clockMaximum:compute": 1850, "eccMode": 1, "eccCorrected": 47, "eccCorrected:dram": 7,
        "eccCorrected:sram": 40, "eccUncorrected": 51, "eccUncorrected:dram": 1, "eccUncorrected:sram": 50,
        "eccCorrectedVolatile": 3, "eccCorrectedVolatile:dram": 3, "eccCorrectedVolatile:sram": 0,
        "eccUncorrectedVolatile": 2, "eccUncorrectedVolatile:dram": 2, "eccUncorrectedVolatile:sram": 0,
        "retiredPages:corrected": 6, "retiredPages:uncorrected": 8, "pcieReplays": 9, "pcieErrors:transmit": 0,
        "pcieErrors:receive": 0, "pcieErrors:lcrc": 9, "pcieErrors:ecrc": 0, "linkUp:1": 1, "linkUp:3": 0,
        "linkErrors:1/crc": 0, "linkErrors:1/replay": 0, "linkErrors:3/crc": 8_589_934_592, "linkErrors:3/replay": 12,
    ]
    static let links = Set(all.keys.filter { $0.hasPrefix("link") })

    private func start(_ host: borrowing TestHost, _ libraries: String = simulated) throws -> DeviceManager {
        DeviceManager(
            sources: [host.source(.ascend, libraries: libraries)], executable: try workerExecutable(), timing: .patient)
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

    @Test func `every signal has the library's figure in its own unit`() async throws {
        let host = try cards()
        try host.host.set("ascend:0", .usedElsewhere, to: 5 << 30)
        try host.host.set("ascend:0", figure: "fault-code", to: 0x80E0_1801)
        let (devices, sample, status) = try await ask(host)
        #expect(differences(sample, Self.all) == [])
        #expect(sample?.memoryUsed == .gibibytes(5))
        #expect(sample?.vendorHealth == .warning && sample?.faultCodes == [0x80E0_1801])
        #expect(status.droppedValues == 0 && devices.map(\.id) == host.host.devices.map(\.id))
    }

    @Test func `a device tells its serial, board, firmware, target and links`() async throws {
        let host = try cards()
        let device = try #require(try await ask(host).devices.first)
        let uuid = host.host.devices[0].uuid.bytes.suffix(4).map { String(format: "%02X", $0) }.joined()
        #expect(
            device.details
                == DeviceDetails(
                    serial: "2102" + uuid, partNumber: "board 0x62 PCB 1 BOM 1", firmware: "7.5.0.1.129",
                    architecture: "Ascend910B3",
                    links: [
                        DeviceLink(kind: .hccs, lane: 1, up: true, peer: .device, bandwidthGBps: 28),
                        DeviceLink(kind: .hccs, lane: 3, up: false, peer: .device),
                    ]))
        #expect(device.driverVersion == "24.1.rc3" && device.pci == host.host.devices[0].pci)
        try host.host.setLink("ascend:0", lane: 1, version: 1, isUp: true, peer: nil)
        try host.host.setLink("ascend:0", lane: 3, version: 1, isUp: true, peer: nil)
        #expect(try await ask(host).devices.first?.details.links.map(\.peer) == [.fabric, .fabric])
    }

    @Test(arguments: ["310P3", "310"])
    func `a part with DDR has the other memory call's figures`(model: String) async throws {
        let host = try cards(model, linked: false)
        try host.host.set("ascend:0", .usedElsewhere, to: 3 << 30)
        for libraries in [Self.simulated, "\(Self.simulated)/dcmi-old"] {
            let (devices, sample, _) = try await ask(host, libraries)
            #expect(devices.first?.memory == .gibibytes(64))
            // The old call tells per cent.
            let used: ByteCount = libraries == Self.simulated ? .gibibytes(3) : ByteCount((64 << 30) / 100 * 4)
            #expect(sample?.memoryUsed == used)
            #expect(sample?.signals[.clock, "memory"] == 1601 && sample?.signals[.memoryUtilization] == 44)
            #expect(sample?.signals[.memoryTemperature] == nil && sample?.signals[.eccCorrected, "dram"] == 7)
        }
    }

    @Test(arguments: ["", "/dcmi950"])
    func `a 950 is asked by its own calls, whether the library has others or not`(variant: String) async throws {
        let host = try cards("950PR", linked: false)
        let (devices, sample, status) = try await ask(host, Self.simulated + variant)
        #expect(status.state == .running && devices.map(\.id) == host.host.devices.map(\.id))
        #expect(devices.map(\.index) == [0, 1] && devices.first?.model == "950PR")
        #expect(devices.first?.details.architecture == "Ascend950PR" && devices.first?.details.serial != nil)
        var expected = Self.all.filter { !Self.links.contains($0.key) }
        // Its library is built with the longer struct.
        if !variant.isEmpty { expected["retiredPagesPending"] = 1 }
        #expect(differences(sample, expected) == [])
        #expect(sample?.vendorHealth == .good)
        let client = try Client(vendor: .ascend, stateFile: host.host.path, bytes: 64 << 20)
        let manager = try start(host, Self.simulated + variant)
        let id = host.host.devices[0].id
        let seen = await eventually {
            await manager.sample().samples[id]?.processes.contains { $0.pid == client.pid } == true
        }
        #expect(seen)
        try host.host.addFault(.lost, to: "ascend:0")
        #expect(await manager.sample().samples[id] == DeviceSample(vendorHealth: .lost))
        await manager.stop()
    }

    @Test func `an old driver gives what its calls give`() async throws {
        let host = try cards()
        try host.host.set("ascend:0", figure: "fault-code", to: 5)
        let (devices, sample, status) = try await ask(host, "\(Self.simulated)/dcmi-old")
        #expect(status.state == .running && devices.map(\.id) == host.host.devices.map(\.id))
        #expect(devices.map(\.model) == ["910B3", "910B3"])
        var expected = Self.all
        expected["linkErrors:3/crc"] = Double(UInt32.max)
        #expect(differences(sample, expected) == [])
        #expect(sample?.vendorHealth == .warning && sample?.faultCodes == [])
    }

    /// What is lost without a function, where that is a signal; every other has a second way or is no signal.
    static let worth: [String: Set<String>] = [
        "dcmi_get_device_temperature": ["temperature"],
        "dcmi_get_device_hbm_info": ["memoryTemperature"],
        "dcmi_get_device_frequency": ["clock:compute", "clock:vector", "clockMaximum:compute"],
        "dcmi_get_device_utilization_rate": ["engineUtilization:aicpu", "engineUtilization:control"],
        "dcmi_get_device_ecc_info": Set(all.keys.filter { $0.hasPrefix("ecc") || $0.hasPrefix("retired") }),
        "dcmi_get_device_info": Set(all.keys.filter { $0.hasPrefix("pcie") }).union(links),
    ]

    @Test func `a function that is missing costs its own figures and nothing else`() async throws {
        let host = try cards()
        let reference = try start(host, "\(Self.simulated)/dcmi950")
        _ = await reference.inventory()
        let names = await reference.symbols().first?.report?.missing ?? []
        await reference.stop()
        try #require(names.count == 29, "the classic functions are those that the 950's library lacks")
        for name in names {
            let library = try ReducedLibrary("\(Self.simulated)/libdcmi.so", without: [name])
            let (devices, sample, status) = try await ask(host, library.directory.path)
            withExtendedLifetime(library) {}
            switch name {
            case "dcmi_init", "dcmi_get_device_num_in_card":
                #expect(devices.isEmpty && status.state == .absent, "\(name): \(status)")
            case "dcmi_get_device_hbm_info":
                // Without DDR in its place nobody knows the memory, and a device without memory is none.
                #expect(devices.isEmpty && status.skippedDevices.count == 2, "\(name): \(status)")
            default:
                #expect(status.state == .running && status.droppedValues == 0, "\(name): \(status)")
                // Without the die id it is the serial.
                let ids = name == "dcmi_get_device_die_v2" ? devices.compactMap(\.details.serial) : []
                #expect(devices.map(\.id.uuid) == (ids.isEmpty ? host.host.devices.map(\.id.uuid) : ids), "\(name)")
                let expected = Self.all.filter { !(Self.worth[name] ?? []).contains($0.key) }
                #expect(differences(sample, expected) == [], "\(name)")
                #expect(sample?.vendorHealth == (name == "dcmi_get_device_health" ? nil : .good), "\(name)")
            }
        }
    }

    /// The signals that go when the library does not support a figure.
    static let supported: [String: Set<String>] = [
        "memory-temperature": ["memoryTemperature"], "memory-utilization": ["memoryUtilization"],
        "vector-utilization": ["engineUtilization:vector"],
        "control-utilization": ["engineUtilization:aicpu", "engineUtilization:control"],
        "clock-compute": ["clock:compute", "clock:vector"], "clock-compute-maximum": ["clockMaximum:compute"],
        "clock-memory": ["clock:memory"], "ecc-mode": worth["dcmi_get_device_ecc_info"] ?? [],
        "ecc-corrected": worth["dcmi_get_device_ecc_info"] ?? [],
        "ecc-corrected-sram": Set(all.keys.filter { $0.hasSuffix("sram") }),
        "pcie-replays": Set(all.keys.filter { $0.hasPrefix("pcie") }),
    ]

    @Test(arguments: supported.keys.sorted())
    func `a figure that is not supported is absent, and the others are there`(figure: String) async throws {
        let host = try cards()
        try host.host.set("ascend:0", figure: figure, to: nil)
        let (_, sample, status) = try await ask(host)
        var expected = Self.all.filter { !(Self.supported[figure] ?? []).contains($0.key) }
        if figure == "ecc-corrected-sram" { (expected["eccCorrected"], expected["eccUncorrected"]) = (7, 1) }
        #expect(differences(sample, expected) == [])
        #expect(status.droppedValues == 0, "absent is not the same as implausible")
    }

    @Test(arguments: ["910B3", "950PR"])
    func `garbage neither ends the worker nor becomes a figure`(model: String) async throws {
        let host = try cards(model, linked: false)
        let manager = try start(host, Self.hostile)
        for seed in 0..<40 {
            try host.host.set("ascend:0", figure: "event-count", to: UInt64(seed))
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

    @Test func `a device that moves to another card number keeps its figures`() async throws {
        let place = try TemporaryDirectory()
        let made = try await MadeLibrary(
            "libdcmi.so",
            """
            #include <string.h>
            #include <unistd.h>
            static int who(int card) { return access("\(place.file("swapped"))", F_OK) == 0 ? 1 - card : card; }
            int dcmi_init(void) { return 0; }
            int dcmi_get_card_list(int *n, int *list, int room) { *n = 2; list[0] = 0; list[1] = 1; return 0; }
            int dcmi_get_device_num_in_card(int card, int *n) { *n = 1; return 0; }
            int dcmi_get_device_die_v2(int card, int device, unsigned kind, unsigned *die) {
                for (int i = 0; i < 5; i++) die[i] = 7 + who(card);
                return 0;
            }
            int dcmi_get_device_hbm_info(int card, int device, unsigned long long *info) {
                memset(info, 0, 32); info[0] = 65536; return 0;
            }
            int dcmi_get_device_temperature(int card, int device, int *celsius) { *celsius = 40 + who(card); return 0; }

            """)
        let manager = DeviceManager(
            sources: [
                VendorSource(
                    vendor: .ascend, kind: .simulated(libraryDirectory: made.directory.path, stateFile: "/dev/null"))
            ], executable: try workerExecutable(), timing: .patient)
        let ids = await manager.inventory().map(\.id)
        try #require(ids.count == 2)
        for isSwapped in [false, true] {
            if isSwapped { try place.write("", to: "swapped") }
            let samples = await manager.sample().samples
            #expect(ids.map { samples[$0]?.temperatureCelsius } == [40, 41], "swapped: \(isSwapped)")
        }
        withExtendedLifetime((made, place)) {}
        await manager.stop()
    }

    @Test func `a driver that goes away under the library is told, and seen again when it is back`() async throws {
        let host = try cards()
        let manager = try start(host)
        #expect(await manager.sample().workers.first?.state == .running)
        host.host.setLibraryFaults([.initFails], of: .ascend)
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .crashed && status.reason?.contains("the driver does not answer") == true, "\(status)")
        host.host.setLibraryFaults([], of: .ascend)
        let id = host.host.devices[0].id
        #expect(await eventually { await manager.sample().samples[id]?.temperatureCelsius == 52 })
        await manager.stop()
    }
}
