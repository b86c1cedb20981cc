import CVendorABI
import HCSModel

/// The library's event set. It is emptied in each pass and never waited for: the worker has one lane.
final class NVMLEvents {
    /// An Xid with the card it is of and, under MIG, the instances.
    struct Event {
        var device: nvmlDevice_t
        var code: UInt32
        var gpuInstance: UInt32
        var computeInstance: UInt32
    }

    /// Events taken in one pass; a storm's rest is left to the next ones.
    private static let limit = 64

    private let library: NVMLLibrary
    private let set: nvmlEventSet_t
    private var registered: Set<nvmlDevice_t> = []

    /// Nil where the library has no events.
    init?(_ library: NVMLLibrary) {
        var set: nvmlEventSet_t?
        guard library.table.event_set_create?(&set) == NVML_SUCCESS, let set else { return nil }
        self.library = library
        self.set = set
    }

    deinit { _ = library.table.event_set_free?(set) }

    /// Events from now on. A type that the card does not support would make the call fail.
    func register(_ device: nvmlDevice_t) {
        guard !registered.contains(device) else { return }
        var types: UInt64 = 0
        if library.table.device_get_supported_event_types?(device, &types) != NVML_SUCCESS { types = NVML_EVENT_XID }
        guard types & NVML_EVENT_XID != 0,
            library.table.device_register_events?(device, NVML_EVENT_XID, set) == NVML_SUCCESS
        else { return }
        registered.insert(device)
    }

    func take() -> [Event] {
        guard !registered.isEmpty, let wait = library.table.event_set_wait_v2 ?? library.table.event_set_wait else {
            return []
        }
        var events: [Event] = []
        for _ in 0..<Self.limit {
            var data = nvmlEventData_t()
            data.gpuInstanceId = .max
            data.computeInstanceId = .max
            let result = wait(set, &data, 0)
            library.judge(result, of: "nvmlEventSetWait")
            guard result == NVML_SUCCESS else { break }
            guard data.eventType == NVML_EVENT_XID, let device = data.device, let code = UInt32(exactly: data.eventData)
            else { continue }
            events.append(
                Event(
                    device: device, code: code, gpuInstance: data.gpuInstanceId,
                    computeInstance: data.computeInstanceId))
        }
        return events
    }
}
