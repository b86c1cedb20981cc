internal import CHCSSimulation
package import HCSModel

/// A device of a simulated host as it stands now.
package struct SimulatedDevice: Sendable, Equatable {
    /// Figures that can be changed while libraries read them.
    package enum Field: String, Sendable, CaseIterable {
        /// Degrees Celsius.
        case temperature
        /// Watts.
        case power
        /// Percent.
        case utilization
        /// Bytes that no process of the table holds.
        case usedElsewhere

        var maximum: UInt64 {
            switch self {
            case .temperature: 150
            case .power: 10_000
            case .utilization: 100
            case .usedElsewhere: 1 << 44
            }
        }
    }

    package enum Fault: String, Sendable, CaseIterable {
        /// Fallen off the bus: management calls answer so, runtime calls fail.
        case lost
        /// The vendor's own health call answers critical.
        case critical

        var bit: UInt64 {
            switch self {
            case .lost: HCS_SIM_FAULT_LOST
            case .critical: HCS_SIM_FAULT_CRITICAL
            }
        }
    }

    package var vendor: Vendor
    package var index: UInt32
    package var uuid: DeviceUUID
    package var model: String
    package var memory: ByteCount
    package var granularity: ByteCount
    package var pci: PCIAddress
    package var numaNode: UInt32?
    package var temperature: UInt64
    package var power: UInt64
    package var utilization: UInt64
    package var usedElsewhere: ByteCount
    package var faults: Set<Fault>

    /// As HCS reads it from the vendor's library.
    package var id: DeviceID { uuid.identity(vendor: vendor, index: index) }
    package var selector: String { "\(vendor.rawValue):\(index)" }

    func answers(to text: String) -> Bool {
        text == selector || text.lowercased() == id.uuid.lowercased() || DeviceUUID(text) == uuid
    }

    /// nil where the file says something that no device can be.
    init?(reading entry: UnsafeMutablePointer<hcs_sim_device>) {
        var device = entry.pointee
        guard let vendor = Vendor(code: device.vendor), let bus = UInt8(exactly: device.pci_bus),
            let slot = UInt8(exactly: device.pci_device), let function = UInt8(exactly: device.pci_function)
        else { return nil }
        self.vendor = vendor
        index = device.index
        uuid = DeviceUUID(bytes: withUnsafeBytes(of: &device.uuid) { Array($0) })
        model = withUnsafeBytes(of: &device.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        memory = ByteCount(device.memory)
        granularity = ByteCount(device.granularity)
        pci = PCIAddress(domain: device.pci_domain, bus: bus, device: slot, function: function)
        numaNode = device.numa_node == .max ? nil : device.numa_node
        temperature = hcs_sim_load(&entry.pointee.temperature_c)
        power = hcs_sim_load(&entry.pointee.power_mw) / 1000
        utilization = hcs_sim_load(&entry.pointee.utilization)
        usedElsewhere = ByteCount(hcs_sim_load(&entry.pointee.used_elsewhere))
        let bits = hcs_sim_load(&entry.pointee.faults)
        faults = Set(Fault.allCases.filter { bits & $0.bit != 0 })
    }
}

/// Faults of a vendor's management library as a whole.
package enum LibraryFault: String, Sendable, CaseIterable {
    /// Init answers the vendor's "driver not loaded".
    case initFails
    /// Every call but init sleeps until the fault is taken away.
    case hangs
    /// Every call but init raises SIGSEGV.
    case crashes

    var bit: UInt64 {
        switch self {
        case .initFails: HCS_SIM_LIBRARY_INIT_FAILS
        case .hangs: HCS_SIM_LIBRARY_HANGS
        case .crashes: HCS_SIM_LIBRARY_CRASHES
        }
    }
}

/// What one live process holds on one device.
package struct SimulatedUsage: Sendable, Equatable {
    package var pid: Int32
    package var startTime: UInt64
    package var device: DeviceID
    /// As asked for.
    package var requested: ByteCount
    /// Rounded up as the driver does: what the management library reports.
    package var charged: ByteCount
    package var allocations: UInt64
}
