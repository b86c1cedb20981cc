import CVendorABI
import HCSModel
import HCSSystem

/// The opened library: its functions, and what it says of itself. The session ends with it.
final class NVMLLibrary {
    let table: hcs_nvml_table
    let symbols: SymbolReport
    /// The answer that showed that the running driver is not this library's any more.
    private(set) var stale: (call: String, result: nvmlReturn_t)?
    private let library: DynamicLibrary
    private var started = false

    /// nvidia-smi's own order, then Debian, containers with the driver's root mounted, and WSL. Never
    /// `libnvidia-ml.so`: that is the stub of the development package.
    static let directories = [
        "/usr/lib64", "/usr/lib", "/usr/lib64/nvidia", "/usr/lib/nvidia", "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu", "/usr/lib/x86_64-linux-gnu/nvidia/current",
        "/usr/lib/aarch64-linux-gnu/nvidia/current", "/run/nvidia/driver/usr/lib64",
        "/run/nvidia/driver/usr/lib/x86_64-linux-gnu", "/usr/lib/wsl/lib",
    ]

    /// - Throws: `libraryMissing`.
    init(_ search: LibrarySearch) throws(DeviceError) {
        let library = try search.open(
            names: [HCS_NVML_LIBRARY], paths: Self.directories.map { "\($0)/\(HCS_NVML_LIBRARY)" })
        var table = hcs_nvml_table()
        _ = hcs_nvml_load(library.handle, &table)
        symbols = SymbolReport(
            library: library.path(of: "nvmlInit_v2") ?? library.name, count: hcs_nvml_symbol_count(),
            name: { hcs_nvml_symbol_name($0) }, present: { hcs_nvml_symbol_present(&table, $0) != 0 })
        self.table = table
        self.library = library
    }

    deinit {
        if started { _ = table.shutdown?() }
    }

    /// - Throws: `symbolsMissing`, `initFailed`.
    func start() throws(DeviceError) {
        try symbols.require([
            "nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID",
        ])
        let result = table.init_v2?() ?? NVML_ERROR_FUNCTION_NOT_FOUND
        guard result == NVML_SUCCESS else { throw failure(.initFailed, "nvmlInit_v2", result) }
        started = true
    }

    /// Looks at an answer for signs that the driver is gone or another.
    func judge(_ result: nvmlReturn_t, of call: String) {
        switch result {
        case NVML_ERROR_UNINITIALIZED, NVML_ERROR_DRIVER_NOT_LOADED, NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            if stale == nil { stale = (call, result) }
        default: break
        }
    }

    /// - Throws: `libraryStale` where `judge` saw it.
    func requireFresh() throws(DeviceError) {
        if let stale { throw failure(.libraryStale, stale.call, stale.result) }
    }

    func failure(_ code: DeviceError.Code, _ call: String, _ result: nvmlReturn_t) -> DeviceError {
        DeviceError(code, "\(call): \(text(of: result))", vendorCode: Int64(result.rawValue))
    }

    func text(of result: nvmlReturn_t) -> String {
        let text = table.error_string?(result).flatMap { PrintableText.clean(pointer: $0) }
        return text ?? "NVML error \(result.rawValue)"
    }
}

extension NVMLLibrary {
    /// - Throws: `callFailed`.
    func count() throws(DeviceError) -> UInt32 {
        var count: UInt32 = 0
        let result = table.device_get_count_v2?(&count) ?? NVML_ERROR_FUNCTION_NOT_FOUND
        judge(result, of: "nvmlDeviceGetCount_v2")
        try requireFresh()
        guard result == NVML_SUCCESS else { throw failure(.callFailed, "nvmlDeviceGetCount_v2", result) }
        return min(count, UInt32(WorkerProtocol.maximumDevices))
    }

    enum Handle {
        case found(nvmlDevice_t)
        case refused(nvmlReturn_t)
    }

    func handle(_ index: UInt32) -> Handle {
        var handle: nvmlDevice_t?
        let result = table.device_get_handle_by_index_v2?(index, &handle) ?? NVML_ERROR_FUNCTION_NOT_FOUND
        judge(result, of: "nvmlDeviceGetHandleByIndex_v2")
        guard result == NVML_SUCCESS else { return .refused(result) }
        return handle.map { .found($0) } ?? .refused(NVML_ERROR_UNKNOWN)
    }

    var driverVersion: String? {
        PrintableText.from(capacity: Int(NVML_DRIVER_VERSION_BUFFER)) {
            table.system_get_driver_version?($0, $1) == NVML_SUCCESS
        }
    }

    /// The newest CUDA that the driver serves: 12040 is `12.4`.
    var cudaVersion: String? {
        var version: Int32 = 0
        let call = table.system_get_cuda_driver_version_v2 ?? table.system_get_cuda_driver_version
        guard call?(&version) == NVML_SUCCESS, (1000..<1_000_000).contains(version) else { return nil }
        return "\(version / 1000).\(version % 1000 / 10)"
    }

    static func isLost(_ result: nvmlReturn_t) -> Bool {
        result == NVML_ERROR_GPU_IS_LOST || result == NVML_ERROR_GPU_NOT_FOUND
    }
}
