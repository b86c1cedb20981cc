import CVendorABI
import HCSModel
import HCSSystem

/// Cambricon MLU through CNDEV, `libcndev.so` (vendor ABI reference 4.1). Its older structs carry the API's version, which
/// the library refuses where it is not its own: the first that is accepted is used from then on.
package final class CNDEVBackend: VendorBackend {
    private var library: DynamicLibrary?
    private var table = hcs_cndev_table()
    private var started = false
    private var version = CNDEV_VERSION_6
    private var known: [Int32: DeviceID] = [:]
    package private(set) var symbols = SymbolReport(library: HCS_CNDEV_LIBRARY, present: 0, missing: [])

    private static let paths = ["/usr/local/neuware/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"].map {
        "\($0)/\(HCS_CNDEV_LIBRARY)"
    }

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try search.open(names: [HCS_CNDEV_LIBRARY], paths: Self.paths, .lazyGlobal)
        var table = hcs_cndev_table()
        _ = hcs_cndev_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "cndevInit") ?? library.name, count: hcs_cndev_symbol_count(),
            name: { hcs_cndev_symbol_name($0) }, present: { hcs_cndev_symbol_present(&table, $0) != 0 })
        try symbols.require(["cndevInit", "cndevGetDeviceCount", "cndevGetUUID", "cndevGetMemoryUsageV2"])
        self.table = table
        self.library = consume library
        let result = table.`init`?(0) ?? CNDEV_ERROR_UNINITIALIZED
        guard result == CNDEV_SUCCESS else { throw failure(.initFailed, "cndevInit", result) }
        started = true
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        var inventory = VendorInventory()
        let driver = driverVersion()
        for index in 0..<(try count()) {
            guard let handle = handle(index) else {
                inventory.skip("device \(index): no handle\(known[index].map { ", was \($0)" } ?? "")")
                continue
            }
            guard let device = describe(handle, index: index, driver: driver) else {
                inventory.skip("device \(index): it does not tell its UUID or memory")
                continue
            }
            if inventory.add(device) { remember(device.id, at: index) }
        }
        return inventory
    }

    /// One place per identity: a device that moved to another index is not lost at the old one.
    private func remember(_ id: DeviceID, at index: Int32) {
        known = known.filter { $0.value != id }
        known[index] = id
    }

    package func sample() throws(DeviceError) -> [RawSample] {
        known.sorted { $0.key < $1.key }.map { index, id in
            handle(index).map { measure($0, id) } ?? .lost(id)
        }
    }

    package func close() {
        if started { _ = table.release?() }
        started = false
        known = [:]
        table = hcs_cndev_table()
        library = nil
    }
}

extension CNDEVBackend {
    private func describe(_ handle: cndevDevice_t, index: Int32, driver: String?) -> DeviceInventory? {
        var uuid = cndevUUID_t()
        let result = versioned { version in
            uuid.version = version
            return table.get_uuid?(&uuid, handle)
        }
        guard result == CNDEV_SUCCESS, let text = PrintableText.clean(field: uuid.uuid), let memory = memory(handle)
        else { return nil }
        let name = table.get_card_name_string_by_dev_id?(handle).flatMap { PrintableText.clean(pointer: $0) }
        var device = DeviceInventory(
            id: DeviceID(text), name: name ?? "MLU", index: UInt32(index), memory: ByteCount(memory.total),
            driverVersion: driver)
        var pcie = cndevPCIeInfoV2_t()
        if table.get_pcie_info_v2?(&pcie, handle) == CNDEV_SUCCESS, let bus = UInt8(exactly: pcie.bus),
            pcie.device < 32,
            pcie.function < 8
        {
            device.pci = PCIAddress(
                domain: pcie.domain, bus: bus, device: UInt8(pcie.device), function: UInt8(pcie.function))
        }
        var node = cndevNUMANodeId_t()
        let numa = versioned { version in
            node.version = version
            return table.get_numa_node_id_by_dev_id?(&node, handle)
        }
        if numa == CNDEV_SUCCESS, (0..<1024).contains(node.nodeId) { device.numaNode = Int(node.nodeId) }
        return device
    }

    private func measure(_ handle: cndevDevice_t, _ id: DeviceID) -> RawSample {
        var sample = RawSample(id: id)
        var state = cndevCardHealthState_t()
        let health = versioned { version in
            state.version = version
            return table.get_card_health_state?(&state, handle)
        }
        if let health, Self.isLost(health) { return .lost(id) }
        if health == CNDEV_SUCCESS { sample.health = state.health == 1 ? .good : .critical }
        sample.memoryUsed = memory(handle)?.used
        sample.signals[.temperature] = temperature(handle)
        var power = cndevDevicePowerInfo_t()
        if table.get_device_power_info?(&power, handle) == CNDEV_SUCCESS {
            sample.signals[.power] = Double(power.usage)
        }
        var utilization = cndevUtilizationInfo_t()
        let load = versioned { version in
            utilization.version = version
            return table.get_device_utilization_info?(&utilization, handle)
        }
        if load == CNDEV_SUCCESS { sample.signals[.utilization] = Double(utilization.averageCoreUtilization) }
        sample.processes = processes(handle)
        return sample
    }

