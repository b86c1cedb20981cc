internal import HCSSystem

/// A capability that the probes use (capabilities(7)) and what its absence turns off.
package struct CapabilityUse: Hashable, Sendable {
    /// `CAP_SYSLOG`.
    package var name: String
    package var isHeld: Bool
    /// What works with it: one named thing.
    package var what: String

    package var finding: ProbeReport.Finding {
        .init(isAvailable: isHeld, detail: isHeld ? what : "without it no \(what)")
    }

    static func all(_ held: Capabilities) -> [CapabilityUse] {
        uses.map { use in
            CapabilityUse(
                name: use.name, isHeld: ([use.name] + use.contained).contains { held.has($0) }, what: use.what)
        }
    }

    /// `contained` are the capabilities that the kernel takes in its place.
    private static let uses: [(name: String, contained: [String], what: String)] = [
        ("CAP_BPF", ["CAP_SYS_ADMIN"], "eBPF programs: the probes poll"),
        ("CAP_PERFMON", ["CAP_SYS_ADMIN"], "eBPF programs on tracepoints: the probes poll"),
        ("CAP_SYSLOG", ["CAP_SYS_ADMIN"], "kernel log where kernel.dmesg_restrict is 1: faults that drivers print"),
        (
            "CAP_SYS_PTRACE", [],
            "open files, system call and wait channel of other users' processes: who holds a device"
        ),
        (
            "CAP_DAC_READ_SEARCH", ["CAP_DAC_OVERRIDE"],
            "list of other users' open files in /proc: who holds a device, by polling"
        ),
    ]
}
