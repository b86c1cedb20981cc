package import HCSModel

extension DeviceSample {
    /// Per cent of utilisation up to which a device counts as idle: libraries sample over a while and round up.
    package static let idleUtilization = 5.0

    /// Why the device must not be measured now; nil: nobody uses it.
    package func busyReason(memory: ByteCount) -> String? {
        if vendorHealth == .lost { return "the device does not answer" }
        if let process = processes.first {
            let others = processes.count > 1 ? " and \(processes.count - 1) more" : ""
            return "in use by process \(process.pid)\(others)"
        }
        if let percent = utilizationPercent, percent > Self.idleUtilization {
            return "in use: \(Int(percent)) % utilisation"
        }
        // A MIG instance tells no utilisation; then the memory must be free, but for what a driver keeps.
        guard utilizationPercent == nil else { return nil }
        guard let memoryUsed else { return "the library tells neither utilisation nor memory in use" }
        return memoryUsed.bytes > memory.bytes / 20 ? "in use: \(memoryUsed) of its memory" : nil
    }
}
