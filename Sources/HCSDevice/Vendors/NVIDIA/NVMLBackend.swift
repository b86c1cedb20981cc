import CVendorABI
import HCSModel
import HCSSystem

/// NVIDIA through NVML, `libnvidia-ml.so.1` (vendor ABI reference 1.1). Lists whole GPUs; MIG slices are no devices here.
package final class NVMLBackend: VendorBackend {
    private var library: DynamicLibrary?
    private var table = hcs_nvml_table()
    private var started = false
    /// Identity by index at the last inventory: a lost GPU does not tell its UUID any more.
    private var known: [UInt32: DeviceID] = [:]
    package private(set) var symbols = SymbolReport(library: HCS_NVML_LIBRARY, present: 0, missing: [])

    /// nvidia-smi's own order, then Debian, containers with the driver's root mounted, and WSL. Never
    /// `libnvidia-ml.so`: that is the stub of the development package.
    private static let paths = [
        "/usr/lib64", "/usr/lib", "/usr/lib64/nvidia", "/usr/lib/nvidia", "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu", "/usr/lib/x86_64-linux-gnu/nvidia/current",
        "/usr/lib/aarch64-linux-gnu/nvidia/current", "/run/nvidia/driver/usr/lib64",
        "/run/nvidia/driver/usr/lib/x86_64-linux-gnu", "/usr/lib/wsl/lib",
    ].map { "\($0)/\(HCS_NVML_LIBRARY)" }

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try search.open(names: [HCS_NVML_LIBRARY], paths: Self.paths)
        var table = hcs_nvml_table()
        _ = hcs_nvml_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "nvmlInit_v2") ?? library.name, count: hcs_nvml_symbol_count(),
            name: { hcs_nvml_symbol_name($0) }, present: { hcs_nvml_symbol_present(&table, $0) != 0 })
        try symbols.require([
            "nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID",
        ])
        self.table = table
        self.library = consume library
        let result = table.init_v2?() ?? NVML_ERROR_FUNCTION_NOT_FOUND
        guard result == NVML_SUCCESS else { throw failure(.initFailed, "nvmlInit_v2", result) }
        started = true
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        var inventory = VendorInventory()
        let driver = PrintableText.from(capacity: Int(NVML_DRIVER_VERSION_BUFFER)) {
            table.system_get_driver_version?($0, $1) == NVML_SUCCESS
        }
        for index in 0..<(try count()) {
            switch handle(index) {
            case .failure(let result) where Self.isLost(result):
                inventory.skip("device \(index): \(text(of: result))\(known[index].map { ", was \($0)" } ?? "")")
            case .failure(let result): inventory.skip("device \(index): \(text(of: result))")
            case .success(let handle):
                guard let device = describe(handle, index: index, driver: driver) else {
                    inventory.skip("device \(index): it does not tell its UUID or memory")
                    continue
                }
                if inventory.add(device) { remember(device.id, at: index) }
            }
        }
        return inventory
    }

    /// One place per identity: a device that moved to another index is not lost at the old one.
    private func remember(_ id: DeviceID, at index: UInt32) {
        known = known.filter { $0.value != id }
        known[index] = id
    }

    package func sample() throws(DeviceError) -> [RawSample] {
        known.sorted { $0.key < $1.key }.map { index, id in
            switch handle(index) {
            case .success(let handle): measure(handle, id)
            case .failure(let result): Self.isLost(result) ? .lost(id) : RawSample(id: id)
            }
        }
    }

    package func close() {
        if started { _ = table.shutdown?() }
        started = false
        known = [:]
        table = hcs_nvml_table()
        library = nil
    }
}

extension NVMLBackend {
    private func describe(_ handle: nvmlDevice_t, index: UInt32, driver: String?) -> DeviceInventory? {
        let uuid = PrintableText.from(capacity: Int(NVML_DEVICE_UUID_BUFFER)) {
            table.device_get_uuid?(handle, $0, $1) == NVML_SUCCESS
        }
        guard let uuid, let memory = memory(handle) else { return nil }
        let name = PrintableText.from(capacity: Int(NVML_DEVICE_NAME_BUFFER)) {
            table.device_get_name?(handle, $0, $1) == NVML_SUCCESS
        }
        var device = DeviceInventory(
            id: DeviceID(uuid), name: name ?? "NVIDIA GPU", index: index, memory: ByteCount(memory.total),
            driverVersion: driver)
        var pci = nvmlPciInfo_t()
        if table.device_get_pci_info_v3?(handle, &pci) == NVML_SUCCESS {
            // The function is in the text only; the numeric fields stop at the device.
            device.pci = PrintableText.clean(field: pci.busId).flatMap { PCIAddress($0) }
        }
        device.cores = number { table.device_get_num_gpu_cores?(handle, &$0) }
        device.maximumClockMHz = number { table.device_get_max_clock_info?(handle, UInt32(NVML_CLOCK_SM), &$0) }
        return device
    }

