import HCSModel
import HCSSystem

/// What the segments said of each process lately. The driver's sample and the segments are not read at one instant, so a
/// process is held to the most that its slot said since the sample before the last: one that allocates and frees without
/// end is no escape.
struct ShareWindow {
    struct Process: Hashable { var namespace: UInt64, pid: UInt32, startTime: UInt64 }
    private struct Share: Hashable { var process: Process, device: DeviceID }

    private var present: [Share: EscapeDetector.Claim] = [:]
    private var last: [Share: EscapeDetector.Claim] = [:]

    mutating func note(_ slots: [SegmentSnapshot.Slot], of id: WorkloadID, on devices: [DeviceID]) {
        // A process that executed another program may hold two slots for a moment.
        var sums: [Share: EscapeDetector.Claim] = [:]
        for slot in slots {
            let process = Process(namespace: slot.pidNamespace, pid: slot.pid, startTime: slot.startTime)
            for device in devices {
                let share = Share(process: process, device: device)
                let before = sums[share]
                sums[share] = EscapeDetector.Claim(
                    workload: id, used: (before?.used ?? .zero).adding(slot.used[device] ?? .zero),
                    overhead: (before?.overhead ?? .zero).adding(slot.overhead[device] ?? .zero))
            }
        }
        for (share, claim) in sums { present[share] = Self.larger(present[share], claim) }
    }

    func claim(of process: Process, on device: DeviceID) -> EscapeDetector.Claim? {
        let share = Share(process: process, device: device)
        guard let now = present[share] else { return last[share] }
        return Self.larger(last[share], now)
    }

    /// A sample was compared: the next window begins.
    mutating func turn() {
        last = present
        present = [:]
    }

    private static func larger(_ old: EscapeDetector.Claim?, _ new: EscapeDetector.Claim) -> EscapeDetector.Claim {
        guard let old else { return new }
        return EscapeDetector.Claim(
            workload: new.workload, used: max(old.used, new.used), overhead: max(old.overhead, new.overhead))
    }
}
