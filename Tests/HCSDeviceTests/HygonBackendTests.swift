import CHCSSimulation
import CVendorABI
import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

/// ROCm SMI in its three builds.
enum RSMIBuild: String, CaseIterable, Sendable {
    case hygon, amd5, amd6

    var directory: String {
        switch self {
        case .hygon: NativeArtifacts.simulatedLibraries
        case .amd5: NativeArtifacts.simulatedLibraries + "/rocm5"
        case .amd6: NativeArtifacts.simulatedLibraries + "/rocm6"
        }
    }
    var library: String { self == .amd6 ? "librocm_smi64.so.7" : "librocm_smi64.so.1" }
}

/// What a worker says when it is run by hand.
private struct Description {
    var code: Int32
    var library: String?
    var missing: [String]
    var inventory: VendorInventory?
    var samples: [RawSample]
    var errors: [String]

    init(_ directory: String, state: String = "", environment: [String: String] = [:]) throws {
        let process = Process()
        process.executableURL = URL(filePath: try workerExecutable())
        process.arguments = ["--vendor", "hygon", "--describe", "--library-directory", directory]
        process.environment = [
            "PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no", "HCS_SIM_STATE": state,
        ].merging(environment) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        code = process.terminationStatus
        let answers = try bytes.split(separator: UInt8(ascii: "\n")).map { try JSONValue(parsing: Array($0)) }
        errors = answers.compactMap { $0["error"]?["code"]?.string }
        let values = answers.map { $0["ok"] ?? .null }
        library = values.first?["library"]?.string
        missing = values.first?["missing"]?.array?.compactMap(\.string) ?? []
        inventory = values.count > 1 ? try? VendorInventory(json: values[1]) : nil
        samples = values.count > 2 ? (values[2]["samples"]?.array ?? []).compactMap { RawSample(json: $0) } : []
    }

    var devices: [DeviceInventory] { inventory?.devices ?? [] }
}

/// Two cards with a lane between them, and one of the first to a switch.
private func pair(_ figures: [String: UInt64?] = [:], model: String = "K100_AI") throws -> TestHost {
    try TestHost(
        Scenario(
            name: "pair",
            devices: [
                .init(
                    vendor: .hygon, model: model, memory: .gibibytes(64), numa: 1, temperature: 47, power: 310,
                    utilization: 63, figures: figures, links: [.init(peer: 1), .init(peer: nil)]),
                .init(vendor: .hygon, model: model, memory: .gibibytes(64), numa: 0, links: [.init(peer: 0)]),
            ]))
}

private let errorFigures: [String: UInt64?] = [
    "ecc-corrected-volatile": 7, "ecc-uncorrected-volatile": 2, "ecc-corrected-sram": 1, "pcie-replays": 5,
    "memory-utilization": 12, "retired-pages-uncorrected": 3, "retired-pages-pending": 1, "pcie-generation": 3,
    "pcie-width": 8,
]

private func plain(_ signals: SignalReadings) -> [String: Double] {
    Dictionary(uniqueKeysWithValues: signals.values.map { ($0.key.description, $0.value) })
}

