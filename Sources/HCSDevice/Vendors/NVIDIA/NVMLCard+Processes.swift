import CVendorABI
import HCSModel

/// A process on a card, as one of the lists names it.
struct NVMLProcess {
    var pid: Int32
    var memory: UInt64
    var gpuInstance: UInt32
    var computeInstance: UInt32
}

extension NVMLCard {
    private static let firstCapacity = 64
    private static let maximumCapacity = 1 << 14

    /// Memory by process over the lists of compute, graphics and MPS clients. A process that is in several has the same
    /// memory in each: it counts once. Nil where no list is given.
    func processes(_ handle: nvmlDevice_t) -> [NVMLProcess]? {
        let table = library.table
        let compute =
            list(.computeProcesses, table.device_get_compute_running_processes_v3, handle)
            ?? list(.computeProcesses, table.device_get_compute_running_processes_v2, handle)
            ?? listV1(.computeProcesses, table.device_get_compute_running_processes, handle)
        let graphics =
            list(.graphicsProcesses, table.device_get_graphics_running_processes_v3, handle)
            ?? list(.graphicsProcesses, table.device_get_graphics_running_processes_v2, handle)
            ?? listV1(.graphicsProcesses, table.device_get_graphics_running_processes, handle)
        let clients = list(.mpsProcesses, table.device_get_mps_compute_running_processes_v3, handle)
        guard compute != nil || graphics != nil else { return nil }
        var merged = compute ?? []
        var places: [Place: Int] = [:]
        for (position, process) in merged.enumerated() { places[Place(process)] = position }
        for process in (graphics ?? []) + (clients ?? []) {
            if let position = places[Place(process)] {
                merged[position].memory = max(merged[position].memory, process.memory)
            } else {
                places[Place(process)] = merged.count
                merged.append(process)
            }
        }
        return merged
    }

    private struct Place: Hashable {
        var pid: Int32
        var gpuInstance: UInt32
        var computeInstance: UInt32

        init(_ process: NVMLProcess) {
            (pid, gpuInstance, computeInstance) = (process.pid, process.gpuInstance, process.computeInstance)
        }
    }

    private typealias Call<Record> = (nvmlDevice_t?, UnsafeMutablePointer<UInt32>?, UnsafeMutablePointer<Record>?) ->
        nvmlReturn_t

    private func list(_ question: NVMLQuestion, _ call: Call<nvmlProcessInfo_t>?, _ handle: nvmlDevice_t)
        -> [NVMLProcess]?
    {
        records(question, call, nvmlProcessInfo_t(), handle) {
            NVMLProcess($0.pid, $0.usedGpuMemory, $0.gpuInstanceId, $0.computeInstanceId)
        }
    }

    private func listV1(_ question: NVMLQuestion, _ call: Call<nvmlProcessInfo_v1_t>?, _ handle: nvmlDevice_t)
        -> [NVMLProcess]?
    {
        records(question, call, nvmlProcessInfo_v1_t(), handle) {
            NVMLProcess($0.pid, $0.usedGpuMemory, UInt32.max, UInt32.max)
        }
    }

    /// Nil: the library has no such function, or gives no list.
    private func records<Record>(
        _ question: NVMLQuestion, _ call: Call<Record>?, _ empty: Record, _ handle: nvmlDevice_t,
        _ process: (Record) -> NVMLProcess?
    ) -> [NVMLProcess]? {
        guard let call else { return nil }
        var capacity = Self.firstCapacity
        for _ in 0..<3 {
            var needed = 0
            let found: [NVMLProcess]? = withUnsafeTemporaryAllocation(of: Record.self, capacity: capacity) { buffer in
                buffer.initialize(repeating: empty)
                var count = UInt32(capacity)
                let answered = ask(question) {
                    let result = call(handle, &count, buffer.baseAddress)
                    if result == NVML_ERROR_INSUFFICIENT_SIZE { needed = Int(count) }
                    return result
                }
                return answered ? buffer.prefix(Int(count)).compactMap(process) : nil
            }
            guard found == nil, needed > capacity else { return found }
            capacity = min(needed, Self.maximumCapacity) + Self.firstCapacity
        }
        return nil
    }
}

extension NVMLProcess {
    /// Nil for one without a figure: under MIG, or without the right to see it.
    fileprivate init?(_ pid: UInt32, _ memory: UInt64, _ gpuInstance: UInt32, _ computeInstance: UInt32) {
        guard memory != UInt64.max, let pid = Int32(exactly: pid), pid > 0 else { return nil }
        self.init(pid: pid, memory: memory, gpuInstance: gpuInstance, computeInstance: computeInstance)
    }
}