    private func measure(_ handle: nvmlDevice_t, _ id: DeviceID) -> RawSample {
        var sample = RawSample(id: id)
        var lost = false
        func watch(_ result: nvmlReturn_t?) -> nvmlReturn_t? {
            if let result, Self.isLost(result) { lost = true }
            if result == NVML_ERROR_RESET_REQUIRED { sample.health = .critical }
            return result
        }
        sample.signals[.temperature] = number {
            watch(table.device_get_temperature?(handle, UInt32(NVML_TEMPERATURE_GPU), &$0))
        }.map(Double.init)
        guard !lost else { return .lost(id) }
        sample.memoryUsed = memory(handle)?.used
        sample.signals[.power] = number { watch(table.device_get_power_usage?(handle, &$0)) }.map { Double($0) / 1000 }
        var utilization = nvmlUtilization_t()
        if watch(table.device_get_utilization_rates?(handle, &utilization)) == NVML_SUCCESS {
            sample.signals[.utilization] = Double(utilization.gpu)
        }
        sample.health = sample.health ?? rowHealth(handle)
        sample.processes = processes(handle)
        return lost ? .lost(id) : sample
    }

    /// NVML has no health call; a row that could not be remapped is its word for memory beyond repair
    /// (replace the card), a pending one for "reset me" (NVIDIA GPU memory error management, row remapping).
    private func rowHealth(_ handle: nvmlDevice_t) -> DeviceSample.VendorHealth? {
        var corrected: UInt32 = 0, uncorrected: UInt32 = 0, pending: UInt32 = 0, failed: UInt32 = 0
        guard
            table.device_get_remapped_rows?(handle, &corrected, &uncorrected, &pending, &failed) == NVML_SUCCESS
        else { return nil }
        return failed != 0 ? .critical : pending != 0 ? .warning : .good
    }

    /// Total and used; the second revision leaves out of `used` what the driver keeps for itself.
    private func memory(_ handle: nvmlDevice_t) -> (total: UInt64, used: UInt64)? {
        var second = nvmlMemory_v2_t()
        second.version = UInt32(NVML_MEMORY_V2)
        if table.device_get_memory_info_v2?(handle, &second) == NVML_SUCCESS { return (second.total, second.used) }
        var first = nvmlMemory_t()
        guard table.device_get_memory_info?(handle, &first) == NVML_SUCCESS else { return nil }
        return (first.total, first.used)
    }

    private func processes(_ handle: nvmlDevice_t) -> [DeviceSample.ProcessMemory] {
        var capacity: UInt32 = 256
        for _ in 0..<3 {
            var list = [nvmlProcessInfo_t](repeating: nvmlProcessInfo_t(), count: Int(capacity))
            var count = capacity
            let result = table.device_get_compute_running_processes_v3?(handle, &count, &list)
            if result == NVML_ERROR_INSUFFICIENT_SIZE, count > capacity {
                capacity = min(count, 1 << 14) + 64
                continue
            }
            guard result == NVML_SUCCESS else { return [] }
            return list.prefix(Int(min(count, capacity))).compactMap { entry in
                guard entry.usedGpuMemory != UInt64.max, let pid = Int32(exactly: entry.pid), pid > 0 else {
                    return nil
                }
                return DeviceSample.ProcessMemory(pid: pid, memory: ByteCount(entry.usedGpuMemory))
            }
        }
        return []
    }
}

extension NVMLBackend {
    private enum Handle {
        case success(nvmlDevice_t)
        case failure(nvmlReturn_t)
    }

    private func handle(_ index: UInt32) -> Handle {
        var handle: nvmlDevice_t?
        let result = table.device_get_handle_by_index_v2?(index, &handle) ?? NVML_ERROR_FUNCTION_NOT_FOUND
        guard result == NVML_SUCCESS, let handle else {
            return .failure(result == NVML_SUCCESS ? NVML_ERROR_UNKNOWN : result)
        }
        return .success(handle)
    }

    private func count() throws(DeviceError) -> UInt32 {
        var count: UInt32 = 0
        let result = table.device_get_count_v2?(&count) ?? NVML_ERROR_UNINITIALIZED
        guard result == NVML_SUCCESS else { throw failure(.callFailed, "nvmlDeviceGetCount_v2", result) }
        return min(count, UInt32(WorkerProtocol.maximumDevices))
    }

    private func number(_ call: (inout UInt32) -> nvmlReturn_t?) -> UInt32? {
        var value: UInt32 = 0
        return call(&value) == NVML_SUCCESS ? value : nil
    }

    private static func isLost(_ result: nvmlReturn_t) -> Bool {
        result == NVML_ERROR_GPU_IS_LOST || result == NVML_ERROR_GPU_NOT_FOUND
    }

    private func text(of result: nvmlReturn_t) -> String {
        let text = table.error_string?(result).flatMap { PrintableText.clean(pointer: $0) }
        return text ?? "NVML error \(result.rawValue)"
    }

    private func failure(_ code: DeviceError.Code, _ call: String, _ result: nvmlReturn_t) -> DeviceError {
        DeviceError(code, "\(call): \(text(of: result))", vendorCode: Int64(result.rawValue))
    }
}