@Suite(.timeLimit(.minutes(5))) struct HygonBackendTests {
    private static let common: [String: Double] = [
        "temperature": 47, "temperature:junction": 47, "temperature:edge": 43, "memoryTemperature": 42,
        "memoryTemperature:hbm0": 42, "memoryTemperature:hbm1": 43, "memoryTemperature:hbm2": 44,
        "memoryTemperature:hbm3": 45, "temperatureSlowdown": 87, "temperatureShutdown": 92, "power": 310,
        "powerLimit": 700, "utilization": 63, "memoryUtilization": 12, "clock:compute": 1200,
        "clockMaximum:compute": 1980, "clock:memory": 1600, "clockMaximum:memory": 2619, "eccMode": 1,
        "eccCorrectedVolatile": 8, "eccUncorrectedVolatile": 2, "eccCorrectedVolatile:dram": 7,
        "eccUncorrectedVolatile:dram": 2, "eccCorrectedVolatile:gfx": 1, "eccUncorrectedVolatile:gfx": 0,
        "retiredPages": 3, "retiredPages:unreservable": 0, "retiredPagesPending": 1, "pcieGeneration": 3,
        "pcieWidth": 8, "pcieGenerationMaximum": 5, "pcieWidthMaximum": 16, "pcieReplays": 5, "linkErrors": 0,
    ]

    @Test(arguments: RSMIBuild.allCases)
    func `every signal is read, with its unit`(build: RSMIBuild) throws {
        let host = try pair(errorFigures)
        try host.host.set("hygon:0", .usedElsewhere, to: 5 << 30)
        let description = try Description(build.directory, state: host.host.path)
        #expect(description.code == 0 && description.missing.isEmpty)
        let sample = try #require(description.samples.first)
        #expect(sample.memoryUsed == 5 << 30)
        var signals = plain(sample.signals)
        let energy = signals.removeValue(forKey: "energy")
        #expect(abs((energy ?? 0) - 1000) < 0.001, "a count of 15.259 microjoules each")
        var expected = Self.common
        if build == .hygon {
            expected["temperature:core"] = 46
            expected["linkUp:0"] = 1
            expected["linkUp:1"] = 1
        }
        #expect(signals == expected)
        #expect(Plausibility.judge(sample, memory: .gibibytes(64)).dropped == 0)
    }

    @Test func `a card of Hygon is described`() throws {
        let host = try pair(model: "0x6210")
        let description = try Description(RSMIBuild.hygon.directory, state: host.host.path)
        #expect(description.library?.hasSuffix("(Hygon's)") == true)
        let device = try #require(description.devices.first)
        let simulated = host.host.devices[0]
        #expect(device.id == simulated.id && device.memory == simulated.memory && device.pci == simulated.pci)
        #expect(device.name == "K100_AI", "a name that is only the device id is looked up")
        #expect(device.numaNode == 1 && device.driverVersion == "6.3.8-V1.9.2" && device.maximumClockMHz == 1980)
        var details = DeviceDetails(
            serial: device.details.serial, firmware: "113-K100AI-01", architecture: "gfx928",
            links: [
                DeviceLink(
                    kind: .xgmi, lane: 0, up: true, peer: .device, peerAddress: host.host.devices[1].pci),
                DeviceLink(kind: .xgmi, lane: 1, up: true),
            ])
        details.maker = nil
        #expect(device.details == details && device.details.serial?.hasPrefix("SIM") == true)
    }

    @Test(arguments: [RSMIBuild.amd5, .amd6])
    func `a card of AMD says that it is AMD's`(build: RSMIBuild) throws {
        let host = try pair(model: "0x740f")
        let description = try Description(build.directory, state: host.host.path)
        #expect(description.library?.hasSuffix("(AMD's)") == true)
        let device = try #require(description.devices.first)
        #expect(device.name == "AMD Instinct MI210" && device.details.maker == "AMD")
        #expect(device.id == host.host.devices[0].id, "as HIP prints it")
        #expect(device.details.architecture == "gfx90a" && device.details.partition == nil)
        let peer = host.host.devices[1].pci
        let link = DeviceLink(
            kind: .xgmi, lane: 1, up: true, peer: .device, peerAddress: peer, bandwidthGBps: 50)
        #expect(device.details.links == [link])
        let shown = Device(
            id: device.id, vendor: .hygon, model: device.name, index: 0, memory: device.memory,
            details: device.details, simulated: true)
        #expect(shown.makerName == "AMD")
    }

    @Test(arguments: [
        ("Aldebaran/MI200 [Instinct MI210]", "AMD Instinct MI210"), ("AMD INSTINCT MI250", "AMD INSTINCT MI250"),
        ("Instinct MI100", "AMD Instinct MI100"), ("[]", "AMD []"), ("N/A", "AMD Instinct MI210"),
    ])
    func `AMD's names are made ones that people know`(reported: String, shown: String) throws {
        let host = try pair(model: reported)
        #expect(try Description(RSMIBuild.amd6.directory, state: host.host.path).devices.first?.name == shown)
    }

    // MARK: What is missing

    /// What goes with a function of Hygon's library: signals, and what else differs.
    private struct Loss {
        var signals: [String] = []
        var device: @Sendable (inout DeviceInventory) -> Void = { _ in }
        var memoryUsed = false
    }

    private static let temperatures = common.keys.filter { $0.lowercased().contains("temperature") }
    private static let losses: [(function: String, loss: Loss)] = [
        ("rsmi_shut_down", Loss()), ("rsmi_status_string", Loss()), ("rsmi_version_get", Loss()),
        ("rsmi_version_str_get", Loss { $0.driverVersion = "1.6" }), ("rsmi_dev_name_get", Loss()),
        ("rsmi_dev_id_get", Loss { $0.details.architecture = nil }), ("rsmi_dev_vendor_id_get", Loss()),
        ("rsmi_dev_unique_id_get", Loss { $0.id = DeviceID("SN-\($0.details.serial ?? "")") }),
        ("rsmi_dev_serial_number_get", Loss { $0.details.serial = nil }),
        ("rsmi_dev_vbios_version_get", Loss { $0.details.firmware = nil }),
        (
            "rsmi_dev_pci_id_get",
            Loss {
                $0.pci = nil
                for lane in $0.details.links.indices { $0.details.links[lane].peer = .unknown }
            }
        ),
        ("rsmi_topo_get_numa_node_number", Loss { $0.numaNode = nil }),
        ("rsmi_dev_memory_usage_get", Loss(memoryUsed: true)),
        ("rsmi_dev_memory_busy_percent_get", Loss(signals: ["memoryUtilization"])),
        (
            "rsmi_dev_memory_reserved_pages_get",
            Loss(signals: ["retiredPages", "retiredPages:unreservable", "retiredPagesPending"])
        ),
        ("rsmi_dev_busy_percent_get", Loss(signals: ["utilization"])),
        ("rsmi_dev_temp_metric_get", Loss(signals: temperatures + ["temperature:core"])),
        ("rsmi_dev_power_ave_get", Loss(signals: ["power"])),
        ("rsmi_dev_power_cap_get", Loss(signals: ["powerLimit"])),
        ("rsmi_dev_energy_count_get", Loss(signals: ["energy"])),
        (
            "rsmi_dev_gpu_clk_freq_get",
            Loss(
                signals: ["clock:compute", "clock:memory", "clockMaximum:compute", "clockMaximum:memory"],
                device: { $0.maximumClockMHz = nil })
        ),
        (
            "rsmi_dev_pci_bandwidth_get",
            Loss(signals: ["pcieGeneration", "pcieGenerationMaximum", "pcieWidth", "pcieWidthMaximum"])
        ),
        ("rsmi_dev_pci_replay_counter_get", Loss(signals: ["pcieReplays"])),
        ("rsmi_dev_ecc_enabled_get", Loss(signals: ["eccMode"])),
        (
            "rsmi_dev_ecc_count_get",
            Loss(signals: common.keys.filter { $0.hasPrefix("eccCorrected") || $0.hasPrefix("eccUncorrected") })
        ),
        ("rsmi_dev_xgmi_error_status", Loss(signals: ["linkErrors"])), ("rsmi_topo_get_link_type", Loss()),
        ("rsmi_minmax_bandwidth_get", Loss()), ("rsmi_compute_process_info_get", Loss()),
        ("rsmi_compute_process_info_by_pid_get", Loss()),
        ("rsmi_compute_process_gpus_get", Loss()), ("rsmi_dev_current_socket_power_get", Loss()),
        (
            "rsmi_dev_xhcl_link_number_get",
            Loss(
                signals: ["linkUp:0", "linkUp:1"],
                device: {
                    let peer = $0.details.links[0].peerAddress
                    $0.details.links = [
                        DeviceLink(
                            kind: .xgmi, lane: 1 - Int($0.index), up: true, peer: .device, peerAddress: peer,
                            bandwidthGBps: 50)
                    ]
                })
        ),
        (
            "rsmi_dev_xhcl_link_state_get",
            Loss(
                signals: ["linkUp:0", "linkUp:1"],
                device: { for lane in $0.details.links.indices { $0.details.links[lane].up = false } })
        ),
        (
            "rsmi_dev_xhcl_link_remote_bdfid_get",
            Loss {
                for lane in $0.details.links.indices {
                    $0.details.links[lane].peerAddress = nil
                    $0.details.links[lane].peer = .unknown
                }
            }
        ),
    ]

    private func expect(_ got: Description, _ whole: Description, less loss: Loss, _ function: String) {
        #expect(got.code == 0 && got.errors.isEmpty, "\(function)")
        let devices = whole.devices.map { device in
            var device = device
            loss.device(&device)
            return device
        }
        #expect(got.devices == devices, "\(function)")
        let samples = zip(whole.samples, devices).map { sample, device in
            var sample = sample
            sample.id = device.id
            if loss.memoryUsed { sample.memoryUsed = nil }
            for name in loss.signals { SignalKey(name).map { sample.signals[$0] = nil } }
            return sample
        }
        #expect(got.samples == samples, "\(function)")
    }

    @Test func `a function the library lacks costs its own values and nothing else`() throws {
        let host = try pair(errorFigures)
        let whole = try Description(RSMIBuild.hygon.directory, state: host.host.path)
        try #require(whole.devices.count == 2)
        let library = try Data(contentsOf: URL(filePath: RSMIBuild.hygon.directory + "/librocm_smi64.so.1"))
        for (function, loss) in Self.losses {
            let directory = try TemporaryDirectory()
            try library.renaming(function).write(to: URL(filePath: directory.file("librocm_smi64.so.1")))
            let got = try Description(directory.file(""), state: host.host.path)
            expect(got, whole, less: loss, function)
        }
    }

    @Test func `a function that answers "not supported" costs its own values and nothing else`() throws {
        let host = try pair(errorFigures)
        let whole = try Description(RSMIBuild.hygon.directory, state: host.host.path)
        for (function, loss) in Self.losses where function != "rsmi_shut_down" {
            let got = try Description(
                RSMIBuild.hygon.directory, state: host.host.path, environment: ["HCS_SIM_REFUSED": function])
            expect(got, whole, less: loss, function)
        }
    }

    @Test func `the list of what each function costs names every function the backend calls`() {
        var names: Set<String> = []
        for position in 0..<hcs_rsmi_symbol_count() {
            names.insert(hcs_rsmi_symbol_name(position).map { String(cString: $0) } ?? "")
        }
        // Without these nothing can be listed.
        names.subtract(["rsmi_init", "rsmi_num_monitor_devices", "rsmi_dev_memory_total_get"])
        #expect(names.subtracting(Self.losses.map(\.function)).isEmpty)
    }

    @Test(arguments: ["rsmi_init", "rsmi_num_monitor_devices", "rsmi_dev_memory_total_get"])
    func `a library without what is needed is named`(function: String) throws {
        let library = try Data(contentsOf: URL(filePath: RSMIBuild.hygon.directory + "/librocm_smi64.so.1"))
        let directory = try TemporaryDirectory()
        try library.renaming(function).write(to: URL(filePath: directory.file("librocm_smi64.so.1")))
        let description = try Description(directory.file(""))
        #expect(description.code == 0 && description.errors == Array(repeating: "symbolsMissing", count: 3))
    }

    @Test func `a figure that a device lacks costs its own signals and nothing else`() throws {
        let lists = [
            "clock-compute": ["clock:compute", "clockMaximum:compute"],
            "clock-memory": ["clock:memory", "clockMaximum:memory"],
            "pcie-generation": ["pcieGeneration", "pcieWidth", "pcieGenerationMaximum", "pcieWidthMaximum"],
            "ecc-corrected-volatile": [
                "eccCorrectedVolatile:dram", "eccUncorrectedVolatile:dram",
            ],
            "memory-temperature": [
                "memoryTemperature", "memoryTemperature:hbm0", "memoryTemperature:hbm1", "memoryTemperature:hbm2",
                "memoryTemperature:hbm3",
            ],
            "temperature-slowdown": ["temperatureSlowdown"], "temperature-shutdown": ["temperatureShutdown"],
            "power-limit": ["powerLimit"], "energy": ["energy"], "memory-utilization": ["memoryUtilization"],
            "pcie-replays": ["pcieReplays"], "ecc-mode": ["eccMode"],
            "retired-pages-uncorrected": ["retiredPages", "retiredPages:unreservable", "retiredPagesPending"],
        ]
        let host = try pair(errorFigures)
        let directory = RSMIBuild.amd6.directory
        let whole = plain(try #require(Description(directory, state: host.host.path).samples.first).signals)
        for (figure, signals) in lists {
            let host = try pair(errorFigures.merging([figure: nil]) { $1 })
            let got = plain(try #require(Description(directory, state: host.host.path).samples.first).signals)
            var expected = whole.filter { !signals.contains($0.key) }
            if figure == "ecc-corrected-volatile" {
                expected["eccCorrectedVolatile"] = 1
                expected["eccUncorrectedVolatile"] = 0
            }
            #expect(got == expected, "\(figure)")
        }
    }

    // MARK: Identity

    @Test func `a card without a unique id is known by its serial number, then by slot and VBIOS, never by index`()
        throws
    {
        let host = try pair()
        func refusing(_ functions: String) throws -> VendorInventory? {
            try Description(
                RSMIBuild.hygon.directory, state: host.host.path, environment: ["HCS_SIM_REFUSED": functions]
            ).inventory
        }
        let serials = try refusing("rsmi_dev_unique_id_get")
        #expect(serials?.devices.allSatisfy { $0.id.uuid.hasPrefix("SN-SIM") } == true && serials?.devices.count == 2)
        let slots = try refusing("rsmi_dev_unique_id_get,rsmi_dev_serial_number_get")
        let pci = host.host.devices.map { "PCI-\($0.pci)-113-K100AI-01" }
        #expect(slots?.devices.map(\.id.uuid) == pci)
        let none = try refusing("rsmi_dev_unique_id_get,rsmi_dev_serial_number_get,rsmi_dev_pci_id_get")
        #expect(none?.devices.isEmpty == true && none?.skipped.count == 2)
    }

    @Test func `a device that moves to another index keeps its identity, one that is gone is lost`() async throws {
        let made = try await Moving()
        try made.place("ab")
        let backend = RSMIBackend()
        try backend.open(.directory(made.library.directory.file("")))
        let before = try backend.inventory().devices
        #expect(before.map(\.id.uuid) == ["GPU-000000000000000a", "GPU-000000000000000b"])
        #expect(before.map(\.index) == [0, 1])
        #expect(try backend.sample().map(\.signals[.utilization]) == [10, 11])
        // The driver was loaded again, and found only the second card.
        try made.place("b")
        let samples = try backend.sample()
        #expect(samples.map(\.id) == before.map(\.id))
        #expect(samples.map(\.health) == [.lost, nil])
        #expect(samples[1].signals[.utilization] == 11)
        try made.place("ba")
        #expect(try backend.sample().map(\.health) == [.lost, nil], "the next listing finds it again")
        #expect(try backend.inventory().devices.map(\.id.uuid) == ["GPU-000000000000000b", "GPU-000000000000000a"])
        #expect(try backend.sample().map(\.signals[.utilization]) == [11, 10])
    }

    @Test func `a driver that is gone makes the library stale`() async throws {
        let made = try await Moving()
        try made.place("a")
        let backend = RSMIBackend()
        try backend.open(.directory(made.library.directory.file("")))
        _ = try backend.inventory()
        try made.place("!")
        let sampled = #expect(throws: DeviceError.self) { try backend.sample() }
        #expect(sampled?.code == .libraryStale && sampled?.vendorCode == 8)
        let listed = #expect(throws: DeviceError.self) { try backend.inventory() }
        #expect(listed?.code == .libraryStale)
    }

    @Test(arguments: RSMIBuild.allCases)
    func `a lost card is lost in every build, and its neighbour as it was`(build: RSMIBuild) async throws {
        let host = try pair()
        let manager = DeviceManager(
            sources: [host.source(.hygon, libraries: build.directory)], executable: try workerExecutable(),
            timing: .patient, sweepsPerInventory: 1000)
        let ids = await manager.inventory().map(\.id)
        try #require(ids.count == 2)
        try host.host.addFault(.lost, to: "hygon:0")
        for _ in 0..<2 {
            let sweep = await manager.sample()
            #expect(sweep.samples[ids[0]] == DeviceSample(vendorHealth: .lost))
            #expect(sweep.samples[ids[1]]?.temperatureCelsius == 45)
        }
        await manager.stop()
    }

    // MARK: Links, processes, parts

    @Test func `the state of a lane and errors of links are followed`() throws {
        let host = try pair()
        try host.host.setLink("hygon:0", lane: 1, version: 4, isUp: false, peer: nil, crcErrors: 9)
        let sample = try #require(Description(RSMIBuild.hygon.directory, state: host.host.path).samples.first)
        #expect(sample.signals.all(.linkUp).map(\.value) == [1, 0])
        #expect(sample.signals[.linkErrors] == 2, "several")
    }

    @Test func `the error status of links never falls, though reading may clear it`() async throws {
        let made = try await Moving()
        try made.place("ab")
        let backend = RSMIBackend()
        try backend.open(.directory(made.library.directory.file("")))
        _ = try backend.inventory()
        try made.setLinkErrors(2)
        #expect(try backend.sample().map(\.signals[.linkErrors]) == [2, 2])
        try made.setLinkErrors(0)
        #expect(try backend.sample().map(\.signals[.linkErrors]) == [2, 2])
    }

    @Test(arguments: RSMIBuild.allCases)
    func `memory of a process on two cards is split only where the library tells how`(build: RSMIBuild) async throws {
        let host = try pair()
        let path = host.host.path
        let both = try holder(of: ["alloc", "\(64 << 20)", "device", "1", "alloc", "\(32 << 20)"], on: path)
        let one = try holder(of: ["alloc", "\(16 << 20)"], on: path)
        defer { for client in [both, one] { kill(client.processIdentifier, SIGKILL) } }
        let hold = await eventually {
            (try? SimulatedHost.open(path: path).usage().count) == 3
        }
        try #require(hold)
        let held = try Description(build.directory, state: path).samples.map { Set($0.processes.map(\.memory)) }
        #expect(
            held == (build == .amd6 ? [[.mebibytes(64), .mebibytes(16)], [.mebibytes(32)]] : [[.mebibytes(16)], []]))
    }

    private func holder(of steps: [String], on state: String) throws -> Process {
        let client = Process()
        client.executableURL = URL(filePath: NativeArtifacts.clients + "/hcs-client-hip")
        client.arguments = steps + ["hold", "600"]
        client.environment = ["LD_LIBRARY_PATH": NativeArtifacts.simulatedLibraries, "HCS_SIM_STATE": state]
        client.standardOutput = FileHandle.nullDevice
        try client.run()
        return client
    }

    @Test func `a card that is cut into virtual DCUs is no device, its parts are`() throws {
        let host = try pair()
        try host.cut(device: 0, into: [(.gibibytes(16), 2), (.gibibytes(32), 4)])
        let description = try Description(RSMIBuild.hygon.directory, state: host.host.path)
        let card = host.host.devices[0].id
        #expect(description.devices.map(\.id.uuid) == ["\(card)-v0", "\(card)-v1", host.host.devices[1].id.uuid])
        #expect(description.devices.map(\.memory) == [.gibibytes(16), .gibibytes(32), .gibibytes(64)])
        #expect(
            description.devices[1].details.partition
                == DevicePartition(card: card, profile: "vdcu1", slices: 68, cardSlices: 120))
        #expect(description.samples.map { $0.signals[.temperature] } == [47, 47, 45], "the card's sensors")
        #expect(description.samples.map { $0.signals[.power] == nil } == [true, true, false], "not to be added up")
        #expect(description.samples.map { $0.signals[.energy] == nil } == [true, true, false])
        #expect(description.samples.map(\.memoryUsed) == [0, 0, 0])
        let amd = try Description(RSMIBuild.amd6.directory, state: host.host.path)
        #expect(amd.devices.count == 2, "AMD's library has no virtual DCUs")
    }

    @Test func `a host without libhydmi has whole cards`() throws {
        let host = try pair()
        try host.cut(device: 0, into: [(.gibibytes(16), 2)])
        let directory = try TemporaryDirectory()
        try FileManager.default.copyItem(
            atPath: RSMIBuild.hygon.directory + "/librocm_smi64.so.1", toPath: directory.file("librocm_smi64.so.1"))
        #expect(try Description(directory.file(""), state: host.host.path).devices.count == 2)
    }

    @Test func `partitions of one card are told apart by their numbers`() async throws {
        let made = try await MadeLibrary("librocm_smi64.so.7", Moving.source("", partitions: true))
        let backend = RSMIBackend()
        try backend.open(.directory(made.directory.file("")))
        let devices = try backend.inventory().devices
        #expect(devices.map(\.id.uuid) == ["GPU-000000000000000a-p0", "GPU-000000000000000a-p1"])
        #expect(devices.map(\.memory) == [.gibibytes(8), .gibibytes(8)], "the first says what the card has")
        #expect(
            devices[1].details.partition
                == DevicePartition(
                    card: DeviceID("GPU-000000000000000a"), profile: "CPX", slices: 1, cardSlices: 2))
        #expect(try backend.inventory().cutUp == [DeviceID("GPU-000000000000000a")])
    }

    // MARK: Hostile libraries

    @Test func `a list of frequencies is read in either layout, and in neither as the other's`() {
        for count in UInt32(1)...33 {
            for current in 0..<count {
                for sleeps in [false, true] {
                    var later = hcs_rsmi_frequencies()
                    later.v6.has_deep_sleep = sleeps
                    later.v6.num_supported = count
                    later.v6.current = current
                    #expect(Self.layout(&later) == [count, current, 16])
                }
                guard count <= 32 else { continue }
                var early = hcs_rsmi_frequencies()
                early.v5.num_supported = count
                early.v5.current = current
                #expect(Self.layout(&early) == [count, current, 8])
            }
        }
        var nonsense = hcs_rsmi_frequencies()
        nonsense.v5.num_supported = .max
        #expect(Self.layout(&nonsense) == [0, 0, 0])
    }

    /// Length, current entry, and where the frequencies begin.
    private static func layout(_ buffer: inout hcs_rsmi_frequencies) -> [UInt32] {
        withUnsafeMutablePointer(to: &buffer) { pointer in
            let list = hcs_rsmi_read_frequencies(pointer)
            let offset = list.frequency.map { UInt32(UnsafeRawPointer($0) - UnsafeRawPointer(pointer)) }
            return [list.count, list.current, offset ?? 0]
        }
    }

    @Test func `whatever a library answers, the worker lives and tells nothing implausible`() async throws {
        let rsmi = try await MadeLibrary("librocm_smi64.so.1", Fuzz.rsmi)
        let hydmi = try await MadeLibrary("libhydmi.so", Fuzz.hydmi)
        try FileManager.default.copyItem(
            atPath: hydmi.directory.file("libhydmi.so"), toPath: rsmi.directory.file("libhydmi.so"))
        var listed = 0
        for seed in 1...48 {
            let description = try Description(rsmi.directory.file(""), environment: ["SEED": "\(seed)"])
            #expect(description.code == 0, "seed \(seed)")
            #expect(Set(description.errors).isSubset(of: ["callFailed", "libraryStale"]), "seed \(seed)")
            listed += description.devices.count
            for sample in description.samples {
                let (judged, _) = Plausibility.judge(sample, memory: .gibibytes(64))
                #expect(judged.signals.values.allSatisfy { $0.key.signal.traits.plausible.contains($0.value) })
            }
        }
        #expect(listed > 48, "the seeds reach the devices")
    }
}

