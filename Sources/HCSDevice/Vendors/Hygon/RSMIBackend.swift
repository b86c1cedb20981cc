import CVendorABI
import HCSModel
import HCSSystem

/// Hygon DCU through its fork of ROCm SMI (vendor ABI reference 3.1). AMD's library has the same name; what tells them
/// apart is `rsmi_hy_version_get`. Without it only devices of Hygon's PCI vendor are taken.
package final class RSMIBackend: VendorBackend {
    private var library: DynamicLibrary?
    private var table = hcs_rsmi_table()
    private var started = false
    private var known: [UInt32: DeviceID] = [:]
    package private(set) var symbols = SymbolReport(library: HCS_RSMI_LIBRARY, present: 0, missing: [])

    /// Soname .so.2 in current DTK, .so.1 before; the bare name is how Hygon's own programs ask.
    private static let names = ["librocm_smi64.so.2", HCS_RSMI_LIBRARY, "librocm_smi64.so"]
    private static let paths = ["/opt/hyhal/lib", "/usr/local/hyhal/lib", "/opt/dtk/rocm_smi/lib"].flatMap {
        directory in ["librocm_smi64.so", "librocm_smi64.so.2", HCS_RSMI_LIBRARY].map { "\(directory)/\($0)" }
    }

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try Self.find(search)
        var table = hcs_rsmi_table()
        _ = hcs_rsmi_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "rsmi_init") ?? library.name, count: hcs_rsmi_symbol_count(),
            name: { hcs_rsmi_symbol_name($0) }, present: { hcs_rsmi_symbol_present(&table, $0) != 0 })
        try symbols.require([
            "rsmi_init", "rsmi_num_monitor_devices", "rsmi_dev_unique_id_get", "rsmi_dev_memory_total_get",
        ])
        self.table = table
        self.library = consume library
        let result = table.`init`?(0) ?? RSMI_STATUS_NOT_YET_IMPLEMENTED
        guard result == RSMI_STATUS_SUCCESS else { throw failure(.initFailed, "rsmi_init", result) }
        started = true
    }

    /// What the loader finds first may be AMD's; then Hygon's own places come before it.
    private static func find(_ search: LibrarySearch) throws(DeviceError) -> DynamicLibrary {
        let first = try search.open(names: names, paths: paths)
        if first.symbol("rsmi_hy_version_get") != nil { return first }
        if search == .host, let own = try? search.open(names: [], paths: paths) { return own }
        return first
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        var inventory = VendorInventory()
        let driver = driverVersion()
        for index in 0..<(try count()) {
            guard isHygon(index) else {
                inventory.skip("device \(index): it is not Hygon's")
                continue
            }
            guard let device = describe(index, driver: driver) else {
                inventory.skip("device \(index): it does not tell its unique id or memory")
                continue
            }
            if inventory.add(device) { remember(device.id, at: index) }
        }
        return inventory
    }

    /// One place per identity: a device that moved to another index is not lost at the old one.
    private func remember(_ id: DeviceID, at index: UInt32) {
        known = known.filter { $0.value != id }
        known[index] = id
    }

    package func sample() throws(DeviceError) -> [RawSample] {
        let processes = processesByDevice()
        return known.sorted { $0.key < $1.key }.map { index, id in
            var sample = measure(index, id)
            if sample.health != .lost { sample.processes = processes[index] ?? [] }
            return sample
        }
    }

    package func close() {
        if started { _ = table.shut_down?() }
        started = false
        known = [:]
        table = hcs_rsmi_table()
        library = nil
    }
}

extension RSMIBackend {
    private func describe(_ index: UInt32, driver: String?) -> DeviceInventory? {
        var unique: UInt64 = 0
        var total: UInt64 = 0
        // A card without a burnt-in id answers zero, as does every other such card.
        guard table.dev_unique_id_get?(index, &unique) == RSMI_STATUS_SUCCESS, unique != 0, unique != .max,
            table.dev_memory_total_get?(index, UInt32(RSMI_MEM_TYPE_VRAM), &total) == RSMI_STATUS_SUCCESS
        else { return nil }
        let digits = String(unique, radix: 16)
        let name = PrintableText.from(capacity: Int(HCS_RSMI_NAME_BUFFER)) {
            table.dev_name_get?(index, $0, Int($1)) == RSMI_STATUS_SUCCESS
        }
        var device = DeviceInventory(
            id: DeviceID("GPU-" + String(repeating: "0", count: 16 - digits.count) + digits),
            name: name ?? "Hygon DCU", index: index, memory: ByteCount(total), driverVersion: driver)
        // bdfid: domain << 32 | bus << 8 | device << 3 | function
        var bdf: UInt64 = 0
        if table.dev_pci_id_get?(index, &bdf) == RSMI_STATUS_SUCCESS {
            device.pci = PCIAddress(
                domain: UInt32(truncatingIfNeeded: bdf >> 32), bus: UInt8(truncatingIfNeeded: bdf >> 8),
                device: UInt8(truncatingIfNeeded: bdf >> 3) & 31, function: UInt8(truncatingIfNeeded: bdf) & 7)
        }
        var node: UInt32 = 0
        if table.topo_get_numa_node_number?(index, &node) == RSMI_STATUS_SUCCESS, node < 1024 {
            device.numaNode = Int(node)
        }
        return device
    }