    /// The chip's sensor; cards older than the field leave it zero and have the board's.
    private func temperature(_ handle: cndevDevice_t) -> Double? {
        var temperature = cndevTemperatureInfo_t()
        let result = versioned { version in
            temperature.version = version
            return table.get_temperature_info?(&temperature, handle)
        }
        guard result == CNDEV_SUCCESS else { return nil }
        return Double(temperature.chip != 0 ? temperature.chip : temperature.board)
    }

    /// In MB, signed; what is below zero is no figure.
    private func memory(_ handle: cndevDevice_t) -> (total: UInt64, used: UInt64?)? {
        func bytes(_ megabytes: Int64) -> UInt64? {
            UInt64(exactly: megabytes).map { $0 > 1 << 40 ? .max : $0 << 20 }
        }
        var memory = cndevMemoryInfoV2_t()
        guard table.get_memory_usage_v2?(&memory, handle) == CNDEV_SUCCESS,
            let total = bytes(memory.physicalMemoryTotal)
        else { return nil }
        return (total, bytes(memory.physicalMemoryUsed))
    }

    private func processes(_ handle: cndevDevice_t) -> [DeviceSample.ProcessMemory] {
        let capacity: UInt32 = 1024
        var list = [cndevProcessInfo_t](repeating: cndevProcessInfo_t(), count: Int(capacity))
        var count = capacity
        let result = versioned { version in
            list[0].version = version
            count = capacity
            return table.get_process_info?(&count, &list, handle)
        }
        guard result == CNDEV_SUCCESS else { return [] }
        return list.prefix(Int(min(count, capacity))).compactMap { entry in
            guard let pid = Int32(exactly: entry.pid), pid > 0, entry.physicalMemoryUsed < 1 << 50 else { return nil }
            return DeviceSample.ProcessMemory(pid: pid, memory: ByteCount(entry.physicalMemoryUsed << 10))
        }
    }
}

extension CNDEVBackend {
    /// Calls with the API version in use, and with the older one where the library refuses it.
    private func versioned(_ call: (Int32) -> cndevRet_t?) -> cndevRet_t? {
        let result = call(Int32(version))
        guard result == CNDEV_ERROR_UNSUPPORTED_API_VERSION, version != CNDEV_VERSION_5 else { return result }
        let older = call(Int32(CNDEV_VERSION_5))
        if older == CNDEV_SUCCESS { version = CNDEV_VERSION_5 }
        return older
    }

    /// Before 2024 the ordinal was the handle and this call did not exist.
    private func handle(_ index: Int32) -> cndevDevice_t? {
        guard let call = table.get_device_handle_by_index else { return index }
        var handle: cndevDevice_t = -1
        return call(index, &handle) == CNDEV_SUCCESS ? handle : nil
    }

    private func count() throws(DeviceError) -> Int32 {
        var info = cndevCardInfo_t()
        let result = versioned { version in
            info.version = version
            return table.get_device_count?(&info)
        }
        guard result == CNDEV_SUCCESS else {
            throw failure(.callFailed, "cndevGetDeviceCount", result ?? CNDEV_ERROR_NOT_SUPPORTED)
        }
        return Int32(min(info.number, UInt32(WorkerProtocol.maximumDevices)))
    }

    private func driverVersion() -> String? {
        var major: UInt32 = 0, minor: UInt32 = 0, patch: UInt32 = 0
        guard table.get_driver_version?(&major, &minor, &patch) == CNDEV_SUCCESS else { return nil }
        return "\(major).\(minor).\(patch)"
    }

    private static func isLost(_ result: cndevRet_t) -> Bool {
        result == CNDEV_ERROR_INVALID_DEVICE_ID || result == CNDEV_ERROR_IN_PROBLEM || result == CNDEV_ERROR_NOT_FOUND
            || result == CNDEV_ERROR_NO_DEVICES
    }

    private func failure(_ code: DeviceError.Code, _ call: String, _ result: cndevRet_t) -> DeviceError {
        let text = table.get_error_string?(result).flatMap { PrintableText.clean(pointer: $0) }
        return DeviceError(
            code, "\(call): \(text ?? "CNDEV error \(result.rawValue)")", vendorCode: Int64(result.rawValue))
    }
}