extension Data {
    /// An ELF library without that symbol: its name is another one in the string table, which no look-up finds.
    fileprivate func renaming(_ symbol: String) throws -> Data {
        var copy = self
        let name = Data([0]) + Data(symbol.utf8) + Data([0])
        var start = copy.startIndex
        var found = 0
        while let range = copy.range(of: name, in: start..<copy.endIndex) {
            copy[range.lowerBound + 1] = UInt8(ascii: "X")
            start = range.upperBound - 1
            found += 1
        }
        try #require(found > 0, "\(symbol) is not in the library")
        return copy
    }
}

/// A library whose cards a test moves about: a file names those that the driver has, by a letter each, in their order.
/// As in the real one, the order is read at init only; a card that is gone does not answer.
private struct Moving {
    let control: TemporaryDirectory
    let library: MadeLibrary

    init() async throws {
        control = try TemporaryDirectory()
        library = try await MadeLibrary("librocm_smi64.so.1", Self.source(control.file("cards")))
        try setLinkErrors(0)
    }

    /// `!`: the driver is not loaded.
    func place(_ cards: String) throws {
        try Data(cards.utf8).write(to: URL(filePath: control.file("cards")), options: .atomic)
    }

    func setLinkErrors(_ status: Int) throws {
        try Data("\(status)".utf8).write(to: URL(filePath: control.file("cards.errors")), options: .atomic)
    }

