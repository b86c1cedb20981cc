import CVendorABI
import Glibc
import HCSModel
import HCSSystem

/// One open librocm_smi64: its functions, and whose build it is.
final class RSMILibrary {
    /// They differ in the numbers of sensors and the blocks that have error counters.
    enum Build { case amd, hygon }

    let build: Build
    let table: hcs_rsmi_table
    let later: hcs_rsmi6_table
    let own: hcs_rsmi_hy_table
    let symbols: SymbolReport
    /// A call said that the library is not started, though it was.
    private(set) var isStale = false
    private let library: DynamicLibrary
    private let isHost: Bool
    private var started = false

    init(_ search: LibrarySearch) throws(DeviceError) {
        let library = try Self.find(search)
        var table = hcs_rsmi_table()
        var later = hcs_rsmi6_table()
        var own = hcs_rsmi_hy_table()
        _ = hcs_rsmi_load(library.handle, &table)
        _ = hcs_rsmi6_load(library.handle, &later)
        _ = hcs_rsmi_hy_load(library.handle, &own)
        build = own.version_get == nil ? .amd : .hygon
        symbols = SymbolReport(
            library: "\(library.path(of: "rsmi_init") ?? library.name) (\(build == .amd ? "AMD's" : "Hygon's"))",
            count: hcs_rsmi_symbol_count(), name: { hcs_rsmi_symbol_name($0) },
            present: { hcs_rsmi_symbol_present(&table, $0) != 0 })
        self.table = table
        self.later = later
        self.own = own
        self.library = library
        isHost = search == .host
    }

    deinit { stop() }
}

extension RSMILibrary {
    private static let hygonNames = ["librocm_smi64.so.2", HCS_RSMI_LIBRARY, "librocm_smi64.so"]
    private static let hygonDirectories = ["/opt/hyhal/lib", "/usr/local/hyhal/lib", "/opt/dtk/rocm_smi/lib"]
    private static let hygonPaths = hygonDirectories.flatMap { directory in
        ["librocm_smi64.so", "librocm_smi64.so.2", HCS_RSMI_LIBRARY].map { "\(directory)/\($0)" }
    }
    private static let amdNames = ["librocm_smi64.so.7", "librocm_smi64.so.6", "librocm_smi64.so.5", HCS_RSMI_LIBRARY]
    private static let amdDirectories = ["/opt/rocm/lib", "/usr/lib"]
    private static let amdPaths = amdDirectories.flatMap { directory in amdNames.map { "\(directory)/\($0)" } }
    static let directories = hygonDirectories + amdDirectories

    /// Both makers' libraries have the same name and may both be installed. Where the loader's choice is not the one for
    /// the driver that is loaded (only Hygon's makes /dev/mkfd), the other is looked for in its own places.
    private static func find(_ search: LibrarySearch) throws(DeviceError) -> DynamicLibrary {
        let first = try search.open(
            names: hygonNames + amdNames.dropLast(), paths: hygonPaths + amdPaths)
        guard search == .host else { return first }
        let isHygons = first.symbol("rsmi_hy_version_get") != nil
        let mkfd = exists("/dev/mkfd")
        guard isHygons != mkfd, mkfd || exists("/dev/kfd") else { return first }
        guard let other = try? search.open(names: [], paths: mkfd ? hygonPaths : amdPaths) else { return first }
        return (other.symbol("rsmi_hy_version_get") != nil) == mkfd ? other : first
    }

    private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static let noDriver = "neither /dev/kfd nor /dev/mkfd is there: no driver is loaded"

    /// A simulated one needs none.
    var hasDriver: Bool { !isHost || Self.exists("/dev/kfd") || Self.exists("/dev/mkfd") }

    func start() throws(DeviceError) {
        let result = table.`init`?(0) ?? RSMI_STATUS_NOT_YET_IMPLEMENTED
        guard result == RSMI_STATUS_SUCCESS else {
            throw failure(.initFailed, "rsmi_init", result, hasDriver ? "" : "; \(Self.noDriver)")
        }
        started = true
        isStale = false
    }

    func stop() {
        if started { _ = table.shut_down?() }
        started = false
    }

    /// Whether a call gave what it was asked for; nil: the library has no such function.
    func succeeded(_ result: rsmi_status_t?) -> Bool {
        if result == RSMI_STATUS_INIT_ERROR { isStale = true }
        return result == RSMI_STATUS_SUCCESS
    }

    func number(_ call: (inout UInt64) -> rsmi_status_t?) -> UInt64? {
        var value: UInt64 = 0
        return succeeded(call(&value)) ? value : nil
    }

    func word(_ call: (inout UInt32) -> rsmi_status_t?) -> UInt32? {
        var value: UInt32 = 0
        return succeeded(call(&value)) ? value : nil
    }

    func half(_ call: (inout UInt16) -> rsmi_status_t?) -> UInt16? {
        var value: UInt16 = 0
        return succeeded(call(&value)) ? value : nil
    }

    func text(_ capacity: Int32, _ call: (UnsafeMutablePointer<CChar>, UInt32) -> rsmi_status_t?) -> String? {
        PrintableText.from(capacity: Int(capacity)) { succeeded(call($0, $1)) }
    }

    /// Celsius.
    func temperature(_ index: UInt32, sensor: UInt32, _ metric: Int32 = RSMI_TEMP_CURRENT) -> Double? {
        var millidegrees: Int64 = 0
        return succeeded(table.dev_temp_metric_get?(index, sensor, UInt32(metric), &millidegrees))
            ? Double(millidegrees) / 1000 : nil
    }

    /// Reads a list of frequencies in whichever layout it came.
    func list<Value>(
        _ call: (inout hcs_rsmi_frequencies) -> rsmi_status_t?, _ read: (hcs_rsmi_frequency_list) -> Value
    ) -> Value? {
        var buffer = hcs_rsmi_frequencies()
        guard succeeded(call(&buffer)) else { return nil }
        return withUnsafePointer(to: buffer) {
            let list = hcs_rsmi_read_frequencies($0)
            return list.count > 0 ? read(list) : nil
        }
    }

    func failure(
        _ code: DeviceError.Code, _ call: String, _ result: rsmi_status_t, _ hint: String = ""
    ) -> DeviceError {
        var text: UnsafePointer<CChar>?
        var message: String?
        if table.status_string?(result, &text) == RSMI_STATUS_SUCCESS {
            message = text.flatMap { PrintableText.clean(pointer: $0) }
        }
        return DeviceError(
            code, "\(call): \(message ?? "ROCm SMI error \(result.rawValue)")\(hint)",
            vendorCode: Int64(result.rawValue))
    }
}
