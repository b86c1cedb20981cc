/// Effective capabilities of a process (capabilities(7)).
package struct Capabilities: Hashable, Sendable {
    package let mask: UInt64

    package init(mask: UInt64) { self.mask = mask }

    /// By their names; one that is not known is a bug of the caller.
    package init(named names: [String]) {
        mask = names.reduce(0) { mask, name in
            guard let number = Self.all.firstIndex(of: name) else { preconditionFailure("\(name) is no capability") }
            return mask | 1 << UInt64(number)
        }
    }

    /// Those of this process; none where /proc does not tell.
    package static func effective(root: HostRoot = .real) -> Capabilities {
        let text = (try? SmallFile.text(root.path("/proc/self/status"))) ?? ""
        return Capabilities(mask: Procfs.field("CapEff", in: text).flatMap { UInt64($0, radix: 16) } ?? 0)
    }

    package func has(_ name: String) -> Bool {
        Self.all.firstIndex(of: name).map { mask >> $0 & 1 == 1 } ?? false
    }

    /// In the order of their numbers; those newer than this list as `CAP_41` and so on.
    package var names: [String] {
        (0..<64).filter { mask >> $0 & 1 == 1 }.map { $0 < Self.all.count ? Self.all[$0] : "CAP_\($0)" }
    }

    /// linux/capability.h, by number.
    private static let all = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
    ]
}