    static func source(_ path: String, partitions: Bool = false) -> String {
        """
        #include <stdint.h>
        #include <stdio.h>
        #include <string.h>
        static char cards[9] = "aa";
        static void now(const char *path, char out[9]) {
            FILE *f = fopen(path, "r");
            memset(out, 0, 9);
            if (f == NULL) return;
            if (fread(out, 1, 8, f) == 0) out[0] = 0;
            fclose(f);
        }
        int rsmi_init(uint64_t flags) {
            if (!PARTITIONS) now(PATH, cards);
            return cards[0] == '!' ? 8 : 0;
        }
        int rsmi_shut_down(void) { return 0; }
        int rsmi_num_monitor_devices(uint32_t *n) { *n = strlen(cards); return 0; }
        static int there(uint32_t i) {
            char live[9] = "aa";
            if (!PARTITIONS) now(PATH, live);
            return live[0] == '!' ? 8 : strchr(live, cards[i]) != NULL ? 0 : 2;
        }
        int rsmi_dev_unique_id_get(uint32_t i, uint64_t *id) { *id = cards[i] - 'a' + 10; return there(i); }
        int rsmi_dev_memory_total_get(uint32_t i, uint32_t t, uint64_t *n) {
            *n = PARTITIONS && i == 0 ? 1ull << 34 : 1ull << 33;
            return there(i);
        }
        int rsmi_dev_memory_usage_get(uint32_t i, uint32_t t, uint64_t *n) { *n = 1 << 20; return there(i); }
        int rsmi_dev_busy_percent_get(uint32_t i, uint32_t *n) { *n = cards[i] - 'a' + 10; return there(i); }
        int rsmi_dev_pci_id_get(uint32_t i, uint64_t *n) { *n = (uint64_t)(cards[i] - 'a' + 1) << 8; return there(i); }
        int rsmi_topo_get_link_type(uint32_t a, uint32_t b, uint64_t *hops, uint32_t *type) {
            *hops = 1; *type = 2; return 0;
        }
        int rsmi_dev_xgmi_error_status(uint32_t i, uint32_t *n) {
            char text[9];
            now(PATH ".errors", text);
            *n = text[0] - '0';
            return there(i);
        }
        #if PARTITIONS
        int rsmi_dev_partition_id_get(uint32_t i, uint32_t *n) { *n = i; return 0; }
        int rsmi_dev_compute_partition_get(uint32_t i, char *s, uint32_t n) { strcpy(s, "CPX"); return 0; }
        #endif
        """
        .replacingOccurrences(of: "PARTITIONS", with: partitions ? "1" : "0")
        .replacingOccurrences(of: "PATH", with: "\"\(path)\"")
    }
}