    private func measure(_ index: UInt32, _ id: DeviceID) -> RawSample {
        var sample = RawSample(id: id)
        var used: UInt64 = 0
        // The kernel driver removes a card's files when the card is gone, so every call of a lost one finds nothing.
        let result = table.dev_memory_usage_get?(index, UInt32(RSMI_MEM_TYPE_VRAM), &used)
        if let result, Self.isLost(result) { return .lost(id) }
        if result == RSMI_STATUS_SUCCESS { sample.memoryUsed = used }
        sample.signals[.temperature] = temperature(index)
        var microwatts: UInt64 = 0
        if table.dev_power_ave_get?(index, 0, &microwatts) == RSMI_STATUS_SUCCESS {
            sample.signals[.power] = Double(microwatts) / 1e6
        }
        var percent: UInt32 = 0
        if table.dev_busy_percent_get?(index, &percent) == RSMI_STATUS_SUCCESS {
            sample.signals[.utilization] = Double(percent)
        }
        return sample
    }

    /// The hottest spot where there is a sensor for it, else the edge (both have AMD's numbers in Hygon's fork).
    private func temperature(_ index: UInt32) -> Double? {
        var millidegrees: Int64 = 0
        for sensor in [RSMI_TEMP_TYPE_JUNCTION, RSMI_TEMP_TYPE_EDGE]
        where table.dev_temp_metric_get?(index, UInt32(sensor), UInt32(RSMI_TEMP_CURRENT), &millidegrees)
            == RSMI_STATUS_SUCCESS
        {
            return Double(millidegrees) / 1000
        }
        return nil
    }

    /// ROCm SMI tells a process's memory over all devices only. A process on one device has it there; one on several is
    /// left out, because a guessed split would look like an escape from a quota.
    private func processesByDevice() -> [UInt32: [DeviceSample.ProcessMemory]] {
        let capacity: UInt32 = 1024
        var list = [rsmi_process_info_t](repeating: rsmi_process_info_t(), count: Int(capacity))
        var count = capacity
        guard table.compute_process_info_get?(&list, &count) == RSMI_STATUS_SUCCESS else { return [:] }
        var found: [UInt32: [DeviceSample.ProcessMemory]] = [:]
        for entry in list.prefix(Int(min(count, capacity))) {
            var indices = [UInt32](repeating: .max, count: WorkerProtocol.maximumDevices)
            var devices = UInt32(indices.count)
            guard let pid = Int32(exactly: entry.process_id), pid > 0,
                table.compute_process_gpus_get?(entry.process_id, &indices, &devices) == RSMI_STATUS_SUCCESS,
                devices == 1
            else { continue }
            found[indices[0], default: []].append(.init(pid: pid, memory: ByteCount(entry.vram_usage)))
        }
        return found
    }
}

extension RSMIBackend {
    private func isHygon(_ index: UInt32) -> Bool {
        if table.hy_version_get != nil { return true }
        var vendor: UInt16 = 0
        return table.dev_vendor_id_get?(index, &vendor) == RSMI_STATUS_SUCCESS && vendor == Vendor.hygon.pciVendorID
    }

    private func driverVersion() -> String? {
        var hygon = hcs_rsmi_hy_version()
        if table.hy_version_get?(&hygon) == RSMI_STATUS_SUCCESS { return "\(hygon.major).\(hygon.minor)" }
        var version = rsmi_version_t()
        guard table.version_get?(&version) == RSMI_STATUS_SUCCESS else { return nil }
        return "\(version.major).\(version.minor).\(version.patch)"
    }

    private func count() throws(DeviceError) -> UInt32 {
        var count: UInt32 = 0
        let result = table.num_monitor_devices?(&count) ?? RSMI_STATUS_NOT_YET_IMPLEMENTED
        guard result == RSMI_STATUS_SUCCESS else { throw failure(.callFailed, "rsmi_num_monitor_devices", result) }
        return min(count, UInt32(WorkerProtocol.maximumDevices))
    }

    private static func isLost(_ result: rsmi_status_t) -> Bool {
        result == RSMI_STATUS_NOT_FOUND || result == RSMI_STATUS_FILE_ERROR
            || result == RSMI_STATUS_INPUT_OUT_OF_BOUNDS
    }

    private func failure(_ code: DeviceError.Code, _ call: String, _ result: rsmi_status_t) -> DeviceError {
        var text: UnsafePointer<CChar>?
        var message: String?
        if table.status_string?(result, &text) == RSMI_STATUS_SUCCESS {
            message = text.flatMap { PrintableText.clean(pointer: $0) }
        }
        return DeviceError(
            code, "\(call): \(message ?? "ROCm SMI error \(result.rawValue)")", vendorCode: Int64(result.rawValue))
    }
}
