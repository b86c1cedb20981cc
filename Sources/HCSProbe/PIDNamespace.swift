internal import HCSSystem

/// Whether this process sees the pids that the kernel's own view has.
enum PIDNamespace {
    /// PROC_PID_INIT_INO (include/linux/proc_ns.h).
    private static let initial: UInt64 = 0xeffffffc

    static func isInitial(root: HostRoot) -> Bool { Procfs(root: root).pidNamespace() == initial }
}
