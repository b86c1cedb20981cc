internal import CHCSSimulation
internal import Glibc
package import HCSModel
package import HCSSystem

/// The state file behind the simulated vendor libraries (CSources/simulation/hcs_sim.h). Names the file in
/// `HCS_SIM_STATE` and the libraries answer from it.
///
/// Device descriptions and faults are written here; the process table belongs to the runtime libraries and is only read.
/// What is read is bounded by the header's constants, never by the file's own figures. A user who may write the file can
/// truncate it and so raise SIGBUS here: it is for the demo and tests.
package struct SimulatedHost: ~Copyable, @unchecked Sendable {
    // Unchecked for the pointer: words that change while running go through the header's atomics.
    package let path: String
    private let file: Descriptor
    private let map: UnsafeMutablePointer<hcs_sim_host>

    /// The environment variable that names the file.
    package static var environmentVariable: String { HCS_SIM_ENV }
    private static let size = MemoryLayout<hcs_sim_host>.size

    deinit { munmap(map, Self.size) }

    /// Makes the file. `mode` is set exactly: a demo whose workloads run as another user needs 0o666. An existing file is
    /// an error: libraries that have it mapped would not see a new one.
    package static func create(path: String, scenario: Scenario, mode: UInt32 = 0o600) throws(SimulationError)
        -> SimulatedHost
    {
        if let problem = scenario.problem { throw SimulationError(.badScenario, "the scenario \(problem)") }
        let file = try opening { () throws(SystemError) in
            try Descriptor.open(
                path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600, hint: "remove it or choose another path")
        }
        do throws(SimulationError) {
            let result = posix_fallocate(file.number, 0, off_t(size))
            guard result == 0 else { throw .io("reserve \(size) bytes for \(path)", result) }
            let host = try SimulatedHost(path: path, file: file)
            host.fill(scenario)
            guard fchmod(host.file.number, mode) == 0 else { throw .io("set the mode of \(path)", errno) }
            hcs_sim_store(&host.map.pointee.magic, HCS_SIM_MAGIC)
            return host
        } catch {
            unlink(path)
            throw error
        }
    }

    package static func open(path: String) throws(SimulationError) -> SimulatedHost {
        let file = try opening { () throws(SystemError) in
            try Descriptor.open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        }
        let host = try SimulatedHost(path: path, file: file)
        let header = host.map.pointee
        guard hcs_sim_load(&host.map.pointee.magic) == HCS_SIM_MAGIC, header.version == HCS_SIM_VERSION,
            header.total_size == UInt64(size), header.device_count <= HCS_SIM_DEVICES
        else { throw SimulationError(.badState, "\(path) is no simulated host of version \(HCS_SIM_VERSION)") }
        return host
    }

    private init(path: String, file: consuming Descriptor) throws(SimulationError) {
        var status = stat()
        guard fstat(file.number, &status) == 0 else { throw .io("stat \(path)", errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size == Self.size else {
            throw SimulationError(.badState, "\(path) is no simulated host: not a regular file of \(Self.size) bytes")
        }
        guard let address = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0),
            address != MAP_FAILED
        else { throw .io("map \(path)", errno) }
        self.path = path
        self.map = address.bindMemory(to: hcs_sim_host.self, capacity: 1)
        self.file = file
    }

    // MARK: Reading

    /// In the order of the scenario.
    package var devices: [SimulatedDevice] {
        (0..<deviceCount).compactMap { position in entry(position).flatMap { SimulatedDevice(reading: $0) } }
    }

    /// Memory held by live processes, by device. Rows of dead processes are left out, not removed.
    package func usage(procfs: Procfs = Procfs()) -> [SimulatedUsage] {
        let devices = devices
        var found: [SimulatedUsage] = []
        for slot in 0..<HCS_SIM_PROCESSES {
            guard let process = hcs_sim_process_at(map, slot), let pid = Int32(exactly: process.pointee.pid), pid > 0
            else { continue }
            let startTime = process.pointee.start_time
            let used = devices.indices.compactMap { position -> SimulatedUsage? in
                guard let usage = hcs_sim_usage_at(process, UInt32(position))?.pointee, usage.count > 0 else {
                    return nil
                }
                return SimulatedUsage(
                    pid: pid, startTime: startTime, device: devices[position].id, requested: ByteCount(usage.requested),
                    charged: ByteCount(usage.charged), allocations: usage.count)
            }
            if !used.isEmpty, procfs.isAlive(pid: pid, startTime: startTime) { found += used }
        }
        return found
    }

    /// Changes of the description so far.
    package var revision: UInt64 { hcs_sim_load(&map.pointee.revision) }

    package func libraryFaults(of vendor: Vendor) -> Set<LibraryFault> {
        let bits = hcs_sim_library_faults(map, vendor.code)
        return Set(LibraryFault.allCases.filter { bits & $0.bit != 0 })
    }

    // MARK: Changing

    /// `device` is its identity (`GPU-...`), its UUID in 8-4-4-4-12 form, or `vendor:index`.
    package func set(_ device: String, _ field: SimulatedDevice.Field, to value: UInt64) throws(SimulationError) {
        guard value <= field.maximum else {
            throw SimulationError(.invalidValue, "\(field.rawValue) is \(value), at most \(field.maximum) is possible")
        }
        let entry = try find(device)
        switch field {
        case .temperature: hcs_sim_store(&entry.pointee.temperature_c, value)
        case .power: hcs_sim_store(&entry.pointee.power_mw, value * 1000)
        case .utilization: hcs_sim_store(&entry.pointee.utilization, value)
        case .usedElsewhere: hcs_sim_store(&entry.pointee.used_elsewhere, value)
        }
        changed()
    }

    /// The figures that `set(_:figure:to:)` knows (`hcs_sim_figures.h`, with their units).
    package static let figureNames: [String] = (0..<HCS_SIM_FIGURE_COUNT.rawValue).compactMap {
        hcs_sim_figure_name($0).map { String(cString: $0) }
    }

    /// Lanes a simulated device can have.
    package static let laneLimit = Int(HCS_SIM_LINKS)

    /// Compute slices of a simulated card that can be cut up.
    package static let sliceLimit = Int(HCS_SIM_MIGS)

    /// - Parameter value: in the unit of the figure; nil = the library does not support it any more.
    package func set(_ device: String, figure name: String, to value: UInt64?) throws(SimulationError) {
        guard let figure = Self.figure(named: name) else {
            throw SimulationError(.invalidValue, "'\(name.prefix(40))' is no figure of a simulated device")
        }
        hcs_sim_set_figure(map, try position(of: device), figure, value ?? .max)
        changed()
    }

    /// Makes or changes one lane of a device. `peer`: the other device; nil = a switch.
    package func setLink(
        _ device: String, lane: UInt32, version: UInt32, isUp: Bool, peer: String?, crcErrors: UInt64 = 0,
        replayErrors: UInt64 = 0
    ) throws(SimulationError) {
        guard lane < HCS_SIM_LINKS, let link = hcs_sim_link_at(map, try position(of: device), lane) else {
            throw SimulationError(.invalidValue, "lane \(lane): a simulated device has \(HCS_SIM_LINKS)")
        }
        link.pointee.peer = if let peer { try position(of: peer) } else { .max }
        link.pointee.up = isUp ? 1 : 0
        hcs_sim_store(&link.pointee.crc, crcErrors)
        hcs_sim_store(&link.pointee.replay, replayErrors)
        link.pointee.version = version
        changed()
    }

    private static func figure(named name: String) -> UInt32? {
        figureNames.firstIndex(of: name).map { UInt32($0) }
    }

    package func addFault(_ fault: SimulatedDevice.Fault, to device: String) throws(SimulationError) {
        let entry = try find(device)
        hcs_sim_store(&entry.pointee.faults, hcs_sim_load(&entry.pointee.faults) | fault.bit)
        changed()
    }

    package func removeFault(_ fault: SimulatedDevice.Fault, from device: String) throws(SimulationError) {
        let entry = try find(device)
        hcs_sim_store(&entry.pointee.faults, hcs_sim_load(&entry.pointee.faults) & ~fault.bit)
        changed()
    }

    /// Replaces the faults of a vendor's library; an empty set ends them.
    package func setLibraryFaults(_ faults: Set<LibraryFault>, of vendor: Vendor) {
        hcs_sim_set_library_faults(map, vendor.code, faults.reduce(0) { $0 | $1.bit })
        changed()
    }

    // MARK: Inside

    private var deviceCount: UInt32 { min(map.pointee.device_count, HCS_SIM_DEVICES) }

    private func entry(_ position: UInt32) -> UnsafeMutablePointer<hcs_sim_device>? { hcs_sim_device_at(map, position) }

    private func find(_ selector: String) throws(SimulationError) -> UnsafeMutablePointer<hcs_sim_device> {
        hcs_sim_device_at(map, try position(of: selector))
    }

    private func position(of selector: String) throws(SimulationError) -> UInt32 {
        for position in 0..<deviceCount {
            if let entry = entry(position), let device = SimulatedDevice(reading: entry), device.answers(to: selector) {
                return position
            }
        }
        throw SimulationError(
            .notFound,
            "\(path) has no device '\(selector.prefix(80))': name one of \(devices.map(\.selector).joined(separator: ", "))"
        )
    }

    private func changed() { hcs_sim_store(&map.pointee.revision, revision &+ 1) }

    private func fill(_ scenario: Scenario) {
        map.pointee.version = HCS_SIM_VERSION
        map.pointee.total_size = UInt64(Self.size)
        map.pointee.device_count = UInt32(scenario.devices.count)
        var next: [Vendor: UInt32] = [:]
        for (position, device) in scenario.devices.enumerated() {
            guard let entry = entry(UInt32(position)) else { continue }
            let index = next[device.vendor, default: 0]
            next[device.vendor] = index + 1
            entry.pointee = hcs_sim_device(
                device, index: index, uuid: scenario.uuid(at: position), pci: scenario.pci(at: position))
            hcs_sim_telemetry_init(hcs_sim_telemetry_at(map, UInt32(position)))
            for (name, value) in device.figures {
                if let figure = Self.figure(named: name) {
                    hcs_sim_set_figure(map, UInt32(position), figure, value ?? .max)
                }
            }
            for (lane, link) in device.links.prefix(Self.laneLimit).enumerated() {
                guard let entry = hcs_sim_link_at(map, UInt32(position), UInt32(lane)) else { continue }
                entry.pointee.peer = link.peer ?? .max
                entry.pointee.up = 1
                entry.pointee.version = link.version
            }
            for (number, instance) in device.mig.enumerated() {
                hcs_sim_add_mig(
                    map, UInt32(position), scenario.uuid(ofInstance: number, at: position).bytes,
                    instance.memory.bytes, instance.slices)
            }
        }
    }

    private static func opening(_ open: () throws(SystemError) -> Descriptor) throws(SimulationError) -> Descriptor {
        do {
            return try open()
        } catch {
            throw SimulationError(error.code == .notFound ? .notFound : .io, error.message)
        }
    }
}

extension SimulationError {
    fileprivate static func io(_ attempt: String, _ number: Int32) -> SimulationError {
        SimulationError(.io, SystemError.failed(attempt, errno: number).message)
    }
}

extension hcs_sim_device {
    fileprivate init(_ device: Scenario.Device, index: UInt32, uuid: DeviceUUID, pci: PCIAddress) {
        self.init()
        vendor = device.vendor.code
        self.index = index
        numa_node = device.numa ?? .max
        pci_domain = pci.domain
        pci_bus = UInt32(pci.bus)
        pci_device = UInt32(pci.device)
        pci_function = UInt32(pci.function)
        pci_ids = device.vendor.simulatedPCIDevice << 16 | UInt32(device.vendor.pciVendorID)
        withUnsafeMutableBytes(of: &name) { $0.copyBytes(from: Array(device.model.utf8.prefix($0.count - 1))) }
        withUnsafeMutableBytes(of: &self.uuid) { $0.copyBytes(from: uuid.bytes) }
        memory = device.memory.bytes
        granularity = device.granularity.bytes
        cores = device.cores
        temperature_c = device.temperature
        power_mw = device.power * 1000
        utilization = device.utilization
    }
}

extension Vendor {
    /// PCI device ids of H100 SXM, 910B, K100_AI and MLU370: a library reports one, nothing decides by it.
    fileprivate var simulatedPCIDevice: UInt32 {
        switch self {
        case .nvidia: 0x2330
        case .ascend: 0xd802
        case .hygon: 0x6210
        case .cambricon: 0x0370
        }
    }
}