/// Libraries that answer nonsense, another for each SEED: texts without an end, counts beyond the arrays, unknown
/// statuses, sentinels.
private enum Fuzz {
    static let dice = """
        #include <stdint.h>
        #include <stdlib.h>
        #include <string.h>
        #define N 192
        static uint64_t state;
        static uint64_t roll(void) {
            if (state == 0) state = strtoull(getenv("SEED"), 0, 10) * 0x9e3779b97f4a7c15ull;
            state ^= state << 13; state ^= state >> 7; state ^= state << 17;
            return state;
        }
        static uint64_t value(void) {
            static const uint64_t odd[] = {0, 1, 2, 64, 65, 100, 4096, 0x7ffd, 0x7fffffff, 0x80000000u, 0xffffffffu,
                1ull << 33, 1ull << 36, 1ull << 62, 1ull << 63, ~0ull, 0x7fffffffffffffffull};
            return roll() % 3 == 0 ? roll() : odd[roll() % (sizeof odd / sizeof *odd)];
        }
        static void fill(void *out, size_t size) {
            for (size_t i = 0; i < size; i++) ((uint8_t *)out)[i] = roll() % 3 == 0 ? 0xff : (uint8_t)roll();
        }

        """

    static let rsmi =
        dice + """
            static int status(void) {
                static const int odd[] = {2, 3, 4, 6, 7, 10, 11, 14, 16, -1, 999};
                uint64_t r = roll() % 64;
                return r == 0 && atoi(getenv("SEED")) % 8 == 0 ? 8 : r < 12 ? odd[roll() % 11] : 0;
            }
            #define WORD(name) int name(uint32_t i, uint32_t *n) { *n = (uint32_t)value(); return status(); }
            #define LONG(name) int name(uint32_t i, uint64_t *n) { *n = value(); return status(); }
            #define SENSOR(name) int name(uint32_t i, uint32_t s, uint64_t *n) { *n = value(); return status(); }
            #define TEXT(name, type) \\
                int name(uint32_t i, char *s, type n) { memset(s, (int)(roll() | 1), n); return status(); }
            int rsmi_init(uint64_t flags) { return 0; }
            int rsmi_shut_down(void) { return 0; }
            int rsmi_num_monitor_devices(uint32_t *n) { *n = roll() % 2 ? 3 : (uint32_t)value(); return 0; }
            int rsmi_status_string(int s, const char **text) { *text = "\\033[31m?"; return 0; }
            TEXT(rsmi_version_str_get, uint32_t)
            TEXT(rsmi_dev_name_get, size_t)
            TEXT(rsmi_dev_serial_number_get, uint32_t)
            TEXT(rsmi_dev_vbios_version_get, uint32_t)
            int rsmi_hy_version_get(void *p) { fill(p, 32); return status(); }
            int rsmi_dev_id_get(uint32_t i, uint16_t *n) { *n = (uint16_t)value(); return status(); }
            int rsmi_dev_vendor_id_get(uint32_t i, uint16_t *n) { *n = roll() % 8 ? 0x1d94 : (uint16_t)value(); return 0; }
            int rsmi_dev_unique_id_get(uint32_t i, uint64_t *n) { *n = roll() % 4 ? i + 1 : value(); return 0; }
            int rsmi_dev_memory_total_get(uint32_t i, uint32_t t, uint64_t *n) {
                *n = roll() % 4 ? 1ull << 36 : value(); return 0;
            }
            SENSOR(rsmi_dev_memory_usage_get)
            SENSOR(rsmi_dev_power_ave_get)
            SENSOR(rsmi_dev_power_cap_get)
            LONG(rsmi_dev_pci_id_get)
            LONG(rsmi_dev_pci_replay_counter_get)
            LONG(rsmi_dev_ecc_enabled_get)
            LONG(rsmi_dev_current_socket_power_get)
            WORD(rsmi_topo_get_numa_node_number)
            WORD(rsmi_dev_memory_busy_percent_get)
            WORD(rsmi_dev_busy_percent_get)
            WORD(rsmi_dev_xgmi_error_status)
            WORD(rsmi_dev_partition_id_get)
            WORD(rsmi_dev_xhcl_link_number_get)
            int rsmi_dev_temp_metric_get(uint32_t i, uint32_t s, uint32_t m, uint64_t *n) { *n = value(); return status(); }
            int rsmi_dev_xhcl_link_state_get(uint32_t i, uint32_t l, uint32_t *n) { *n = (uint32_t)value(); return status(); }
            int rsmi_dev_xhcl_link_remote_bdfid_get(uint32_t i, uint32_t l, uint64_t *n) { *n = value(); return status(); }
            TEXT(rsmi_dev_compute_partition_get, uint32_t)
            int rsmi_dev_energy_count_get(uint32_t i, uint64_t *n, float *f, uint64_t *t) {
                uint32_t bits = (uint32_t)roll(); *n = value(); memcpy(f, &bits, 4); *t = value(); return status();
            }
            static int list(uint32_t *p) {
                fill(p, 416);
                if (roll() % 2) { p[0] = roll() % 2 ? 0 : roll() % 40; p[1] = roll() % 40; p[2] = roll() % 40; }
                return status();
            }
            int rsmi_dev_gpu_clk_freq_get(uint32_t i, uint32_t c, void *p) { return list(p); }
            int rsmi_dev_pci_bandwidth_get(uint32_t i, void *p) { return list(p); }
            int rsmi_dev_ecc_count_get(uint32_t i, uint64_t block, void *p) { fill(p, 64); return status(); }
            int rsmi_dev_memory_reserved_pages_get(uint32_t i, uint32_t *n, void *p) {
                uint32_t room = *n; *n = (uint32_t)value();
                if (p) fill(p, 24ull * (room < 4096 ? room : 4096));
                return status();
            }
            int rsmi_topo_get_link_type(uint32_t a, uint32_t b, uint64_t *hops, uint32_t *type) {
                *hops = value(); *type = roll() % 2 ? 2 : (uint32_t)value(); return status();
            }
            int rsmi_minmax_bandwidth_get(uint32_t a, uint32_t b, uint64_t *x, uint64_t *y) {
                *x = value(); *y = value(); return status();
            }
            int rsmi_compute_process_info_get(void *p, uint32_t *n) {
                if (p) fill(p, 32ull * (*n < 64 ? *n : 64));
                *n = (uint32_t)value(); return status();
            }
            int rsmi_compute_process_gpus_get(uint32_t pid, uint32_t *p, uint32_t *n) {
                if (p) fill(p, 4ull * *n);
                *n = (uint32_t)value(); return status();
            }
            int rsmi_compute_process_info_by_pid_get(uint32_t pid, void *p) { fill(p, 32); return status(); }
            int rsmi_compute_process_info_by_device_get(uint32_t pid, uint32_t i, void *p) { fill(p, 32); return status(); }
            """

    static let hydmi =
        dice + """
            struct device { char name[256]; int units; size_t total, used; uint64_t container; int card; };
            static int info(struct device *p) {
                fill(p, sizeof *p);
                if (roll() % 2) { p->units = 60; p->card = (int)(roll() % 3); }
                return roll() % 4 == 0 ? 15 : 0;
            }
            int dmiGetVDeviceCount(int *n) { *n = (int)value(); return roll() % 2 ? 0 : 3; }
            int dmiGetVDeviceInfo(int i, struct device *p) { return info(p); }
            int dmiGetDeviceInfo(int i, struct device *p) { return info(p); }
            int dmiGetVDevBusyPercent(int i, int *n) { *n = (int)value(); return 0; }
            """
}
