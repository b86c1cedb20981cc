import CVendorABI
import HCSModel

/// Who holds memory on which device.
struct RSMIProcesses {
    private(set) var onDevice: [UInt32: [DeviceSample.ProcessMemory]] = [:]

    private static let limit: UInt32 = 1024

    init(_ library: RSMILibrary) {
        var list = [rsmi_process_info_t](repeating: rsmi_process_info_t(), count: Int(Self.limit))
        var count = Self.limit
        let result = library.table.compute_process_info_get?(&list, &count)
        guard library.succeeded(result) || result == RSMI_STATUS_INSUFFICIENT_SIZE else { return }
        for entry in list.prefix(Int(min(count, Self.limit))) {
            guard let pid = Int32(exactly: entry.process_id), pid > 0 else { continue }
            let indices = Self.devices(library, of: entry.process_id)
            for index in indices {
                // All ones: the library does not know, as for a process of another pid namespace.
                guard let memory = Self.memory(library, entry, on: index, of: indices.count), memory != .max else {
                    continue
                }
                onDevice[index, default: []].append(.init(pid: pid, memory: ByteCount(memory)))
            }
        }
    }

    private static func devices(_ library: RSMILibrary, of pid: UInt32) -> [UInt32] {
        var indices = [UInt32](repeating: .max, count: WorkerProtocol.maximumDevices)
        var count = UInt32(indices.count)
        guard library.succeeded(library.table.compute_process_gpus_get?(pid, &indices, &count)) else { return [] }
        return Array(Set(indices.prefix(Int(min(count, UInt32(indices.count))))))
    }

    /// Libraries before 6.x tell a process's memory over all devices only, AMD's 5.x not even that in its list. That of a
    /// process on several devices is left out then: a guessed split would look like an escape from a quota.
    private static func memory(
        _ library: RSMILibrary, _ entry: rsmi_process_info_t, on index: UInt32, of devices: Int
    ) -> UInt64? {
        var own = rsmi_process_info_t()
        if library.succeeded(library.later.compute_process_info_by_device_get?(entry.process_id, index, &own)) {
            return own.vram_usage
        }
        guard devices == 1 else { return nil }
        if library.succeeded(library.table.compute_process_info_by_pid_get?(entry.process_id, &own)) {
            return own.vram_usage
        }
        return entry.vram_usage > 0 ? entry.vram_usage : nil
    }
}
